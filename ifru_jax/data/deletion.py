"""Arrays without some of their entries.

>>> drop_entries(np.array([5, 6, 7, 8]), np.array([1, 3]))
array([5, 7])
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

# Up to so many deletions, copying what stands between them is faster than a mask over all.
FEW = 16


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
