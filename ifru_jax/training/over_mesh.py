"""Parameters over the devices of a mesh: tables by rows, as the interactions lie, filled up with rows of zeros.

A row that fills up a table has no interaction, so its gradient is that of the L2 term, which is zero at zero: it stays what it is.
Parameters that are no table would be the same on every device, and a loss or a model that looks at all rows at once, or at the
members of a group, would count those that fill up: such a model is trained on one device.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ifru_jax.errors import ModelError
from ifru_jax.graph import TrainingSet
from ifru_jax.models import Params, Recommender, Side
from ifru_jax.sparse.placement import by_rows, on_host, over_mesh
from ifru_jax.training.losses import Loss, Pointwise


def check_fits_mesh(mesh: Mesh | None, model: Recommender, loss: Loss) -> None:
    """Refuses what can't be trained over several devices.

    Raises:
      ModelError: a model that has other parameters than one table per side and name, or a loss that is not of one interaction.
    """
    if mesh is None:
        return
    shapes = jax.eval_shape(lambda key: model.init(key, 2, 3), jax.random.key(0))
    if other := sorted(set(shapes) - set(model.tables)):
        raise ModelError(
            f"{model!r} has parameters that are no tables ({', '.join(other)}): over several devices all are tables of users or "
            "items, as of mf() and lightgcn(). Train this model on one device, outside of on_mesh."
        )
    if not isinstance(loss, Pointwise):
        raise ModelError(
            f"{loss!r} compares interactions or looks at all pairs: over several devices a loss is of one interaction at a time, "
            "such as bce. Train with this one on one device, outside of on_mesh."
        )


def filled_up(params: Params, tables: Mapping[str, Side], data: TrainingSet) -> Params:
    """Tables with a row for each user or item, on the devices of the data; without a mesh they are as they were."""
    if data.mesh is None:
        return params
    found = {}
    for name, side in tables.items():
        table = on_host(params[name])
        found[name] = np.zeros((_rows(data, side), *table.shape[1:]), table.dtype)
        found[name][: len(table)] = table
    return over_mesh(found, by_rows(data.mesh))


def real_rows(params: Params, tables: Mapping[str, Side], data: TrainingSet) -> dict[str, np.ndarray]:
    """The parameters on the host, without the rows that fill up tables."""
    sizes = dict(zip(("user", "item"), data.sizes, strict=True))
    found = on_host(params)
    return {name: value[: sizes[tables[name]]] if name in tables else value for name, value in found.items()}


def drawn(model: Recommender, key: jax.Array, data: TrainingSet) -> Params:
    """The parameters of `model.init`, each device drawing its own rows of those of a mesh."""
    if data.mesh is None:
        return model.init(key, *data.sizes)
    rows, by = (data.placed.num_rows, data.placed.num_cols), by_rows(data.mesh)
    # A draw is the same whatever comes behind it, so more rows don't change those that are real.
    return jax.jit(partial(_drawn, model, rows, data.sizes), out_shardings=dict.fromkeys(model.tables, by))(key)


def _drawn(model: Recommender, rows: tuple[int, int], real: tuple[int, int], key: jax.Array) -> Params:
    sizes = dict(zip(("user", "item"), real, strict=True))

    def cleared(name: str, table: jax.Array) -> jax.Array:
        there = jnp.arange(len(table)) < sizes[model.tables[name]]
        return jnp.where(there.reshape(-1, *[1] * (table.ndim - 1)), table, 0)

    return {name: cleared(name, table) for name, table in model.init(key, *rows).items()}


def _rows(data: TrainingSet, side: Side) -> int:
    """Of the tables of a side, those that fill them up included."""
    return data.placed.num_rows if side == "user" else data.placed.num_cols
