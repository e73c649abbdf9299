"""What is saved of a model: a JSON description, arrays of the host, and trees of parameters wherever those lie; and back."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.saved import from_saved, saved
from ifru_jax.data.share import Share
from ifru_jax.errors import ModelError
from ifru_jax.models import Params, Recommender, Side, describe_model, model_from_description
from ifru_jax.training import LossLike, TrainConfig, Trained
from ifru_jax.training.described_losses import describe_loss, loss_from_description
from ifru_jax.training.fit import in_precision
from ifru_jax.training.over_mesh import filled_up
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Damping, Prepared

Shapes = dict[str, tuple[int, ...]]

# Of validation interactions: what their metric takes.
_VALID = ("users", "items", "labels", "groups")


class Contents(NamedTuple):
    """A model in parts.

    Attributes:
      description: what JSON can hold.
      arrays: of the host, by name: interactions, and those that stopped the training.
      trees: parameters by name, as they lie: "params", and of every recorded segment "record/K/params" and "record/K/applied".
    """

    description: dict[str, Any]
    arrays: dict[str, np.ndarray]
    trees: dict[str, Params]


class Trees(Protocol):
    """Where the trees of a model are read."""

    def shapes(self, tree: str) -> Shapes:
        """Of its parameters, without rows that fill up tables."""
        ...

    def read(self, tree: str, tables: Mapping[str, Side]) -> Params:
        """Its parameters in the precision in use, on the host or where they are needed."""
        ...


class ArrayTrees:
    """Trees among arrays, "TREE/NAME"."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays

    def _tree(self, tree: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(f"{tree}/"): of for name, of in self._arrays.items() if name.startswith(f"{tree}/")}

    def shapes(self, tree: str) -> Shapes:
        return {name: of.shape for name, of in self._tree(tree).items()}

    def read(self, tree: str, tables: Mapping[str, Side]) -> Params:
        return in_precision(self._tree(tree))


def contents_of(trained: Trained, *, with_record: bool) -> Contents:
    """The parts of a model, with the record of its training if it has one and that is wanted."""
    damping = trained.damping if isinstance(trained, Prepared) else None
    description = {
        "model": describe_model(trained.model),
        "loss": describe_loss(trained.loss),
        "config": asdict(trained.config),
        "total": trained.total,
        "damping_scale": damping.scale if damping else None,
        "damping_exponent": damping.exponent if damping else None,
        # With the same capacities every compiled function, and every rounding, is that of the saved model.
        "capacities": trained.training_set.capacities,
    }
    arrays, of_data = saved(trained.interactions)
    description |= of_data
    trees = {"params": trained.params}
    if trained.record and with_record:
        record, valid = trained.record, trained.record.valid
        steps = [float(segment.steps) for segment in record.segments]
        known = {"batch_size": record.batch_size, "peak": record.peak, "pending": record.pending, "adaptive": record.adaptive}
        description["record"] = {"steps": steps, **known}
        arrays |= {f"record/valid/{c}": getattr(valid, c) for c in _VALID if getattr(valid, c) is not None}
        for number, segment in enumerate(record.segments):
            trees |= {f"record/{number}/params": segment.params, f"record/{number}/applied": segment.applied}
    return Contents(description, arrays, trees)


