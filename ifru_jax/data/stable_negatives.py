"""Items drawn for positives by the ids of both, so that what is drawn for a user stays when others go.

Items stand in slots, 2^k ≥ 2 · items of them, by a hash of their ids. A draw names a slot and a place in it; an empty place is
drawn again. So every item is as likely as any other, and an item that goes leaves an empty place, which only draws that met it
notice:

    slot, place = bits of mix(x(u, i, r) + attempt)

with x the number of the r-th negative of (u, i) as in `draws`.
"""

import numpy as np

from ifru_jax.data.draws import hashes, mix
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys

# Places in a slot: a slot of a table that is half full holds more than that once in 10⁹.
_DEPTH_BITS = 3
# Attempts that are made at once, and how often, before the rest is drawn from lists of what is left.
_ATTEMPTS, _ROUNDS = 16, 24


def draw_by_ids(
    tables: Interactions, positives: tuple[np.ndarray, np.ndarray], observed: np.ndarray, *, per_positive: int, seed: int
) -> np.ndarray:
    """int64 [n · per_positive]: items that the users have not, distinct within a user if possible, those of each positive together.

    Args:
      tables: whose ids they are.
      positives: users and items [n], rows.
      observed: ascending keys of what the users have.
      per_positive, seed: of the draw.
    """
    users, items, num_items = *positives, tables.num_items
    start = mix(np.array([seed], np.int64).astype(np.uint64))
    of_users, of_items = hashes(tables.user_ids, tables.num_users), hashes(tables.item_ids, num_items)
    of_pair = mix(of_users[users] + mix(of_items[items] + start))
    keys = mix(of_pair[:, None] + np.arange(1, per_positive + 1, dtype=np.uint64)).ravel()
    owner, found = np.repeat(users, per_positive), np.zeros(len(keys), np.int64)
    slots = _Slots(mix(of_items + mix(start)))
    # In the order of their keys, so that of two that want one item it is always the same that gets it.
    taken, pending = observed, np.argsort(keys, kind="stable")
    for attempt in range(_ROUNDS):
        drawn = slots.draw(keys[pending], attempt)
        wanted = pair_keys(owner[pending], np.maximum(drawn, 0), num_items)
        free = (drawn >= 0) & ~contains(taken, wanted)
        places = np.flatnonzero(free)
        _, first = np.unique(wanted[places], return_index=True)
        accepted = places[first]
        found[pending[accepted]] = drawn[accepted]
        taken = distinct(np.concatenate([taken, wanted[accepted]]))
        pending = np.delete(pending, accepted)
        if not len(pending):
            return found
    for user in distinct(owner[pending]):
        mine = pending[owner[pending] == user]
        rng = np.random.default_rng([seed, int(of_users[user])])
        found[mine] = draw_from_rest(user, len(mine), taken, observed, num_items, rng)
    return found


class _Slots:
    """Items in slots by their hashes, uint64 [num_items]."""

    def __init__(self, hashed: np.ndarray) -> None:
        bits = max(1, int(np.ceil(np.log2(max(2 * len(hashed), 2)))))
        self._shift = np.uint64(64 - bits)
        self._items = np.argsort(hashed, kind="stable")
        self._starts = np.searchsorted((hashed >> self._shift)[self._items], np.arange(2**bits + 1, dtype=np.uint64))

    def draw(self, keys: np.ndarray, attempt: int) -> np.ndarray:
        """int64 [n]: the item that each key meets first in this attempt, −1 for none."""
        numbers = mix(keys[:, None] + np.uint64(_ATTEMPTS * attempt) + np.arange(_ATTEMPTS, dtype=np.uint64))
        slot, place = (numbers >> self._shift).astype(np.int64), (numbers & np.uint64(2**_DEPTH_BITS - 1)).astype(np.int64)
        at = self._starts[slot] + place
        there = at < self._starts[slot + 1]
        first = there.argmax(axis=1)
        rows = np.arange(len(keys))
        chosen = self._items[np.minimum(at[rows, first], len(self._items) - 1)]
        return np.where(there[rows, first], chosen, -1)


def draw_from_rest(
    user: int, count: int, taken: np.ndarray, observed: np.ndarray, num_items: int, rng: np.random.Generator
) -> np.ndarray:
    """Items that nobody took yet first; when these run out, all unobserved ones in turn."""
    keys = int(user) * num_items + np.arange(num_items)
    fresh = rng.permutation(np.flatnonzero(~contains(taken, keys)))
    again = rng.permutation(np.flatnonzero(~contains(observed, keys)))
    return np.concatenate([fresh, np.resize(again, max(0, count - len(fresh)))])[:count]
