"""Arrays on the host: padded for the device, and without some of their entries.

XLA wants its buffers at multiples of 64 bytes, NumPy's start anywhere: what `aligned_empty` makes, a CPU device takes over as it
is, without a copy. Such an array must not be written to once it is on the device (`sparse.placement`).

>>> drop_entries(np.array([5, 6, 7, 8]), np.array([1, 3]))
array([5, 7])
>>> padded(np.array([5, 6]), 4, np.int32)
array([5, 6, 0, 0], dtype=int32)
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

ALIGNMENT = 64

# Up to so many deletions, copying what stands between them is faster than a mask over all.
FEW = 16


def aligned_empty(size: int, dtype: npt.DTypeLike) -> np.ndarray:
    """An uninitialised array [size] that starts at a multiple of 64 bytes; only accelerators need a copy of it."""
    num_bytes = size * np.dtype(dtype).itemsize
    memory = np.empty(num_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + num_bytes].view(dtype)


def leading(size: int, capacity: int, dtype: npt.DTypeLike) -> np.ndarray:
    """[capacity], 1 (True) in the first `size` places and 0 behind."""
    out = aligned_empty(capacity, dtype)
    out[:size], out[size:] = 1, 0
    return out


def padded(values: np.ndarray, capacity: int, dtype: npt.DTypeLike) -> np.ndarray:
    """The values [n] with zeros behind them, [capacity]."""
    out = aligned_empty(capacity, dtype)
    out[: len(values)], out[len(values) :] = values, 0
    return out


def drop_entries(values: np.ndarray, gone: np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
    """A copy of `values` [n] without the entries at `gone`, int [k] ascending; into `out` [n − k], of any type, if given."""
    if out is None:
        out = np.empty(len(values) - len(gone), values.dtype)
    if len(gone) > FEW:
        out[:] = np.delete(values, gone)
        return out
    for before, (a, b) in enumerate(pairwise([-1, *gone, len(values)])):
        out[a + 1 - before : b - before] = values[a + 1 : b]
    return out


def closed_up(values: np.ndarray, gone: np.ndarray, count: int, padding: np.ndarray | int) -> np.ndarray:
    """Padded values [n], of which the first `count` are no padding, without those at `gone`; `padding` fills up what is left."""
    out, left = aligned_empty(len(values), values.dtype), count - len(gone)
    drop_entries(values[:count], gone, out=out[:left])
    out[left:] = padding
    return out
