"""Which of several rows of one user with one item stays.

>>> latest(np.array([0, 0, 1]), np.array([5, 5, 5]), times=np.array([9.0, 3.0, 1.0]))
array([0, 2])
"""

import numpy as np


def latest(users: np.ndarray, items: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    """int64 [k] ascending: the places of one row per pair, that with the latest time; of equal ones, or without times, the last.

    Args:
      users, items: int [n].
      times: float [n], or None.
    """
    keys = [items, users] if times is None else [times, items, users]
    order = np.lexsort(keys)  # stable, so that of equal rows the last comes last
    ends = np.flatnonzero((np.diff(users[order], append=-1) != 0) | (np.diff(items[order], append=-1) != 0))
    return np.sort(order[ends])
