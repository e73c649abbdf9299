"""Tables of anybody, in safetensors or npz, with a word on what they are: what the snippets write, and what else can be declared.

    NAME.safetensors    the tables, and perhaps what it was trained on: train/users, train/items (rows, those of nobody not counted)
                        and train/labels (1 where they are left out)
    NAME.json           a `Declared`: which tensor is which table, layers, loss, ids in the order of the rows, some scores

The JSON file may be left out, and a `Declared` be given.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, ModelError
from ifru_jax.exact import ALS, ALSModel
from ifru_jax.interop.containers import existing, read_json, read_npz, read_safetensors
from ifru_jax.interop.evidence import Scored, examined
from ifru_jax.interop.implicit import BIAS, ITEMS, USERS, held_as_it_is
from ifru_jax.interop.negatives import with_negatives
from ifru_jax.interop.order import in_order
from ifru_jax.interop.source import Imported, Source
from ifru_jax.models import FlaxRecommender, bias_mf, item_bias_mf, lightgcn, mf
from ifru_jax.training import Loss, Squares, TrainConfig, Trained, WithDecay, bce, bpr, softmax
from ifru_jax.unlearning import prepare

LossName = Literal["bpr", "bce", "softmax", "squares", "als"]
SIDES = {USERS: "user", ITEMS: "item", "user_bias": "user", BIAS: "item"}
LEVEL = "global_bias"
_TRAIN, _LABELS = ("train/users", "train/items"), "train/labels"
_LOSSES: dict[str, Loss] = {"bpr": bpr, "bce": bce, "softmax": softmax, "squares": Squares()}
_SAMPLED = "its weights are ranks that its own sampling found, and no objective has them in its gradient: train with BPR"
_REFUSED = {
    **dict.fromkeys(("warp", "warp-kos"), _SAMPLED),
    "hinge": "its gradient jumps, so that it has no curvature: train with BPR",
}


@dataclass(frozen=True)
class Declared:
    """What tables are.

    Attributes:
      tables: names in the file of "user_embedding" and "item_embedding", and where there are such of "user_bias", "item_bias" and
        "global_bias".
      layers: of LightGCN, 0 for matrix factorisation. Tables are those before propagation.
      propagated: True says that they are those after it, which is refused: what was propagated can't be forgotten row by row.
      loss: that it was trained with; "squares" are of ratings, "als" makes an exact model (`exact.ALS`).
      reg: λ₂, of an L2 term on all rows beside the mean loss; of "als" its λ.
      decay: λ of weight decay on the rows of what was drawn, see `training.decay`.
      alpha: of "als".
      negatives: drawn for each positive, for "bpr", "bce" and "softmax".
      popular: whether items are drawn as negatives as often as they have interactions, in place of all alike.
      pad: rows of nobody before the first user, and before the first item.
      user_ids, item_ids: original ids in the order of the rows, those of nobody left out; None where rows are the ids.
      scores: rows of users, rows of items, and the logits of these pairs in the source.
      system: who wrote it, for people.
    """

    tables: Mapping[str, str] = field(default_factory=lambda: {USERS: USERS, ITEMS: ITEMS})
    layers: int = 0
    propagated: bool = False
    loss: str = "bpr"
    reg: float = 0.0
    decay: float = 0.0
    alpha: float = 1.0
    negatives: int = 1
    popular: bool = False
    pad: tuple[int, int] = (0, 0)
    user_ids: Any = None
    item_ids: Any = None
    scores: tuple[Any, Any, Any] | None = None
    system: str = ""

    def __post_init__(self) -> None:
        if self.loss in _REFUSED:
            raise ModelError(f"{self.loss} can't be unlearned by influence: {_REFUSED[self.loss]}.")
        if self.loss not in LossName.__args__:
            raise ModelError(f"loss is {self.loss!r}: choose among {', '.join(LossName.__args__)}.")
        if self.propagated:
            raise ModelError(
                "the tables are those after propagation, in which every row holds what its neighbours are: give those before it, "
                "layer 0."
            )
        if not {USERS, ITEMS} <= set(self.tables) <= {*SIDES, LEVEL}:
            known = f"{USERS} and {ITEMS} are needed, {BIAS}, user_bias and {LEVEL} known"
            raise ModelError(f"tables name {', '.join(self.tables)}: {known}.")
        if ("user_bias" in self.tables and BIAS not in self.tables) or (LEVEL in self.tables and "user_bias" not in self.tables):
            raise ModelError(f"biases are {BIAS} alone, or user_bias and {BIAS}, with {LEVEL} or without: declare the others, too.")
        if self.layers < 0 or min(self.pad) < 0 or (self.layers and len(self.tables) > 2):
            raise ModelError(f"layers is {self.layers} and pad {self.pad}: LightGCN has no biases, and numbers are 0 or more.")

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


_KINDS: dict[str, Any] = {
    "tables": lambda value: {str(name): str(of) for name, of in value.items()}, "layers": int, "propagated": bool, "loss": str,
    "reg": float, "decay": float, "alpha": float, "negatives": int, "popular": bool,
    "pad": lambda value: (int(value[0]), int(value[1])), "system": str,
}  # fmt: skip


def from_tensors(
    path: str | os.PathLike[str], interactions: Interactions | None = None, declared: Declared | None = None, *, seed: int = 0
) -> Imported:
    """Takes in tables.

    Args:
      path: a safetensors file, or an npz.
      interactions: positives that it was trained on; None takes those in the file.
      declared: what the tables are; None reads it from the JSON file beside, of the same name.
      seed: of the draw of negatives, which stands for the source's.

    Raises:
      DataError: no such file, a damaged one, or data that doesn't fit it.
      ModelError: tables that are no such model, a loss that has no objective, or scores that are not met.

    Warns:
      DataWarning: the order of rows or the objective does not fit, see `interop.evidence`.
    """
    file = existing(path)
    if file.suffix == ".npz":
        arrays, settings, system = read_npz(file), {}, "npz"
    else:
        (arrays, settings), system = read_safetensors(file), "safetensors"
    declared = Declared.read(file.with_suffix(".json")) if declared is None else declared
    rest = {name: value for name, value in arrays.items() if name not in (*declared.tables.values(), *_TRAIN, _LABELS)}
    return assembled(arrays, declared, interactions, Source(system, settings | rest), seed=seed)


def assembled(
    arrays: Mapping[str, np.ndarray], declared: Declared, interactions: Interactions | None, source: Source, *, seed: int = 0
) -> Imported:
    """A model of arrays that were read; see `from_tensors`, and for the errors."""
    pads = {"user": declared.pad[0], "item": declared.pad[1]}
    params, pad = {}, {}
    for name, of in declared.tables.items():
        if of not in arrays:
            raise DataError(f"there is no {of!r} among {', '.join(arrays) or 'nothing'}: declare what the tables are called.")
        table = arrays[of]
        if table.dtype.kind != "f" or table.ndim != (0 if name == LEVEL else 1 if name.endswith("bias") else 2):
            raise ModelError(f"{of} is {table.dtype} {table.shape}, which is no {name}.")
        front = pads[SIDES[name]] if name in SIDES else 0
        if front:
            pad[of] = table[:front]
        params[name] = table[front:] if table.ndim else table
        if not np.isfinite(table).all():
            raise ModelError(f"{of} is not all finite: train the model again.")
    sizes = len(params[USERS]), len(params[ITEMS])
    _check_sizes(params, sizes)
    ids = {
        side: None if ids is None else np.asarray(ids) for side, ids in (("user", declared.user_ids), ("item", declared.item_ids))
    }
    data = _of_file(arrays, sizes) if interactions is None else in_order(interactions, sizes, ids["user"], ids["item"])
    if interactions is None:
        data = _named(data, sizes, ids)
    model = _trained(declared, params, data, seed=seed)
    dtypes = {of: arrays[of].dtype for of in declared.tables.values()}
    whole = Source(source.system, source.settings, dict(declared.tables), dtypes, pad)
    scored = None if declared.scores is None else Scored.of(*declared.scores)
    return Imported(model if isinstance(model, ALSModel) else prepare(model), whole, examined(model, scored))


def _check_sizes(params: Mapping[str, np.ndarray], sizes: tuple[int, int]) -> None:
    rows = {"user": sizes[0], "item": sizes[1]}
    for name, table in params.items():
        if name in SIDES and len(table) != rows[SIDES[name]]:
            raise ModelError(
                f"{name} has {len(table)} rows for {rows[SIDES[name]]} {SIDES[name]}s: the tables are not of one model."
            )
    if params[USERS].shape[1] != params[ITEMS].shape[1]:
        raise ModelError(f"users have {params[USERS].shape[1]} columns and items {params[ITEMS].shape[1]}: not of one model.")


def _of_file(arrays: Mapping[str, np.ndarray], sizes: tuple[int, int]) -> Interactions:
    if any(name not in arrays for name in _TRAIN):
        raise DataError("the file has no interactions: give those that the model was trained on.")
    users, items = (arrays[name] for name in _TRAIN)
    return Interactions(users, items, arrays.get(_LABELS, np.ones(len(users), np.float32)), *sizes)


def _named(data: Interactions, sizes: tuple[int, int], ids: Mapping[str, np.ndarray | None]) -> Interactions:
    """The interactions of the file, whose rows are those of the model, with its ids."""
    users, items = (np.arange(size) if of is None else of for size, of in zip(sizes, ids.values(), strict=True))
    named = in_order(data.select(np.zeros(0, np.int64)), sizes, users, items)
    return replace(data, user_ids=named.user_ids, item_ids=named.item_ids)


def _trained(declared: Declared, params: Mapping[str, np.ndarray], data: Interactions, *, seed: int) -> Trained | ALSModel:
    width = params[USERS].shape[1]
    if declared.loss == "als":
        if len(params) > 2 or declared.layers or declared.decay:
            raise ModelError("alternating least squares have two tables, no layers and no decay: declare another loss.")
        return ALS(embedding_size=width, reg=declared.reg, alpha=declared.alpha).model(data, params[USERS], params[ITEMS])
    held, loss = held_as_it_is(dict(params)), _LOSSES[declared.loss]
    if declared.loss != "squares":
        data = with_negatives(data, per_positive=declared.negatives, popular=declared.popular, seed=seed)
    if "user_bias" in params:
        held = {LEVEL: np.zeros((), params[USERS].dtype)} | held
    loss.check(data)
    if declared.decay:
        loss = WithDecay(loss, declared.decay)
    return Trained.of(_model(declared, width), held, data, loss=loss, config=TrainConfig(reg=declared.reg))


def _model(declared: Declared, width: int) -> FlaxRecommender:
    if declared.layers:
        return lightgcn(num_layers=declared.layers, embedding_size=width)
    build = bias_mf if "user_bias" in declared.tables else item_bias_mf if BIAS in declared.tables else mf
    return build(embedding_size=width)
