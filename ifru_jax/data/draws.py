"""A random number for each interaction that depends on its user, its item and a seed alone.

    x(u, i) = mix(h(u) + mix(h(i) + mix(seed))) / 2⁶⁴,     h: BLAKE2b of the original id, mix: the finaliser of SplitMix64

What is drawn by x stays the same when other interactions come or go, are ordered otherwise, or ids are read as text. SplitMix64 is
of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays([1, 1, 2], [5, 6, 5])
>>> bool((uniform_draws(data, seed=0)[1:] == uniform_draws(data.select([1, 2]), seed=0)).all())
True
"""

from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from ifru_jax.data.interactions import Interactions


def uniform_draws(data: Interactions, *, seed: int) -> np.ndarray:
    """float64 [n] in [0, 1), equal for copies of a pair."""
    return drawing(data, seed=seed)(data.users, data.items)


def drawing(tables: Interactions, *, seed: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """`uniform_draws` of pairs of rows, int [n] each, of the tables of some interactions."""
    users, items = hashes(tables.user_ids, tables.num_users), hashes(tables.item_ids, tables.num_items)
    start = mix(np.array([seed], np.int64).astype(np.uint64))

    def draws(user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        mixed = mix(users[user_rows] + mix(items[item_rows] + start))
        return (mixed >> np.uint64(11)) * 2.0**-53

    return draws


def hashes(ids: np.ndarray | None, size: int) -> np.ndarray:
    """uint64 [size] of original ids, of which 7 and "7" are the same; rows where there are none."""
    names = np.arange(size) if ids is None else ids
    digests = b"".join(blake2b(str(name).encode(), digest_size=8).digest() for name in names.tolist())
    return np.frombuffer(digests, np.uint64)


def mix(numbers: np.ndarray) -> np.ndarray:
    """uint64, each a number that looks like drawn at random; a bijection."""
    with np.errstate(over="ignore"):
        z = numbers + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
