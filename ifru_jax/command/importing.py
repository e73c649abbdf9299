"""`import`: a model that was trained elsewhere becomes a store."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from ifru_jax.command.line import Exit, print_json
from ifru_jax.command.show import say, table
from ifru_jax.data import read_interactions
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.labels import binarize
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.errors import DataError
from ifru_jax.interop import Declared, ImplicitOptions, Imported, from_implicit, from_lightgcn_pytorch, from_tensors
from ifru_jax.progress import working
from ifru_jax.store import Store
from ifru_jax.training import Trained


@dataclass(frozen=True)
class Import:
    """Makes a store of a model that was trained elsewhere.

    For instance, a model that the package implicit saved, with the ratings it was trained on:

        ifru import als.npz --source implicit --data ratings.csv --user-ids users.txt --item-ids items.txt --store shop

    What the snippets of ifru_jax.interop wrote (NAME.safetensors beside NAME.json) needs neither --data nor ids. No code in the
    file is run.

    Attributes:
      file: of the model.
      source: whose file it is.
      store: folder of the store; must not be there yet.
      data: file with the interactions that the model was trained on.
      label_above: interactions with a rating above it are taken, as ones; by default all, with their ratings as weights.
      user_ids: file with the ids of users in the order of the model's rows, one a line; by default they are in ascending order.
      item_ids: the same of items.
      layers: of lightgcn-pytorch.
      exact: requests to alternating least squares are answered exactly; --no-exact gives the model an objective, and answers by
        influence.
      key: file with the operator's key (`ifru key FILE`). Without it, nobody can ask later who was erased.
      grace: how long a request can be undone, such as 30d; by default not at all.
      json: prints JSON instead of tables.
      reading: how the data is read.
    """

    file: tyro.conf.Positional[Path]
    store: Path
    source: Literal["implicit", "tensors", "lightgcn-pytorch"] = "tensors"
    data: Path | None = None
    label_above: float | None = None
    user_ids: Path | None = None
    item_ids: Path | None = None
    layers: int = 3
    exact: bool = True
    key: Path | None = None
    grace: str | None = None
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)

    def run(self) -> int:
        """Reads, checks, writes."""
        Store.check_new(self.store, key=self.key, grace=self.grace)
        with working("importing"):
            imported = self._imported()
        sources = [path for path in (self.file, self.data) if path is not None]
        Store.create(self.store, imported.model, key=self.key, grace=self.grace, sources=sources).close()
        evidence = imported.evidence.as_dict()
        if self.json:
            model = imported.model
            kind = model.model if isinstance(model, Trained) else model.method
            print_json({"store": str(self.store), "model": repr(kind), "evidence": evidence})
        else:
            table(("evidence", ""), [(name, "" if v is None else f"{v:.4g}") for name, v in evidence.items()])
            say(f"The store is {self.store}. {self.file} still holds everybody.")
        return Exit.DONE

    def _imported(self) -> Imported:
        data = None if self.data is None else self._read(self.data)
        if self.source == "tensors":
            if self.user_ids or self.item_ids:
                raise DataError("ids of tables are in the JSON file beside them: leave --user-ids and --item-ids out.")
            beside = self.file.with_suffix(".json")
            declared = Declared.read(beside)
            return from_tensors(self.file, data, replace(declared, exact=declared.exact and self.exact))
        if data is None:
            raise DataError(f"a model of {self.source} comes without interactions: give --data, what it was trained on.")
        if self.source == "lightgcn-pytorch":
            if self.user_ids or self.item_ids:
                raise DataError("ids of LightGCN-PyTorch are the numbers of its rows: leave --user-ids and --item-ids out.")
            return from_lightgcn_pytorch(self.file, data, layers=self.layers)
        users, items = (None if path is None else _lines(path) for path in (self.user_ids, self.item_ids))
        return from_implicit(self.file, data, user_ids=users, item_ids=items, options=ImplicitOptions(exact=self.exact))

    def _read(self, path: Path) -> Interactions:
        data = read_interactions(path, **self.reading)
        if self.label_above is None:
            return data
        data = binarize(data, self.label_above)
        return data.select(data.labels > 0.5)


def _lines(path: Path) -> np.ndarray:
    """Ids, one a line; whole numbers where all are."""
    if not path.is_file():
        raise DataError(f"{path} is not a file: give one with an id a line.")
    found = np.array(path.read_text(encoding="utf-8").split("\n"))
    found = np.char.strip(found[: -1 if found[-1] == "" else None])
    whole = all(name.isdecimal() and name == str(int(name)) and len(name) < 19 for name in found.tolist())
    return found.astype(np.int64) if whole else found
