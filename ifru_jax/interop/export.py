"""A model back in the form of where it came from: same names, same precision, rows of nobody where they were, ids beside.

A model that was not changed is, table by table, bit for bit what came in. After a request the rows of the erased are zero, or gone.
"""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ifru_jax.array_files import write_arrays
from ifru_jax.data.extras import needed
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.row_ids import erased_mark
from ifru_jax.errors import DataError, ModelError, check_kind
from ifru_jax.exact import ALSModel
from ifru_jax.files import target_of, write_atomic
from ifru_jax.interop.declared import LEVEL
from ifru_jax.interop.implicit import TABLES as IMPLICIT_TABLES
from ifru_jax.interop.implicit import implicit_tables
from ifru_jax.interop.places import Place, written
from ifru_jax.interop.recbole import recbole_source
from ifru_jax.interop.source import Source, System
from ifru_jax.interop.trees import flax_bytes, write_orbax
from ifru_jax.training import AllPairs, Trained, WithDecay

Like = Literal["implicit", "recbole", "lightgcn-pytorch", "torch", "safetensors", "npz", "flax", "orbax"]

_LIGHTGCN = {"user_embedding": "embedding_user.weight", "item_embedding": "embedding_item.weight"}

_PLAIN: dict[str, System] = {"safetensors": "safetensors", "npz": "npz", "torch": "torch", "flax": "flax", "orbax": "orbax"}


def export(
    trained: Trained | ALSModel,
    path: str | os.PathLike[str],
    *,
    like: Source | Like,
    erased: Literal["zero", "compact"] = "zero",
) -> Path:
    """Writes a model as another system reads it, and the ids of its rows beside it, as JSON.

    Args:
      trained: what came in, or what `unlearn` made of it.
      path: the file; the ids are in NAME.ids.json beside it, null for rows of the erased.
      like: the source that the model came with, which has all that is in its file beside the tables; or a system, whose defaults
        are taken: "recbole" are safetensors with the names of its state dict and a row of padding, for `load_state_dict`; "flax" is
        what `flax.serialization` reads, "orbax" the folder of a checkpoint, which must not be there yet.
      erased: "zero" keeps the rows of the erased, as zeros, so that all others stay where they are; "compact" leaves them out.

    Returns:
      The path of the ids.

    Raises:
      DataError: the file can't be written, or an option has no meaning.
      ModelError: the system has no file for this model.
    """
    check_kind("path", path, (str, os.PathLike), "give the path of the file")
    return write_export(exported(trained, like=like, erased=erased), path)


@dataclass(frozen=True)
class Exported:
    """A model as another system has it, in memory.

    Attributes:
      tables: by their names in the file, in its order.
      source: whose kind of file it is, with what else is in it.
      ids: of the rows.
    """

    tables: dict[str, np.ndarray]
    source: Source
    ids: dict[str, list[int | str | None]]


def exported(trained: Trained | ALSModel, *, like: Source | Like, erased: Literal["zero", "compact"] = "zero") -> Exported:
    """What `export` writes, and its errors, but for those of files."""
    check_kind("trained", trained, (Trained, ALSModel), "give what came in, or what unlearn made of it")
    if erased not in ("zero", "compact"):
        raise DataError(f'erased is {erased!r}: rows of the erased are "zero", or "compact" leaves them out.')
    source = like if isinstance(like, Source) else _default(trained, like)
    data = trained.interactions
    sizes = {"user": data.num_users, "item": data.num_items}
    gone = {side: _erased(data, side) for side in sizes}
    tables = {}
    for name, (table, side) in _tensors(trained, source).items():
        found = table.astype(source.dtypes.get(name, table.dtype), copy=False)
        if side is not None:
            found = found[~gone[side]] if erased == "compact" else found
            # Rows of nobody, in front.
            found = np.concatenate([source.pad[name], found]) if name in source.pad else found
        tables[name] = found
    return Exported(tables, source, {f"{side}_ids": _ids(data, side, gone[side], erased) for side in sizes})


def write_export(found: Exported, path: str | os.PathLike[str]) -> Path:
    """Writes both files; returns the path of the ids."""
    target = target_of(path)
    beside = ids_beside(target)
    write_atomic(beside, json.dumps(found.ids, ensure_ascii=False))
    _write(target, found.tables, found.source)
    return beside


def ids_beside(path: str | os.PathLike[str]) -> Path:
    """The file with the ids of the rows."""
    return Path(path).with_name(f"{Path(path).stem}.ids.json")


