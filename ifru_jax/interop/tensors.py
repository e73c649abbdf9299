"""Tables of anybody, with a word on what they are: what the snippets write, and what else can be declared.

    NAME.safetensors    the tables, and perhaps what it was trained on: train/users, train/items (rows, those of nobody not counted)
                        and train/labels (1 where they are left out)
    NAME.json           a `Declared`: which tensor is which table, layers, loss, ids in the order of the rows, some scores

The JSON file may be left out, and a `Declared` be given. In place of safetensors:

    NAME.npz                    numpy.savez, as of the weights of Keras or TensorFlow
    NAME.pt, .pth, .bin, .tar   a state dict of PyTorch
    NAME.msgpack                flax.serialization.to_bytes
    a folder                    a checkpoint of Orbax
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any

import jax
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, DataWarning, ModelError, check_kind
from ifru_jax.exact import ALS, ALSModel
from ifru_jax.interop.containers import read_npz, read_safetensors, read_torch
from ifru_jax.interop.declared import LEVEL, Declared
from ifru_jax.interop.evidence import Scored, examined
from ifru_jax.interop.implicit import ITEMS, USERS, held_as_it_is, of_factors
from ifru_jax.interop.negatives import with_negatives
from ifru_jax.interop.order import in_order
from ifru_jax.interop.places import Place
from ifru_jax.interop.replay import replayed_if_it_can_be
from ifru_jax.interop.source import Imported, Source, System
from ifru_jax.interop.trees import read_flax, read_orbax
from ifru_jax.models import Recommender, Side
from ifru_jax.training import Loss, PerUser, Squares, TrainConfig, Trained, WithDecay, bce, bpr, softmax

_TRAIN, _LABELS = ("train/users", "train/items"), "train/labels"
_LOSSES: dict[str, Loss] = {"bpr": bpr, "bce": bce, "softmax": softmax, "squares": Squares()}


def from_tensors(
    path: str | os.PathLike[str], interactions: Interactions | None = None, declared: Declared | None = None, *, seed: int = 0
) -> Imported:
    """Takes in tables.

    Args:
      path: a file, or a folder of Orbax; its suffix tells which.
      interactions: positives that it was trained on; None takes those in the file.
      declared: what the tables are; None reads it from the JSON file beside, of the same name.
      seed: of the draw of negatives, which stands for the source's.

    Raises:
      DataError: no such file, a damaged one, or data that doesn't fit it.
      ModelError: tables that are no such model, a loss that has no objective, or scores that are not met.

    Warns:
      DataWarning: the order of rows or the objective does not fit, see `interop.evidence`.
    """
    check_kind("path", path, (str, os.PathLike), "give the path of the file")
    check_kind("interactions", interactions, (Interactions, NoneType), "give the positives it was trained on, such as split.train")
    check_kind("declared", declared, (Declared, NoneType), "say what the tables are by Declared(…)")
    arrays, settings, system = _read(path)
    declared = Declared.read(Path(path).with_suffix(".json")) if declared is None else declared
    return assembled(arrays, declared, interactions, Source(system, settings), seed=seed)


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str], System]:
    source = Path(path)
    if source.is_dir():
        return read_orbax(source), {}, "orbax"
    if source.suffix == ".npz":
        return read_npz(source), {}, "npz"
    if source.suffix == ".msgpack":
        return read_flax(source), {}, "flax"
    if source.suffix in (".pt", ".pth", ".bin", ".tar"):
        return read_torch(source), {}, "torch"
    return *read_safetensors(source), "safetensors"


def assembled(
    arrays: Mapping[str, np.ndarray], declared: Declared, interactions: Interactions | None, source: Source, *, seed: int = 0
) -> Imported:
    """A model of arrays that were read; see `from_tensors`, and for the errors."""
    places = {name: Place.of(of) for name, of in declared.named(arrays).items()}
    front = {"user": declared.pad[0], "item": declared.pad[1]}
    params, pad = {}, {}
    for name, place in places.items():
        table = place.read(arrays)
        if table.dtype.kind != "f":
            raise ModelError(f"{place.tensor} is {table.dtype}, which is no {name}: parameters are floating numbers.")
        if not np.isfinite(table).all():
            raise ModelError(f"{place.tensor} is not all finite: train the model again.")
        nobody = front[declared.sides[name]] if name in declared.sides else 0
        if nobody:
            pad[place.tensor], table = table[:nobody], table[nobody:]
        params[name] = table
    ids: dict[Side, Any] = {"user": declared.user_ids, "item": declared.item_ids}
    sizes = _sizes(declared, params, ids, interactions)
    width = params[USERS].shape[-1] if USERS in params and params[USERS].ndim else 0
    model = declared.recommender(width)
    params = _fitting(model, {LEVEL: np.zeros((), params[USERS].dtype)} | params if "user_bias" in params else params, sizes)
    named: dict[Side, np.ndarray | None] = {side: None if of is None else np.asarray(of) for side, of in ids.items()}
    data = _of_file(arrays, sizes) if interactions is None else in_order(interactions, sizes, named["user"], named["item"])
    if interactions is None:
        data = _named(data, sizes, named)
    trained = _trained(declared, model, params, data, seed=seed)
    tensors = {place.tensor: arrays[place.tensor] for place in places.values()}
    dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    settings = {**source.settings, **_rest(arrays, tensors, sizes, declared.pad)}
    whole = Source(source.system, settings, places, dtypes, pad, shapes)
    scored = None if declared.scores is None else Scored.of(*declared.scores)
    evidence = examined(trained, scored)
    ready = trained if isinstance(trained, ALSModel) else replayed_if_it_can_be(trained, declared.replay)
    return Imported(ready, whole, evidence)


def _rest(
    arrays: Mapping[str, np.ndarray], taken: Mapping[str, np.ndarray], sizes: tuple[int, int], pad: tuple[int, int]
) -> dict[str, np.ndarray]:
    """What a file has beside the model, for its way back; nothing that has rows of users or items, such as moments of Adam."""
    rows = {*sizes, *(size + nobody for size, nobody in zip(sizes, pad, strict=True)), sum(sizes), sum(sizes) + sum(pad)}
    found = {name: value for name, value in arrays.items() if name not in (*taken, *_TRAIN, _LABELS)}
    if remembering := [name for name, value in found.items() if rows & set(value.shape)]:
        warnings.warn(
            f"{', '.join(remembering[:3])} have rows of users or items ({len(remembering)} such) and are no parameters. "
            "They would remember who is forgotten, so they are left out when it goes back.",
            DataWarning,
            stacklevel=4,
        )
    return {name: value for name, value in found.items() if name not in remembering}


def _sizes(
    declared: Declared, params: Mapping[str, np.ndarray], ids: Mapping[Side, Any], data: Interactions | None
) -> tuple[int, int]:
    """Rows of users and of items: of the tables, or where a model has none of a side, of its ids or of the data."""
    found: dict[Side, int] = {"user": 0 if data is None else data.num_users, "item": 0 if data is None else data.num_items}
    found |= {side: np.size(of) for side, of in ids.items() if of is not None}
    seen: set[Side] = set()
    for name, table in params.items():
        side = declared.sides.get(name)
        if side is None or not table.ndim:
            continue
        if side in seen and found[side] != len(table):
            of = f"{name} has {len(table)} rows for {found[side]} {side}s"
            raise ModelError(f"{of}: the tables are not of one model.")
        found[side] = len(table)
        seen.add(side)
    return found["user"], found["item"]


def _fitting(model: Recommender, params: Mapping[str, np.ndarray], sizes: tuple[int, int]) -> dict[str, np.ndarray]:
    """The parameters in the shapes that the model has them in; numbers alone may come as rows of one.

    Raises:
      ModelError: other parameters than the model's.
    """
    wanted = {name: leaf.shape for name, leaf in jax.eval_shape(lambda key: model.init(key, *sizes), jax.random.key(0)).items()}
    if params.keys() != wanted.keys():
        lacking, unknown = sorted(wanted.keys() - params.keys()), sorted(params.keys() - wanted.keys())
        raise ModelError(f"{model!r} lacks {lacking} and does not know {unknown}: tables name its parameters, {sorted(wanted)}.")
    found = {name: table.reshape(wanted[name]) if table.size == 1 else table for name, table in params.items()}
    for name, table in found.items():
        if table.shape != wanted[name]:
            raise ModelError(f"{name} has shape {table.shape}, {model!r} has {wanted[name]}: the tables are not of one model.")
    return found


def _of_file(arrays: Mapping[str, np.ndarray], sizes: tuple[int, int]) -> Interactions:
    if any(name not in arrays for name in _TRAIN):
        raise DataError("the file has no interactions: give those that the model was trained on.")
    users, items = (arrays[name] for name in _TRAIN)
    return Interactions(users, items, arrays.get(_LABELS, np.ones(len(users), np.float32)), *sizes)


def _named(data: Interactions, sizes: tuple[int, int], ids: Mapping[Side, np.ndarray | None]) -> Interactions:
    """The interactions of the file, whose rows are those of the model, with its ids."""
    users, items = (np.arange(size) if of is None else of for size, of in zip(sizes, ids.values(), strict=True))
    named = in_order(data.select(np.zeros(0, np.int64)), sizes, users, items)
    return replace(data, user_ids=named.user_ids, item_ids=named.item_ids)


def _trained(
    declared: Declared, model: Recommender, params: dict[str, np.ndarray], data: Interactions, *, seed: int
) -> Trained | ALSModel:
    if declared.loss == "als":
        beside = declared.model is not None or declared.layers or declared.decay or declared.per_user
        if params.keys() != {USERS, ITEMS} or beside:
            raise ModelError("alternating least squares have two tables, and no layers, decay or per_user: declare another loss.")
        config = ALS(embedding_size=params[USERS].shape[1], reg=declared.reg, alpha=declared.alpha)
        return of_factors(params[USERS], params[ITEMS], data, config, exact=declared.exact)
    loss = _LOSSES[declared.loss]
    if declared.loss != "squares" and declared.draws:
        data = with_negatives(data, per_positive=declared.draws, popular=declared.popular, seed=seed)
    loss.check(data)
    if declared.decay:
        loss = WithDecay(loss, declared.decay)
    if declared.per_user:
        loss = PerUser(loss)
    return Trained.of(model, held_as_it_is(params), data, loss=loss, config=TrainConfig(reg=declared.reg))
