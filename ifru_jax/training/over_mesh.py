"""Parameters over the devices of a mesh: tables by rows, as the interactions lie, filled up with rows of zeros.

A row that fills up a table has no interaction, so its gradient is that of the L2 term, which is zero at zero: it stays what it is.
Parameters that are no tables are the same on every device, and what each finds their gradient to be is added up. A loss that
compares the members of a group is refused; one over all pairs finds scores of zero at the rows that fill up.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ifru_jax.errors import ModelError
from ifru_jax.graph import TrainingSet
from ifru_jax.models import Params, Recommender, Side
from ifru_jax.sparse.placement import by_rows, everywhere, on_host, over_mesh
from ifru_jax.training.losses import Loss, Pointwise


def check_fits_mesh(mesh: Mesh | None, loss: Loss) -> None:
    """Refuses what can't be trained over several devices.

    Raises:
      ModelError: a loss that is not of one interaction.
    """
    if mesh is None:
        return
    if not isinstance(loss, Pointwise):
        raise ModelError(
            f"{loss!r} compares interactions or takes all items: over several devices a loss is of one interaction at a time, "
            "such as bce, or AllPairs. Train with this one on one device, outside of on_mesh."
        )


def filled_up(params: Params, tables: Mapping[str, Side], data: TrainingSet) -> Params:
    """Tables with a row for each user or item, on the devices of the data, and all else on each of them; without a mesh they are as
    they were.

    A table that lies there already, such as one that each process has read its rows of, is not gathered.
    """
    if data.mesh is None:
        return params
    there = {name for name in tables if _lies_over(params[name], tables[name], data)}
    found = {}
    for name, side in tables.items():
        if name not in there:
            table = on_host(params[name])
            found[name] = np.zeros((_rows(data, side), *table.shape[1:]), table.dtype)
            found[name][: len(table)] = table
    shared = over_mesh(on_host({name: value for name, value in params.items() if name not in tables}), everywhere(data.mesh))
    return shared | over_mesh(found, by_rows(data.mesh)) | _cleared({name: params[name] for name in there}, tables, data.sizes)


def unfilled(params: Params, tables: Mapping[str, Side], data: TrainingSet) -> Params:
    """Parameters that lie anywhere, without rows that fill up tables, but for tables that lie over the devices of the data."""
    if data.mesh is None:
        return params
    there = {name: params[name] for name, side in tables.items() if name in params and _lies_over(params[name], side, data)}
    return real_rows({name: value for name, value in params.items() if name not in there}, tables, data) | there


def real_rows(params: Params, tables: Mapping[str, Side], data: TrainingSet) -> dict[str, np.ndarray]:
    """The parameters on the host, without the rows that fill up tables."""
    sizes = dict(zip(("user", "item"), data.sizes, strict=True))
    found = on_host(params)
    return {name: value[: sizes[tables[name]]] if name in tables else value for name, value in found.items()}


def real_shapes(params: Params, tables: Mapping[str, Side], data: TrainingSet) -> dict[str, Any]:
    """Shapes and dtypes of the parameters (`jax.ShapeDtypeStruct`), without the rows that fill up tables."""
    sizes = dict(zip(("user", "item"), data.sizes, strict=True))

    def of(name: str, leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        fills_up = name in tables and _lies_over(params[name], tables[name], data)
        return jax.ShapeDtypeStruct((sizes[tables[name]], *leaf.shape[1:]), leaf.dtype) if fills_up else leaf

    shapes = jax.eval_shape(lambda tree: tree, params)
    return {name: jax.tree.map(lambda leaf, name=name: of(name, leaf), value) for name, value in shapes.items()}


def _lies_over(table: jax.Array | np.ndarray, side: Side, data: TrainingSet) -> bool:
    """Whether a table is in its blocks over the devices of the data, filled up."""
    is_there = isinstance(table, jax.Array) and data.mesh is not None and table.sharding == by_rows(data.mesh)
    return is_there and len(table) == _rows(data, side)


def drawn(model: Recommender, key: jax.Array, data: TrainingSet) -> Params:
    """The parameters of `model.init`, each device drawing its own rows of those of a mesh."""
    if data.mesh is None:
        return model.init(key, *data.sizes)
    rows = data.placed.num_rows, data.placed.num_cols
    names = jax.eval_shape(partial(model.init, num_users=rows[0], num_items=rows[1]), key)
    places = {name: by_rows(data.mesh) if name in model.tables else everywhere(data.mesh) for name in names}
    # A draw is the same whatever comes behind it, so more rows don't change those that are real.
    return jax.jit(partial(_drawn, model, rows, data.sizes), out_shardings=places)(key)


def _drawn(model: Recommender, rows: tuple[int, int], real: tuple[int, int], key: jax.Array) -> Params:
    params = model.init(key, *rows)
    return params | _cleared({name: params[name] for name in model.tables}, model.tables, real)


def _cleared(params: Params, tables: Mapping[str, Side], real: tuple[int, int]) -> Params:
    """With zeros in the rows beyond those that are real, users and items."""
    sizes = dict(zip(("user", "item"), real, strict=True))

    def cleared(name: str, table: jax.Array) -> jax.Array:
        there = jnp.arange(len(table)) < sizes[tables[name]]
        return jnp.where(there.reshape(-1, *[1] * (table.ndim - 1)), table, 0)

    return {name: cleared(name, table) for name, table in params.items()}


def _rows(data: TrainingSet, side: Side) -> int:
    """Of the tables of a side, those that fill them up included."""
    return data.placed.num_rows if side == "user" else data.placed.num_cols