def _tensors(model: Trained | ALSModel, source: Source) -> dict[str, tuple[np.ndarray, str | None]]:
    """What a file has of a model, by its names there, and whose rows a tensor has."""
    if source.system == "implicit":
        return {name: (table, IMPLICIT_TABLES[name]) for name, table in implicit_tables(model).items()}
    params, sides = parameters(model)
    places = source.places or {name: Place(name) for name in params}
    if LEVEL in params and LEVEL not in places and not params[LEVEL]:
        del params[LEVEL]  # of models that have none
    if unknown := [name for name in params if name not in places]:
        raise ModelError(f"{source.system} has no name for {unknown[0]!r}: export it like safetensors.")
    # In the order of the file.
    ordered = {name: params[name] for name in places if name in params}
    of = {place.tensor: sides.get(name) for name, place in places.items()}
    return {name: (tensor, of[name]) for name, tensor in written(ordered, places, source.shapes).items()}


def parameters(model: Trained | ALSModel) -> tuple[dict[str, np.ndarray], Mapping[str, str]]:
    """Of a model by their names here, and of which side each table is."""
    if isinstance(model, ALSModel):
        return {"user_embedding": model.user_factors, "item_embedding": model.item_factors}, {
            "user_embedding": "user",
            "item_embedding": "item",
        }
    return {name: np.asarray(value) for name, value in model.params.items()}, model.model.tables


def _erased(data: Interactions, side: str) -> np.ndarray:
    """bool [rows]: whose id an erasure took away."""
    ids, size = (data.user_ids, data.num_users) if side == "user" else (data.item_ids, data.num_items)
    return np.zeros(size, bool) if ids is None else ids == erased_mark(ids.dtype)


def _ids(data: Interactions, side: str, gone: np.ndarray, erased: str) -> list[int | str | None]:
    ids = data.user_ids if side == "user" else data.item_ids
    named = (np.arange(len(gone)) if ids is None else ids).tolist()
    found: list[int | str | None] = [None if left else name for name, left in zip(named, gone, strict=True)]
    return [name for name in found if name is not None] if erased == "compact" else found


def _write(target: Path, tables: dict[str, np.ndarray], source: Source) -> None:
    texts = {name: value for name, value in source.settings.items() if isinstance(value, str)}
    arrays = {name: np.asarray(value) for name, value in source.settings.items() if not isinstance(value, str)}
    if source.system in ("implicit", "npz"):
        # The order of a file of implicit: tables first.
        write_arrays(target, {**tables, **{n: np.asarray(v) for n, v in source.settings.items()}})
    elif source.system == "torch":
        torch, memory = needed("torch", "files of PyTorch need torch", extra="interop"), io.BytesIO()
        torch.save({name: torch.from_numpy(np.array(table)) for name, table in {**tables, **arrays}.items()}, memory)
        write_atomic(target, memory.getvalue())
    elif source.system == "flax":
        write_atomic(target, flax_bytes({**tables, **arrays}))
    elif source.system == "orbax":
        write_orbax(target, {**tables, **arrays})
    else:
        written = needed("safetensors.numpy", "safetensors files need safetensors", extra="interop")
        whole = {name: np.asarray(value, order="C") for name, value in (tables | arrays).items()}
        write_atomic(target, written.save(whole, metadata=texts or None))


def _default(model: Trained | ALSModel, like: str) -> Source:
    """What a file of this system has beside the tables, where it did not come along."""
    if like == "implicit":
        return Source("implicit", _implicit_settings(model))
    if like == "recbole":
        return recbole_source(*parameters(model))
    if like == "lightgcn-pytorch":
        return Source("torch", places={name: Place(tensor) for name, tensor in _LIGHTGCN.items()})
    if like in _PLAIN:
        return Source(_PLAIN[like])
    raise DataError(f"like is {like!r}: give the source that came in, or one of {', '.join(get_args(Like))}.")


def _implicit_settings(model: Trained | ALSModel) -> dict[str, np.ndarray]:
    if isinstance(model, ALSModel):
        reg, alpha, epochs = model.method.reg, model.method.alpha, model.method.epochs
        found = {"regularization": reg, "factors": model.method.embedding_size, "iterations": epochs, "alpha": alpha}
        return {name: np.asarray(value) for name, value in (found | {"dtype": model.user_factors.dtype.name}).items()}
    width, precision = model.params["user_embedding"].shape[1], np.asarray(model.params["user_embedding"]).dtype.name
    if isinstance(model.loss, AllPairs):
        found = {"regularization": model.config.reg * model.total / 2, "factors": width, "alpha": model.loss.alpha}
    else:
        reg = model.loss.reg if isinstance(model.loss, WithDecay) else 0.0
        found = {"regularization": reg, "factors": width, "learning_rate": 0.01, "verify_negative_samples": True}
    return {name: np.asarray(value) for name, value in (found | {"dtype": precision}).items()}
