"""The best items of each user where the items are over the devices of a mesh.

    top_k(all items) = top_k(top_k(items of device 0) ∪ top_k(items of device 1) ∪ …)

Each device ranks its own items; only its k best and their scores go to the others. Exact, since an item that is among the best of
all is among the best of its device, and among equal scores the smaller number comes first in either.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jax.typing import ArrayLike

from ifru_jax.meshes import ROWS

NO_ITEM = -1
"""Stands in a list that is longer than the items a user has not seen."""


@partial(jax.jit, static_argnames=("mesh", "k"))
def top_over_mesh(
    mesh: Mesh, scores: jax.Array, known: tuple[ArrayLike, ArrayLike], seen: tuple[ArrayLike, ArrayLike], k: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Scores and items [b, k], and whether no score of a user is NaN or +∞ [b].

    Args:
      mesh: of `on_mesh`.
      scores: [b, rows of the item table], in blocks of items; −∞ is not to be shown.
      known: bool [b] and [rows of the item table].
      seen: int32 [m] twice, the pairs (row of the block, item) that are not to be shown; those of row b are padding.
      k: at most as many as there are items.
    """
    sound = (scores < jnp.inf).all(1)
    shown = jnp.where(jnp.asarray(known[0])[:, None] & jnp.asarray(known[1]), scores, -jnp.inf)

    def own(scores: jax.Array, rows: jax.Array, items: jax.Array) -> tuple[jax.Array, jax.Array]:
        size = scores.shape[1]
        first = lax.axis_index(ROWS) * size
        place = jnp.where((items >= first) & (items < first + size), items - first, size)
        values, found = lax.top_k(scores.at[rows, place].set(-jnp.inf, mode="drop"), min(k, size))
        return values, found + first

    by_items, everywhere = PartitionSpec(None, ROWS), PartitionSpec()
    mapped = jax.shard_map(
        own, mesh=mesh, in_specs=(by_items, everywhere, everywhere), out_specs=by_items, check_vma=False
    )  # fmt: skip
    values, items = mapped(shown, *map(jnp.asarray, seen))
    best, places = lax.top_k(values, k)
    return best, jnp.where(best > -jnp.inf, jnp.take_along_axis(items, places, axis=1), NO_ITEM), sound
