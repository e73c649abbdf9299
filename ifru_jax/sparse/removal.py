"""A pattern without some of its edges, at the same capacity, in the same order, and without sorting again.

Every edge moves forward by the number of those that left before it, in either order, and padding closes both. On the host that is a
copy of what stands between the gaps; on an accelerator a prefix sum over all edges, so that no more than the places of what left
crosses from the host.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.host_arrays import FEW, closed_up, leading
from ifru_jax.sparse.edges import Edges, capacity_of, pointers
from ifru_jax.sparse.placement import on_accelerator, on_device, on_host

# Places are padded to so many at the least, so that nearly all requests share a compilation.
_LEAST_GONE = 1024


def without_edges(edges: Edges, gone: np.ndarray, count: int) -> Edges:
    """The pattern without the edges at these places.

    Args:
      edges: a pattern of `count` edges and its padding.
      gone: int [k], ascending.
      count: edges that are no padding.
    """
    if not len(gone):
        return edges
    if on_accelerator(edges.rows):
        found = closed_on_device(edges, places_on_device(gone, edges.capacity), on_device(count - len(gone)))
        # What the next request looks edges up by is under way to the host meanwhile.
        with jax.transfer_guard_device_to_host("allow"):
            for part in (found.row_ptr, found.col_ptr, found.col_order, found.mask):
                part.copy_to_host_async()
        return found
    return on_device(_closed_on_host(edges, gone, count))


def places_on_device(gone: np.ndarray, capacity: int) -> jax.Array:
    """int32 places among `capacity`, padded by a number beyond."""
    rest = capacity_of(len(gone), least=_LEAST_GONE) - len(gone)
    return on_device(np.pad(gone, (0, rest), constant_values=capacity).astype(np.int32))


@jax.jit
def closed_on_device(edges: Edges, gone: jax.Array, left: jax.Array | int) -> Edges:
    """The pattern without the edges at `gone` (see `places_on_device`), of which `left` are left."""
    keep = edges.mask.at[gone].set(False, mode="drop")
    keep_by_column = keep[edges.col_order]
    places = jnp.arange(edges.capacity, dtype=jnp.int32)
    before, before_by_column = (_running(of) for of in (keep, keep_by_column))
    moved = before[:-1]
    last_row, last_col = (jnp.full(edges.capacity, size - 1, jnp.int32) for size in (edges.num_rows, edges.num_cols))
    return Edges(
        rows=_closed(edges.rows, keep, moved, last_row),
        cols=_closed(edges.cols, keep, moved, last_col),
        row_ptr=before[edges.row_ptr].at[-1].set(edges.capacity),
        col_order=_closed(moved[edges.col_order], keep_by_column, before_by_column[:-1], places),
        col_rows=_closed(edges.col_rows, keep_by_column, before_by_column[:-1], last_row),
        col_ptr=before_by_column[edges.col_ptr].at[-1].set(edges.capacity),
        mask=places < left,
    )


@jax.jit
def column_without(values: jax.Array, gone: jax.Array, count: jax.Array | int) -> jax.Array:
    """Values of edges [e], of which the first `count` are no padding, without those at `gone` and with zeros behind."""
    keep = (jnp.arange(len(values)) < count).at[gone].set(False, mode="drop")
    return _closed(values, keep, _running(keep)[:-1], jnp.zeros_like(values))


def _running(keep: jax.Array) -> jax.Array:
    """int32 [n + 1]: how many are kept before each place."""
    return jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(keep, dtype=jnp.int32)])


def _closed(values: jax.Array, keep: jax.Array, places: jax.Array, padding: jax.Array) -> jax.Array:
    """Those that are kept at their new places, and padding elsewhere."""
    return padding.at[jnp.where(keep, places, len(values))].set(values, mode="drop", unique_indices=True)


def _closed_on_host(edges: Edges, gone: np.ndarray, count: int) -> Edges:
    left, capacity = count - len(gone), edges.capacity
    old_rows, old_cols, order, col_rows = (on_host(x) for x in (edges.rows, edges.cols, edges.col_order, edges.col_rows))
    # Padding stands at the last row and column, after the real edges there, so it closes both orders.
    in_order = _places_in_order(edges, gone, old_cols)
    col_order = closed_up(order, in_order, count, np.arange(left, capacity))
    if len(gone) <= FEW:
        for place in gone[::-1]:
            col_order[:left] -= col_order[:left] > place
    else:
        before = np.zeros(count, np.int32)
        before[gone] = 1
        col_order[:left] -= np.cumsum(before, dtype=np.int32)[col_order[:left]]
    arrays: dict = {
        "rows": closed_up(old_rows, gone, count, edges.num_rows - 1),
        "cols": closed_up(old_cols, gone, count, edges.num_cols - 1),
        "row_ptr": _fewer(edges.row_ptr, old_rows[gone]),
        "col_order": col_order,
        "col_rows": closed_up(col_rows, in_order, count, edges.num_rows - 1),
        "col_ptr": _fewer(edges.col_ptr, old_cols[gone]),
        "mask": leading(left, capacity, bool),
    }
    return Edges(**arrays)


def _places_in_order(edges: Edges, gone: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Where the edges `gone` stand in the order by column, ascending; within a column that order is ascending too."""
    order, starts = on_host(edges.col_order), on_host(edges.col_ptr)
    if len(gone) > FEW:
        mask = np.zeros(edges.capacity, bool)
        mask[gone] = True
        return np.flatnonzero(mask[order])
    ends = zip(starts[cols[gone]], starts[cols[gone] + 1], gone, strict=True)
    return np.sort([a + np.searchsorted(order[a:b], e) for a, b, e in ends])


def _fewer(old: jax.Array, gone: np.ndarray) -> np.ndarray:
    """Pointers after an entry of each of the nodes `gone` was taken; what left makes room for as much padding at the end."""
    left = on_host(old) - pointers(gone, len(old) - 1)
    left[-1] = on_host(old)[-1]  # on the host: a device array would compile for one number
    return left