def assembled(
    arrays: dict[str, np.ndarray],
    description: dict[str, Any],
    trees: Trees,
    *,
    model: Recommender | None,
    loss: LossLike | None,
    share: Share | None = None,
) -> Trained:
    """The model of these parts; `model` and `loss` as in `load`, `share` as in `from_saved`.

    Raises:
      KeyError, TypeError: a part is missing, or a number is none.
      DataError: a part that is none.
      ModelError: as `load`.
    """
    _check_numbers(description)
    data = from_saved(arrays, description, share)
    described = description["model"]
    if model is None and (described is None or (model := model_from_description(described)) is None):
        raise ModelError("the file holds the parameters of a model that does not ship with ifru_jax: pass it as load(…, model=…).")
    if loss is None and (loss := loss_from_description(description["loss"])) is None:
        raise ModelError("the model was trained with a loss that does not ship with ifru_jax: pass it as load(…, loss=…).")
    expected = jax.eval_shape(lambda key: model.init(key, data.num_users, data.num_items), jax.random.key(0))
    wanted, found = {name: tuple(leaf.shape) for name, leaf in expected.items()}, trees.shapes("params")
    if wanted != found:
        raise ModelError(f"the file has parameters {found}, but the model wants {wanted}: pass the model that was saved.")
    trained = Trained.of(
        model,
        trees.read("params", model.tables),
        data,
        config=TrainConfig.of_file(description["config"]),
        loss=loss,
        total=description["total"],
        capacities=tuple(description["capacities"]),
    )
    # Older files have no record.
    if (recorded := description.get("record")) is not None:
        trained = trained.with_record(_record(arrays, recorded, trees, trained))
    if description["damping_scale"] is None:
        return trained
    damping = Damping(description["damping_scale"], description["damping_exponent"])
    fields = trained.objective, trained.params, trained.training_set, trained.config
    return Prepared(*fields, IFRUConfig(), damping).with_record(trained.record)


def _check_numbers(description: Mapping[str, Any]) -> None:
    """Every number that is taken as it stands: a wrong one would be found by the first request, or never.

    Raises:
      TypeError: names it.
    """
    _check_number("total", description["total"], whole=True)
    for size in description["sizes"]:
        _check_number("sizes", size, whole=True)
    for capacity in description["capacities"]:
        if capacity is not None:
            _check_number("capacities", capacity, whole=True)
    if description["damping_scale"] is not None:
        _check_number("damping_scale", description["damping_scale"])
        _check_number("damping_exponent", description["damping_exponent"])
    if (record := description.get("record")) is None:
        return
    for steps in record["steps"]:
        _check_number("record/steps", steps)
    _check_number("record/batch_size", record["batch_size"])
    _check_number("record/pending", record.get("pending", 0.0), most=1.0)
    if record["peak"] is not None:
        _check_number("record/peak", record["peak"], least=-1.0)
    if not isinstance(adaptive := record.get("adaptive", True), bool):
        raise TypeError(f"record/adaptive is {adaptive!r}, neither true nor false")


def _check_number(name: str, value: Any, *, least: float = 0.0, most: float = math.inf, whole: bool = False) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not (math.isfinite(value) and least <= value <= most):
        bounds = f"at least {least:g}" if most == math.inf else f"between {least:g} and {most:g}"
        raise TypeError(f"{name} is {value!r}, not {'a whole' if whole else 'a finite'} number of {bounds}")


def _record(arrays: dict[str, np.ndarray], described: dict[str, Any], trees: Trees, trained: Trained) -> Record:
    steps, shapes = described["steps"], trees.shapes("params")
    names = [(f"record/{k}/params", f"record/{k}/applied") for k in range(len(steps))]
    if not names or any(trees.shapes(tree) != shapes for pair in names for tree in pair):
        raise KeyError("the record of its training")
    columns: dict[str, Any] = {c: arrays[f"record/valid/{c}"] for c in _VALID if f"record/valid/{c}" in arrays}
    data, tables = trained.training_set, trained.model.tables
    users, items = data.sizes
    valid = Interactions(**columns, num_users=users, num_items=items, share=data.interactions.share)
    placed = [tuple(filled_up(trees.read(tree, tables), tables, data) for tree in pair) for pair in names]
    segments = tuple(Segment(params, applied, n) for (params, applied), n in zip(placed, steps, strict=True))
    # Older files don't say what is pending.
    known = {"peak": described["peak"], "pending": described.get("pending", 0.0), "adaptive": described.get("adaptive", True)}
    return Record(segments, described["batch_size"], valid, mesh=data.mesh, **known)
