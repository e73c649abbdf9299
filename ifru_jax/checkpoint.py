"""A trained model as one file: NumPy arrays and a JSON description, no pickle.

The file is an uncompressed `.npz` with a checksum (`array_files`). It holds the parameters, the retained interactions, the numbers
of the objective and the damping; after a request nothing of the forgotten data, as `Trained` itself.
"""

import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ifru_jax.array_files import read_arrays, write_arrays
from ifru_jax.compiled import keep_compiled
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.saved import from_saved, saved
from ifru_jax.errors import DataError, ModelError, check_kind
from ifru_jax.forks import check_not_forked
from ifru_jax.models import Params, Recommender, describe_model, model_from_description
from ifru_jax.sparse.placement import first_process
from ifru_jax.training import LossLike, TrainConfig, Trained
from ifru_jax.training.described_losses import describe_loss, loss_from_description
from ifru_jax.training.fit import in_precision
from ifru_jax.training.over_mesh import filled_up, real_rows
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import compaction
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Damping, Prepared

# Files of format 1 have no checksum.
_FORMAT, _READ = 2, (1, 2)
# Of validation interactions: what their metric takes.
_VALID = ("users", "items", "labels", "groups")


def save(trained: Trained, path: str | Path, *, for_serving: bool = False, compact: bool = False) -> None:
    """Writes a trained model to `path` (by convention `.npz`), all or nothing.

    A model over the devices of a mesh is gathered on the host, and its file is that of one device. Of several processes all call
    this, and the first writes.

    Whatever keeps it from being written, a full disk or a process that is killed, the file that was there before is whole. Where
    `path` is a symbolic link the link stays, and the file that it points to is replaced.

    Args:
      trained: the model.
      path: the file.
      for_serving: leaves out the record of the training, which only requests need; it is twice the parameters per segment.
      compact: leaves out the rows that have no data, with the others in random order, so that the file tells neither who was erased
        nor how many; see `unlearning.compaction`. Without, the place of an erased row among the others tells whose it was.

    Raises:
      DataError: there is no such folder, `path` is something else than a file, or the file can't be written.
      ModelError: `compact` with a model whose tables have sizes of their own.
    """
    check_not_forked()
    remedy = "give what fit, load or unlearn returned, and the path after it; exact.save writes an exact model"
    check_kind("trained", trained, Trained, remedy)
    check_kind("path", path, (str, os.PathLike), "give the path of a file")
    if compact:
        trained, _ = compaction.compact(trained, np.random.default_rng(secrets.randbits(128)))
    damping = trained.damping if isinstance(trained, Prepared) else None
    description = {
        "format": _FORMAT,
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
    arrays |= {f"params/{name}": leaf for name, leaf in _saved(trained, trained.params).items()}
    if trained.record and not for_serving:
        described, of_record = _described_record(trained, trained.record)
        description["record"] = described
        arrays |= of_record
    arrays["description"] = np.asarray(json.dumps(description, allow_nan=False))
    with first_process(trained.training_set.mesh) as writes:
        if writes:
            write_arrays(path, arrays)


def load(path: str | Path, *, model: Recommender | None = None, loss: LossLike | None = None) -> Trained:
    """Reads what `save` wrote.

    Args:
      path: the file.
      model: needed for a model that does not ship with ifru_jax; the file has only its parameters.
      loss: needed for a loss that does not ship; any other is rebuilt from its name and numbers.

    Raises:
      DataError: no such file, one that `save` did not write, or one that is damaged: a single byte that changed is found.
      ModelError: a model is needed, or the one given doesn't fit the parameters.
    """
    check_not_forked()
    check_kind("path", path, (str, os.PathLike), "give the path that was passed to save")
    arrays, sealed = read_arrays(path)
    try:
        description = json.loads(str(arrays["description"]))
        if "exact" in description:
            raise DataError(f"{path} is an exact model, {description['exact']}: read it with ifru_jax.exact.load.")
        written = description["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no saved model ({error}): it is damaged or something else.") from error
    if written not in _READ:
        raise DataError(f"{path} has format {written}, this version reads {_READ[-1]}: upgrade ifru_jax.")
    if written > 1 and not sealed:
        raise DataError(f"{path} is damaged: its checksum is missing. Use a copy of it, or fit and save anew.")
    keep_compiled()
    try:
        return _assemble(arrays, description, model, loss)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} lacks a part of a saved model ({error}): it is damaged or something else.") from error


