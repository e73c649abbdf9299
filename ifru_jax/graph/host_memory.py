"""NumPy arrays that a CPU device takes over as they are: XLA wants its buffers at multiples of 64 bytes, NumPy's start anywhere.

An array of this module must not be written to once it is on the device.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ALIGNMENT = 64


def aligned_empty(size: int, dtype: npt.DTypeLike) -> np.ndarray:
    """An uninitialised array [size] that starts at a multiple of 64 bytes; `jax.device_put` copies it to accelerators alone."""
    num_bytes = size * np.dtype(dtype).itemsize
    memory = np.empty(num_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + num_bytes].view(dtype)


def leading(size: int, capacity: int, dtype: npt.DTypeLike) -> np.ndarray:
    """[capacity], 1 (True) in the first `size` places and 0 behind."""
    out = aligned_empty(capacity, dtype)
    out[:size], out[size:] = 1, 0
    return out
