"""A (user, item) pair as one integer, user · num_items + item, and sets of these as sorted arrays.

NumPy's own `unique` and `isin` hash integers since 2.3, which takes seconds on the regular keys of a million pairs;
sorting them takes a tenth of one.

>>> keys = pair_keys(np.array([1, 0, 1]), np.array([2, 0, 2]), num_items=3)
>>> keys, distinct(keys)
(array([5, 0, 5]), array([0, 5]))
>>> contains(distinct(keys), np.array([0, 4, 5]))
array([ True, False,  True])
"""

import numpy as np

from ifru_jax.host_arrays import FEW


def pair_keys(users: np.ndarray, items: np.ndarray, num_items: int) -> np.ndarray:
    """int64 [n], different for different pairs of rows."""
    return users.astype(np.int64) * num_items + items


def ascending(keys: np.ndarray) -> bool:
    """Whether no key is smaller than the one before."""
    return bool(np.all(keys[1:] >= keys[:-1]))


def distinct(keys: np.ndarray) -> np.ndarray:
    """The keys in ascending order, each once."""
    ordered = keys if ascending(keys) else np.sort(keys)
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) > 0]


def contains(ordered: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """bool [n]: which of the keys [n] are among the ascending ones."""
    if len(ordered) <= FEW:  # one by one is faster than by halving
        found = np.zeros(len(keys), bool)
        for key in ordered:
            found |= keys == key
        return found
    return ordered[np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)] == keys
