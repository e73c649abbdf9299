"""Which of several rows of one user with one item stays.

>>> latest(np.array([0, 0, 1]), np.array([5, 5, 5]), times=np.array([9.0, 3.0, 1.0]))
array([0, 2])
"""

import numpy as np

from ifru_jax.data.pair_keys import pair_keys


def latest(users: np.ndarray, items: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    """int64 [k] ascending: the places of one row per pair, that with the latest time; of equal ones, or without times, the last.

    Args:
      users, items: int [n].
      times: float [n], or None.
    """
    keys = pair_keys(users, items, int(items.max(initial=0)) + 1)
    order = np.argsort(keys, kind="stable")
    last = np.append(np.diff(keys[order]) != 0, [True] * bool(len(keys)))
    if last.all():
        return np.arange(len(keys))
    if times is not None:
        order = np.lexsort([times, keys])  # stable too, so that of equal times the last comes last
    return np.sort(order[last])