def _assemble(
    arrays: dict[str, np.ndarray], description: dict[str, Any], model: Recommender | None, loss: LossLike | None
) -> Trained:
    data = from_saved(arrays, description)
    params: Params = {n.removeprefix("params/"): a for n, a in arrays.items() if n.startswith("params/")}
    described = description["model"]
    if model is None and (described is None or (model := model_from_description(described)) is None):
        raise ModelError("the file holds the parameters of a model that does not ship with ifru_jax: pass it as load(…, model=…).")
    if loss is None and (loss := loss_from_description(description["loss"])) is None:
        raise ModelError("the model was trained with a loss that does not ship with ifru_jax: pass it as load(…, loss=…).")
    expected = jax.eval_shape(lambda key: model.init(key, data.num_users, data.num_items), jax.random.key(0))
    wanted, found = ({name: tuple(leaf.shape) for name, leaf in tree.items()} for tree in (expected, params))
    if wanted != found:
        raise ModelError(f"the file has parameters {found}, but the model wants {wanted}: pass the model that was saved.")
    trained = Trained.of(
        model,
        params,
        data,
        config=TrainConfig(**description["config"]),
        loss=loss,
        total=description["total"],
        capacities=tuple(description["capacities"]),
    )
    # Older files have no record.
    if (described := description.get("record")) is not None:
        trained = trained.with_record(_record(arrays, described, trained, found))
    if description["damping_scale"] is None:
        return trained
    damping = Damping(description["damping_scale"], description["damping_exponent"])
    fields = trained.objective, trained.params, trained.training_set, trained.config
    return Prepared(*fields, IFRUConfig(), damping).with_record(trained.record)


def _described_record(trained: Trained, record: Record) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record as JSON and arrays."""
    valid, steps = record.valid, [float(segment.steps) for segment in record.segments]
    arrays = {f"record/valid/{c}": getattr(valid, c) for c in _VALID if getattr(valid, c) is not None}
    for number, segment in enumerate(record.segments):
        for part in ("params", "applied"):
            saved = _saved(trained, getattr(segment, part))
            arrays |= {f"record/{number}/{part}/{name}": leaf for name, leaf in saved.items()}
    return {"steps": steps, "batch_size": record.batch_size, "peak": record.peak, "adaptive": record.adaptive}, arrays


def _record(
    arrays: dict[str, np.ndarray], described: dict[str, Any], trained: Trained, shapes: dict[str, tuple[int, ...]]
) -> Record:
    """What `_described_record` wrote; `shapes` are those of the parameters."""
    steps = described["steps"]
    parts = [(_part(arrays, f"record/{k}/params/"), _part(arrays, f"record/{k}/applied/")) for k in range(len(steps))]
    if not parts or any({name: leaf.shape for name, leaf in part.items()} != shapes for pair in parts for part in pair):
        raise KeyError("the record of its training")
    columns: dict[str, Any] = {c: arrays[f"record/valid/{c}"] for c in _VALID if f"record/valid/{c}" in arrays}
    data, tables = trained.training_set, trained.model.tables
    valid = Interactions(**columns, num_users=data.sizes[0], num_items=data.sizes[1])
    placed = [tuple(filled_up(of, tables, data) for of in pair) for pair in parts]
    segments = tuple(Segment(params, applied, n) for (params, applied), n in zip(placed, steps, strict=True))
    return Record(segments, described["batch_size"], valid, described["peak"], data.mesh, described.get("adaptive", True))


def _saved(trained: Trained, params: Params) -> dict[str, np.ndarray]:
    """Parameters as they are in the file: on the host, with the rows that there are."""
    return real_rows(params, trained.model.tables, trained.training_set)


def _part(arrays: dict[str, np.ndarray], prefix: str) -> Params:
    """The arrays whose names begin so, in the precision in use."""
    return in_precision({name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)})
