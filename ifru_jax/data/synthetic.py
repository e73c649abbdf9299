"""Interactions made up, of any size, as unevenly spread as real ones.

    w(x) = (x + q)^−s,   x = rank / number of rows, from the most active to the least

Activity of users and popularity of items follow such a law, with q and s fitted to the logarithm of the degrees of real data
(`experiments.studies.degrees`); as shares of the number of rows they hold for any size. Labels come from latent factors: 1 where
⟨p_u, q_i⟩ + b_i and noise are positive.

>>> synthetic(100, 50, 1000, seed=1)
Interactions(1,000 of 100 users with 50 items)
"""

from typing import Literal, NamedTuple, get_args

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError

Like = Literal["ml-1m", "gowalla"]


class _Law(NamedTuple):
    q: float
    s: float


_USERS: dict[Like, _Law] = {"ml-1m": _Law(0.701, 3.963), "gowalla": _Law(0.02787, 0.943)}
_ITEMS: dict[Like, _Law] = {"ml-1m": _Law(2.0, 13.94), "gowalla": _Law(0.00219, 0.684)}

_FACTORS = 8
# Of the logit: how far labels follow the factors.
_SIGNAL, _NOISE = 1.5, 1.0
# Nobody has more than this share of all items: they are drawn, and drawn again where a pair comes twice.
_MOST = 0.5
_CHUNK = 1 << 20


def synthetic(num_users: int, num_items: int, num_interactions: int, *, like: Like = "ml-1m", seed: int = 0) -> Interactions:
    """Different pairs with labels 0 and 1, sorted by user.

    Args:
      num_users, num_items: rows; every user has an interaction, most items do.
      num_interactions: at least one per user, at most a quarter of all pairs.
      like: the data whose spread of degrees they have.
      seed: of everything.

    Raises:
      DataError: more interactions than there is room for, fewer than users, or an unknown kind.
    """
    if like not in get_args(Like):
        raise DataError(f"like is {like!r}: choose among {', '.join(get_args(Like))}.")
    if not 1 <= num_users <= num_interactions <= num_users * num_items / 4:
        raise DataError(
            f"{num_interactions} interactions of {num_users} users with {num_items} items: ask for at least one per user, and at "
            "most a quarter of all pairs."
        )
    rng = np.random.default_rng(seed)
    degrees = _degrees(rng, _weights(rng, num_users, _USERS[like]), num_interactions, int(max(1, _MOST * num_items)))
    popularity = _weights(rng, num_items, _ITEMS[like])
    keys = _pairs(rng, degrees, np.cumsum(popularity) / popularity.sum(), num_items)
    users, items = (keys // num_items).astype(np.int32), (keys % num_items).astype(np.int32)
    return Interactions(users, items, _labels(rng, users, items, (num_users, num_items)), num_users, num_items)


def _weights(rng: np.random.Generator, size: int, law: _Law) -> np.ndarray:
    """w of every row, in random order."""
    return rng.permutation(((np.arange(size) + 0.5) / size + law.q) ** -law.s)


def _degrees(rng: np.random.Generator, weights: np.ndarray, total: int, most: int) -> np.ndarray:
    """int64 [rows], at least 1 and at most `most` each, of this sum."""
    degrees = np.ones(len(weights), np.int64)
    while (left := total - int(degrees.sum())) > 0:
        room = np.where(degrees < most, weights, 0)
        degrees = np.minimum(degrees + rng.multinomial(left, room / room.sum()), most)
    return degrees


def _pairs(rng: np.random.Generator, degrees: np.ndarray, shares: np.ndarray, num_items: int) -> np.ndarray:
    """int64 [n], user · items + item, ascending and different."""
    found, missing = np.zeros(0, np.int64), degrees
    while missing.any():
        # In place: at 10⁸ each array more is nearly a gigabyte.
        drawn = np.repeat(np.arange(len(degrees)) * num_items, missing)
        drawn += np.searchsorted(shares, rng.random(len(drawn)), side="right").clip(max=num_items - 1)
        drawn.sort()
        drawn = drawn[np.append(True, drawn[1:] != drawn[:-1])]
        places = np.searchsorted(found, drawn).clip(max=max(0, len(found) - 1))
        new = drawn[found[places] != drawn] if len(found) else drawn
        # A stable sort merges what is in order already.
        found = np.sort(np.concatenate([found, new]), kind="stable")
        missing = missing - np.bincount(new // num_items, minlength=len(degrees))
    return found


def _labels(rng: np.random.Generator, users: np.ndarray, items: np.ndarray, sizes: tuple[int, int]) -> np.ndarray:
    """float32 [n]."""
    p, q = (rng.normal(size=(size, _FACTORS)).astype(np.float32) for size in sizes)
    offset = rng.normal(size=sizes[1]).astype(np.float32)
    labels = np.empty(len(users), np.float32)
    for start in range(0, len(users), _CHUNK):
        of = slice(start, start + _CHUNK)
        logits = np.einsum("nd,nd->n", p[users[of]], q[items[of]]) * (_SIGNAL / np.sqrt(_FACTORS)) + offset[items[of]]
        labels[of] = logits + _NOISE * rng.logistic(size=len(logits)) > 0
    return labels
