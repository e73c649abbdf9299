"""A word on what tables are: which tensor is which, the model, its loss, its ids."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np

from ifru_jax.errors import DataError, ModelError, check_kind, check_number, check_whole
from ifru_jax.interop.containers import read_json
from ifru_jax.interop.implicit import BIAS, ITEMS, USERS
from ifru_jax.interop.replay import Replay
from ifru_jax.models import Recommender, Side, bias_mf, item_bias_mf, lightgcn, mf, model_from_description

LossName = Literal["bpr", "bce", "softmax", "squares", "als"]
LEVEL = "global_bias"
_PARAMS = "params/"
_MOST_LAYERS = 64
_SIDES: dict[str, Side] = {USERS: "user", ITEMS: "item", "user_bias": "user", BIAS: "item"}
_SAMPLED = "its weights are ranks that its own sampling found, and no objective has them in its gradient: train with BPR"
_REFUSED = {
    **dict.fromkeys(("warp", "warp-kos"), _SAMPLED),
    "hinge": "its gradient jumps, so that it has no curvature: train with BPR",
}


@dataclass(frozen=True)
class Declared:
    """What tables are.

    Attributes:
      tables: where in the file the parameters are, see `interop.places`: "user_embedding" and "item_embedding", and where there
        are such "user_bias", "item_bias" and "global_bias"; with a model, all its parameters by their names. None: they are called
        so in the file, as they are in one of Flax whose parameters are a module's ("params/…").
      model: None for matrix factorisation and LightGCN, which follow from tables and layers. Anything else is a `Recommender`, of
        those that ship or of your own, which scores as the source does; in JSON, a model that ships by its module and fields.
      layers: of LightGCN, 0 for matrix factorisation. Tables are those before propagation.
      propagated: True says that they are those after it, which is refused: what was propagated can't be forgotten row by row.
      loss: that it was trained with; "squares" are of ratings, "als" are weighted squares over all pairs.
      exact: of "als": requests are answered by `exact.ALS`; False makes a model with an objective of it, for every method.
      reg: λ₂, of an L2 term on all rows beside the mean loss; of "als" its λ.
      decay: λ of weight decay on the rows of what was drawn, see `training.decay`.
      per_user: whether training drew a user first, all alike, and then one of the user's interactions (`training.per_user`); of
        models with layers.
      alpha: of "als".
      negatives: drawn once for each positive, for "bpr", "bce" and "softmax"; 0: the interactions have labels of both kinds. For
        "bpr" they stand for all that the source drew, the more the better; for the others it is the source's number, since that
        weighs them. None: 4 for "bpr", 1 for the others.
      replay: how it was trained; requests then follow a training as that one (`interop.replay`). None: nothing is known of it, and
        all is read off its end. In JSON an object with what `Replay` has.
      popular: whether items are drawn as negatives as often as they have interactions, in place of all alike.
      pad: rows of nobody before the first user, and before the first item.
      user_ids, item_ids: original ids in the order of the rows, those of nobody left out; None where rows are the ids.
      scores: rows of users, rows of items, and the logits of these pairs in the source.
      system: who wrote it, for people.
    """

    tables: Mapping[str, str] | None = None
    model: Recommender | None = None
    layers: int = 0
    propagated: bool = False
    loss: str = "bpr"
    exact: bool = True
    reg: float = 0.0
    decay: float = 0.0
    per_user: bool = False
    alpha: float = 1.0
    negatives: int | None = None
    replay: Replay | None = None
    popular: bool = False
    pad: tuple[int, int] = (0, 0)
    user_ids: Any = None
    item_ids: Any = None
    scores: tuple[Any, Any, Any] | None = None
    system: str = ""

    def __post_init__(self) -> None:
        check_number(self, "layers", "reg", "decay", "alpha")
        check_whole(self, "layers", "negatives")
        check_kind("loss", self.loss, str, f"choose among {', '.join(LossName.__args__)}")
        tables = {} if self.tables is None else self.tables
        if not isinstance(tables, Mapping) or not all(isinstance(text, str) for pair in tables.items() for text in pair):
            raise DataError(f"tables are {tables!r}: give the name in the file of each parameter, by its name in the model.")
        if self.model is not None and (isinstance(self.model, type) or not isinstance(self.model, Recommender)):
            raise ModelError(f"model is {self.model!r}: give a model that ships, such as mf(), or FlaxRecommender of your own.")
        if self.replay is not None:
            check_kind("replay", self.replay, Replay, "say how its source trained by Replay(…)")
        for name, parts, what in (("pad", self.pad, 2), ("scores", self.scores, 3)):
            if parts is not None and (not isinstance(parts, list | tuple) or len(parts) != what):
                raise DataError(f"{name} is {parts!r}: give {what}, of users, of items{' and the scores' * (what == 3)}.")
        if any(isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 0 for rows in self.pad):
            raise DataError(f"pad is {self.pad}: numbers of rows are whole, and 0 or more.")
        if self.reg < 0 or self.decay < 0 or self.alpha <= 0 or (self.negatives is not None and self.negatives < 0):
            numbers = f"reg is {self.reg}, decay {self.decay}, alpha {self.alpha} and negatives {self.negatives}"
            raise DataError(f"{numbers}: alpha is above 0, the others are 0 or more.")
        if self.loss in _REFUSED:
            raise ModelError(f"{self.loss} can't be unlearned by influence: {_REFUSED[self.loss]}.")
        if self.loss not in LossName.__args__:
            raise ModelError(f"loss is {self.loss!r}: choose among {', '.join(LossName.__args__)}.")
        if self.propagated:
            raise ModelError(
                "the tables are those after propagation, in which every row holds what its neighbours are: give those before it, "
                "layer 0."
            )
        if self.model is not None:
            if self.layers:
                raise ModelError(f"layers is {self.layers}, but a model is given, which knows its own: leave one of the two out.")
            return
        tables = {USERS, ITEMS} if self.tables is None else set(self.tables)
        if not {USERS, ITEMS} <= tables <= {*_SIDES, LEVEL}:
            known = f"{USERS} and {ITEMS} are needed, {BIAS}, user_bias and {LEVEL} known"
            raise ModelError(f"tables name {', '.join(sorted(tables))}: {known}; give the model of any other.")
        if ("user_bias" in tables and BIAS not in tables) or (LEVEL in tables and "user_bias" not in tables):
            raise ModelError(f"biases are {BIAS} alone, or user_bias and {BIAS}, with {LEVEL} or without: declare the others, too.")
        if not 0 <= self.layers <= _MOST_LAYERS or (self.layers and len(tables) > 2):
            raise ModelError(f"layers is {self.layers}: LightGCN has no biases, and its layers are 0 to {_MOST_LAYERS}.")

    @property
    def draws(self) -> int:
        """Negatives of each positive."""
        return self.negatives if self.negatives is not None else 4 if self.loss == "bpr" else 1

    @property
    def sides(self) -> Mapping[str, Side]:
        """Of whom each table has rows, by its name."""
        return _SIDES if self.model is None else self.model.tables

    def named(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, str]:
        """Where the parameters are in a file with these arrays."""
        if self.tables is not None:
            return self.tables
        if self.model is None:
            return {USERS: USERS, ITEMS: ITEMS}
        params = {name.removeprefix(_PARAMS): name for name in arrays if name.startswith(_PARAMS)}
        return params or {name: name for name in arrays if not name.startswith("train/")}

    def recommender(self, width: int) -> Recommender:
        """The model, of embeddings of this width."""
        if self.model is not None:
            return self.model
        if self.layers:
            return lightgcn(num_layers=self.layers, embedding_size=width)
        tables = self.tables or ()
        build = bias_mf if "user_bias" in tables else item_bias_mf if BIAS in tables else mf
        return build(embedding_size=width)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Of a JSON file.

        Raises:
          DataError: no such file, or something in it that is unknown or of another kind.
        """
        found = read_json(path)
        if unknown := found.keys() - {one.name for one in fields(cls)}:
            raise DataError(f"{path} says {', '.join(sorted(unknown))}, which is not known: write it as the snippets do.")
        try:
            plain = {name: kind(found.pop(name)) for name, kind in _KINDS.items() if name in found}
            scores = found.pop("scores", None)
            columns = None if scores is None else tuple(scores[name] for name in ("users", "items", "scores"))
            return cls(**found, **plain, scores=columns)  # type: ignore[arg-type]
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            if isinstance(error, ModelError | DataError):
                raise
            raise DataError(f"{path} can't be understood ({error}): write it as the snippets do.") from error


def _described(value: Mapping[str, Any] | None) -> Recommender | None:
    found = None if value is None else model_from_description(value)
    if value is not None and found is None:
        raise DataError(f"the model {value['module']!r} does not ship: give it as Declared(model=…).")
    return found


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


_KINDS: dict[str, Any] = {
    "tables": lambda value: {str(name): str(of) for name, of in value.items()}, "model": _described, "layers": int,
    "propagated": bool, "loss": str, "exact": bool, "reg": float, "decay": float, "per_user": bool, "alpha": float,
    "negatives": _number, "popular": bool, "pad": lambda value: (int(value[0]), int(value[1])), "system": str,
    "replay": lambda value: None if value is None else Replay(**value),
}  # fmt: skip
