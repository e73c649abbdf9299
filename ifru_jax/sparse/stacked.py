"""Several small patterns side by side, sorted and padded at once; on the host."""

from dataclasses import dataclass

import numpy as np

from ifru_jax.errors import DataError
from ifru_jax.host_arrays import aligned_empty
from ifru_jax.ragged import Ragged, order_of
from ifru_jax.sparse.edges import Edges


@dataclass(frozen=True)
class Shape:
    """What every pattern is padded to, and how many there are; those behind the given ones are empty."""

    rows: int
    cols: int
    capacity: int
    count: int


def stacked_edges(rows: np.ndarray, cols: Ragged, shape: Shape) -> tuple[Edges, np.ndarray]:
    """`build_edges` of several patterns, [b, …], as NumPy arrays.

    Args:
      rows: int [t], below `shape.rows`.
      cols: the columns of each pattern, [t] in all.
      shape: of the stack.

    Returns:
      The patterns, and the int64 [t] order in which the given edges stand in them.

    Raises:
      DataError: more edges than the capacity holds.
    """
    most = int(cols.lengths.max(initial=0))
    if most > shape.capacity:
        raise DataError(f"{most} edges don't fit a capacity of {shape.capacity}: raise the capacity.")
    owners, numbered = cols.owners, len(rows)
    by_row, by_col = owners * shape.rows + rows, owners * shape.cols + cols.values
    order = _sorted(by_row * shape.cols + cols.values, shape.count * shape.rows * shape.cols)
    rows, columns = rows[order], cols.values[order]
    # The second order, of places in the first.
    across = _sorted(by_col[order], shape.count * shape.cols)
    places = Stack(cols, shape.count, shape.capacity)
    everyone = np.arange(shape.capacity, dtype=np.int32)
    # Padding stands last, at the last row and column.
    arrays: dict = {
        "rows": places.filled(rows, shape.rows - 1, np.int32),
        "cols": places.filled(columns, shape.cols - 1, np.int32),
        "row_ptr": _pointers(by_row, shape.rows, shape),
        "col_order": places.filled(across - cols.starts[owners], everyone, np.int32),
        "col_rows": places.filled(rows[across], shape.rows - 1, np.int32),
        "col_ptr": _pointers(by_col, shape.cols, shape),
        "mask": places.filled(np.ones(numbered, bool), 0, bool),
    }
    return Edges(**arrays), order


@dataclass(frozen=True, eq=False)
class Stack:
    """Where the values of lists stand once each list is padded to `capacity`, and empty ones are put behind up to `count`."""

    lists: Ragged
    count: int
    capacity: int

    def filled(self, values: np.ndarray, padding: np.ndarray | float, dtype: np.dtype | type) -> np.ndarray:
        """[count, capacity]: values [t] of all lists, and `padding` (a number, or [capacity]) behind each."""
        out = aligned_empty(self.count * self.capacity, dtype).reshape(self.count, self.capacity)
        out[:] = padding
        if len(self.lists) == 1:
            out[0, : len(values)] = values
        else:
            out.reshape(-1)[self.lists.owners * self.capacity + self.lists.ranks] = values
        return out


def _sorted(keys: np.ndarray, bound: int) -> np.ndarray:
    return np.arange(len(keys)) if np.all(keys[1:] >= keys[:-1]) else order_of(keys, bound)


def _pointers(keys: np.ndarray, size: int, shape: Shape) -> np.ndarray:
    """int32 [count, size + 1], where the edges of each row, or column, begin; `keys` are those of row and pattern."""
    out = aligned_empty(shape.count * (size + 1), np.int32).reshape(shape.count, size + 1)
    ends = np.bincount(keys, minlength=shape.count * size)
    # Over all patterns in one go, which takes half the time of each on its own.
    ends = np.cumsum(ends, out=ends).reshape(shape.count, size)
    starts = np.concatenate([[0], ends[:-1, -1]])
    np.subtract(ends, starts[:, None], out=out[:, 1:], casting="unsafe")
    out[:, 0], out[:, -1] = 0, shape.capacity
    return out
