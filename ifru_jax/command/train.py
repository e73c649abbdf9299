"""Commands about models: `train`, `recommend`, `export`, `key`."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro

from ifru_jax.api import evaluate, fit
from ifru_jax.command.line import Exit, print_json
from ifru_jax.command.of_store import OfStore
from ifru_jax.command.show import say, table
from ifru_jax.data import load_dataset, protocol_split
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.errors import DataError
from ifru_jax.interop.export import Like
from ifru_jax.models import FlaxRecommender, bias_mf, lightgcn, mf
from ifru_jax.progress import working
from ifru_jax.serving import recommend
from ifru_jax.store import ErrorBudget, Store, make_key
from ifru_jax.training import TrainConfig
from ifru_jax.unlearning import warm_up


@dataclass(frozen=True)
class Train:
    """Trains a model and makes a store of it.

    For instance, with the ratings that come along:

        ifru key shop.key
        ifru train movielens-small --store shop --key shop.key --grace 30d

    DATA is the path of a file with user, item and, where there are such, rating and timestamp (CSV, TSV, RecBole .inter, JSON
    lines, Parquet, also packed), or a name. The 5-core is split 60/20/20. Seconds to minutes.

    Attributes:
      data: path or name of the data.
      store: folder of the store; must not be there yet.
      key: file with the operator's key (`ifru key FILE`). Without it, nobody can ask later who was erased.
      grace: how long a request can be undone, such as 30d; by default not at all.
      settle_at: share of the model's size that answers with --quick may be off, by estimate, before they are settled; None: any.
      label_above: ratings above it are positive; by default the middle of the scale.
      model: what is trained.
      layers: of lightgcn; by default 1.
      embedding_size: of users and items.
      epochs: at the most; validation usually ends training before.
      learning_rate: of Adam.
      reg: weight of the squared parameters.
      sparse: a step moves the rows of its batch alone, for tables much larger than a batch; of mf and bias-mf.
      seed: of initialisation and batches.
      json: prints JSON instead of tables.
      reading: how the file is read.
    """

    data: tyro.conf.Positional[str]
    store: Path
    key: Path | None = None
    grace: str | None = None
    settle_at: float | None = ErrorBudget.settle_at
    label_above: float | None = None
    model: Literal["mf", "bias-mf", "lightgcn"] = "mf"
    layers: int | None = None
    embedding_size: int = 48
    epochs: int | None = TrainConfig.epochs
    learning_rate: float = TrainConfig.learning_rate
    reg: float = TrainConfig.reg
    sparse: tyro.conf.FlagCreatePairsOff[bool] = TrainConfig.sparse
    seed: int = 0
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)

    def run(self) -> int:
        """Trains, evaluates, writes."""
        budget, model = ErrorBudget(settle_at=self.settle_at), self._built()
        Store.check_new(self.store, key=self.key, grace=self.grace)
        with working("reading"):
            split = protocol_split(load_dataset(self.data, **self.reading), label_above=self.label_above)
        config = TrainConfig(epochs=self.epochs, learning_rate=self.learning_rate, reg=self.reg, sparse=self.sparse)
        shown = sys.stderr.isatty() and sys.stdout.isatty()
        if shown:
            trained = fit(jax.random.key(self.seed), model, split, config=config)
        else:
            with working("training"):
                trained = fit(jax.random.key(self.seed), model, split, config=config, progress=False)
        with working("evaluating"):
            figures = evaluate(trained, split.test)
        with working("compiling what a request needs"):
            warm_up(trained)
        sources = [self.data] if Path(self.data).exists() else []
        Store.create(self.store, trained, split=split, key=self.key, grace=self.grace, sources=sources, budget=budget).close()
        if self.json:
            print_json({"store": str(self.store), "split": repr(split), "test": figures})
        else:
            say(repr(split))
            table(("on the test part", ""), [(name, "" if v is None else f"{v:.4f}") for name, v in figures.items()])
            say(f"The store is {self.store}.")
        return Exit.DONE

    def _built(self) -> FlaxRecommender:
        if self.model == "lightgcn":
            if self.sparse:
                raise DataError("scores of lightgcn depend on all rows around a pair, and all of them move: leave --sparse out.")
            return lightgcn(num_layers=1 if self.layers is None else self.layers, embedding_size=self.embedding_size)
        if self.layers is not None:
            raise DataError(f"layers is {self.layers}, but {self.model} has none: leave --layers out, or take --model lightgcn.")
        return (mf if self.model == "mf" else bias_mf)(embedding_size=self.embedding_size)


@dataclass(frozen=True)
class Recommend(OfStore):
    """The best items of users, by their ids.

    For instance:

        ifru recommend shop --user 42 15 -k 5

    The list of somebody who was erased, or never was there, is empty.

    Attributes:
      user: ids of users.
      k: items per list.
    """

    user: tuple[str, ...] = ()
    k: Annotated[int, tyro.conf.arg(aliases=("-k",))] = 10

    def run(self) -> int:
        """Asks the model as it is now, beside whoever writes."""
        with self.opened(read_only=True) as store, working("recommending"):
            lists = recommend(store.model, users=self.user or None, k=self.k)
        if self.json:
            print_json([{"user": user, "items": [{"item": i, "score": s} for i, s in found]} for user, found in lists.items()])
            return Exit.DONE
        rows = [
            (user, place, item, f"{score:.4f}") for user, found in lists.items() for place, (item, score) in enumerate(found, 1)
        ]
        if rows:
            table(("user", "place", "item", "score"), rows)
        for user in [user for user, found in lists.items() if not found]:
            say(f"No list for user {user}: nothing is known of this user.")
        return Exit.DONE


@dataclass(frozen=True)
class Export(OfStore):
    """Writes the model alone to a file, for serving.

    For instance:

        ifru export shop --to served.npz

    For instance, for the system that the model came from:

        ifru export shop --to als.npz --like implicit

    The file has no row of anybody who was erased. The store remembers it, and later requests remind you of it.

    Attributes:
      to: the file, by convention .npz; `ifru_jax.load` reads it, or `ifru_jax.exact.load`.
      like: the system that is to read it; the ids of its rows stand beside it.
      with_record: also what later requests to the file would need: the record of the training.
    """

    to: Path = tyro.MISSING
    like: Like | None = None
    with_record: tyro.conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Compacts a copy and writes it."""
        with self.opened() as store, working("exporting"):
            file = store.export(self.to, for_serving=not self.with_record, like=self.like)
        print_json({"file": str(file)}) if self.json else say(f"{file} holds the model.")
        return Exit.DONE


@dataclass(frozen=True)
class NewKey:
    """Makes a key for a store.

    For instance:

        ifru key shop.key

    The key marks in the record who was erased, so that whoever has key and id can ask for it, and nobody else. Keep it apart from
    the store, and keep a copy: there is no other way to ask.

    Attributes:
      file: that is made; never overwritten.
    """

    file: tyro.conf.Positional[Path]

    def run(self) -> int:
        """Writes 32 random bytes that only the owner can read."""
        make_key(self.file)
        say(f"{self.file} holds a new key.")
        return Exit.DONE
