"""From the host to the device: the one place where arrays are put there.

XLA wants its buffers at multiples of 64 bytes, NumPy's start anywhere: what `aligned_empty` makes, a CPU device takes over as it
is, without a copy. Such an array must not be written to once it is on the device.
"""

from __future__ import annotations

from typing import TypeVar

import jax
import numpy as np
import numpy.typing as npt

ALIGNMENT = 64

Tree = TypeVar("Tree")


def on_device(tree: Tree) -> Tree:
    """The same arrays on the default device; those that are there stay as they are."""
    return jax.device_put(tree)


def aligned_empty(size: int, dtype: npt.DTypeLike) -> np.ndarray:
    """An uninitialised array [size] that starts at a multiple of 64 bytes; `on_device` copies it to accelerators alone."""
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
