"""A sparsity pattern of (row, column) edges, sorted both ways, padded on the host and masked on the device.

One `Edges` serves as the adjacency of a graph and as a list of pairs to score. Holding both sort orders makes a sum over edges into
rows, and one into columns, a product with a CSR matrix: see `primitives`.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ifru_jax.errors import DataError
from ifru_jax.host_arrays import padded
from ifru_jax.pytree import pytree
from ifru_jax.sparse.placement import on_device, on_host


@pytree
class Edges:
    """Edges e = (rows[e], cols[e]), sorted by row.

    Duplicates are separate edges. Padding edges stand last, at the last row and column, with mask False: they add nothing
    to any sum and their score is 0.

    Attributes:
      rows: int32 [e], ascending.
      cols: int32 [e].
      row_ptr: int32 [num_rows + 1], edges row_ptr[r] … row_ptr[r+1] − 1 belong to row r.
      col_order: int32 [e], the permutation that sorts the edges by column.
      col_rows: int32 [e], rows[col_order].
      col_ptr: int32 [num_cols + 1].
      mask: bool [e], False for padding.
    """

    rows: jax.Array
    cols: jax.Array
    row_ptr: jax.Array
    col_order: jax.Array
    col_rows: jax.Array
    col_ptr: jax.Array
    mask: jax.Array

    @property
    def num_rows(self) -> int:
        return self.row_ptr.shape[-1] - 1

    @property
    def num_cols(self) -> int:
        return self.col_ptr.shape[-1] - 1

    @property
    def real_sizes(self) -> tuple[int, int]:
        """Rows and columns that there are, which are all; over a mesh tables are filled up."""
        return self.num_rows, self.num_cols

    @property
    def capacity(self) -> int:
        """Edges including padding."""
        return self.rows.shape[-1]

    def places(self, numbers: jax.Array) -> jax.Array:
        """Where the edges with these numbers in the order of the host stand: just there."""
        return numbers

    def column(self, values: np.ndarray, dtype: npt.DTypeLike) -> jax.Array:
        """Values of the edges, [m] in their order, as they stand beside the edges, [e]; 0 at padding."""
        return on_device(padded(values, self.capacity, dtype))


def capacity_of(size: int, *, least: int = 16) -> int:
    """The bucket that holds `size` entries: the next power of two, so that few shapes are ever compiled."""
    return max(least, 1 << max(0, size - 1).bit_length())


def build_edges(
    rows: np.ndarray, cols: np.ndarray, *, num_rows: int, num_cols: int, capacity: int | None = None
) -> tuple[Edges, np.ndarray]:
    """Sorts and pads edges on the host.

    Args:
      rows, cols: integers [n].
      num_rows, num_cols: sizes of the two sides.
      capacity: edges to pad to; None pads nothing.

    Returns:
      The pattern, and the int64 [n] order in which the given edges stand in it: `values[order]` belongs to the first n edges.

    Raises:
      DataError: more edges than the capacity holds.
    """
    edges, order = host_edges(rows, cols, num_rows=num_rows, num_cols=num_cols, capacity=capacity)
    return on_device(edges), order


def host_edges(
    rows: np.ndarray, cols: np.ndarray, *, num_rows: int, num_cols: int, capacity: int | None = None
) -> tuple[Edges, np.ndarray]:
    """`build_edges` with NumPy arrays in the pattern, for patterns that are stacked before they go to the device."""
    num_edges = len(rows)
    capacity = num_edges if capacity is None else capacity
    if num_edges > capacity:
        raise DataError(f"{num_edges} edges don't fit a capacity of {capacity}: raise the capacity.")
    padding = capacity - num_edges
    # One integer key sorts faster than np.lexsort, and the second key makes the result independent of the order given.
    key = rows.astype(np.int64) * num_cols + cols
    order = np.arange(num_edges) if np.all(key[1:] >= key[:-1]) else np.argsort(key, kind="stable")
    rows_by_row = np.concatenate([rows[order], np.full(padding, num_rows - 1)]).astype(np.int32)
    cols_by_row = np.concatenate([cols[order], np.full(padding, num_cols - 1)]).astype(np.int32)
    # Padding stands last among the edges of the last column too.
    by_column = _by_column(rows_by_row[:num_edges], cols_by_row[:num_edges], num_rows, num_cols)
    col_order = np.concatenate([by_column, np.arange(num_edges, capacity, dtype=np.int32)])
    arrays: dict = {
        "rows": rows_by_row,
        "cols": cols_by_row,
        "row_ptr": pointers(rows_by_row, num_rows),
        "col_order": col_order,
        "col_rows": rows_by_row[col_order],
        "col_ptr": pointers(cols_by_row, num_cols),
        "mask": np.arange(capacity) < num_edges,
    }
    return Edges(**arrays), order


# Fewer edges are sorted sooner than a matrix of them is made.
_SORTED = 4096


def _by_column(rows: np.ndarray, cols: np.ndarray, num_rows: int, num_cols: int) -> np.ndarray:
    """int32 [n], the order by column of edges that are sorted by row."""
    if len(cols) <= _SORTED:
        return np.argsort(cols, kind="stable").astype(np.int32)
    from scipy.sparse import csr_array  # only who builds a large pattern waits for it

    # From CSR to CSC in linear time.
    places = np.arange(len(cols), dtype=np.int32)
    return csr_array((places, cols, pointers(rows, num_rows)), shape=(num_rows, num_cols)).tocsc().data


def pointers(numbers: np.ndarray, size: int) -> np.ndarray:
    """int32 [size + 1]: where the entries of each number (int [n], in any order) begin once they are sorted."""
    counts = np.bincount(numbers, minlength=size)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def find_edges(edges: Edges, rows: jax.Array, cols: jax.Array) -> jax.Array:
    """The place of each (row, column) in the pattern, int32 [n], or −1; the first where it stands there several times.

    A binary search in the columns of the row, on the device.
    """
    low, end = edges.row_ptr[rows], edges.row_ptr[rows + 1]
    high = end
    # After k halvings a range of up to 2^k − 1 edges is settled.
    for _ in range(edges.capacity.bit_length()):
        middle = (low + high) // 2
        searching = low < high
        below = searching & (edges.cols[jnp.minimum(middle, edges.capacity - 1)] < cols)
        low = jnp.where(below, middle + 1, low)
        high = jnp.where(searching & ~below, middle, high)
    found = jnp.minimum(low, edges.capacity - 1)
    # Padding stands behind the real edges of the last row and column.
    return jnp.where((low < end) & (edges.cols[found] == cols) & edges.mask[found], found, -1)


def degrees(edges: Edges, count: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 [num_rows], [num_cols]: edges at every node, of which the first `count` are no padding; without looking at an edge."""
    rows, cols = np.diff(on_host(edges.row_ptr)).astype(np.int64), np.diff(on_host(edges.col_ptr)).astype(np.int64)
    rows[-1] -= edges.capacity - count
    cols[-1] -= edges.capacity - count
    return rows, cols


def degrees_without(edges: Edges, count: int, gone_rows: np.ndarray, gone_cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`degrees` once the edges given by their endpoints [k], [k] are taken out."""
    rows, cols = degrees(edges, count)
    rows -= np.bincount(gone_rows, minlength=edges.num_rows)
    cols -= np.bincount(gone_cols, minlength=edges.num_cols)
    return rows, cols


def edges_at(edges: Edges, nodes: np.ndarray, side: Literal["row", "col"]) -> np.ndarray:
    """int64 places of the edges at these rows, or columns (int [k]), one node after the other; only their lists are read."""
    pointers = on_host(edges.row_ptr if side == "row" else edges.col_ptr)
    starts, lengths = pointers[nodes].astype(np.int64), (pointers[nodes + 1] - pointers[nodes]).astype(np.int64)
    ends = np.cumsum(lengths)
    found = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    if side == "col":
        found = on_host(edges.col_order)[found].astype(np.int64)
    # Padding stands at the last row and column.
    return found[on_host(edges.mask)[found]]
