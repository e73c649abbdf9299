"""Which interactions several requests name, each as if it were the only one; found together. A single request is the first of one.

The lists of the users, items and pairs that any of them names are read once, and every request takes from them what is its own.
"""

from typing import NamedTuple

import numpy as np

from ifru_jax.data.corrections import row_name
from ifru_jax.data.groups import observed
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import ascending, contains, distinct, pair_keys
from ifru_jax.errors import DataError
from ifru_jax.host_arrays import FEW
from ifru_jax.ragged import Ragged, order_of, places_in, ranges


class Named(NamedTuple):
    """Distinct rows of b requests: (user, item) pairs int32 [t, 2], users and items int32 [t]."""

    pairs: Ragged
    users: Ragged
    items: Ragged


def named_places(named: Named, data: Interactions) -> Ragged:
    """int64, ascending: the interactions that each request takes out, see `ForgetRequest.select` for which, and for the errors."""
    of_pairs, copies = pair_places(named.pairs, data)
    by_pair = _of_each(named.pairs, of_pairs, copies)
    hits = by_pair | _row_places("user", named.users, data) | _row_places("item", named.items, data)
    return hits if data.groups is None else _with_groups(data, hits, by_pair)


def pair_places(pairs: Ragged, data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """The interactions of the pairs (int32 [t, 2]), int64, one pair after the other, and how many each has, int64 [t].

    Raises:
      DataError: a pair without any.
    """
    users, items = pairs.values.T
    if not len(users):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    inside = (users >= 0) & (users < data.num_users) & (items >= 0) & (items < data.num_items)
    # Only these users' interactions are compared: a small request on large data takes less than a millisecond.
    candidates = _of_users(data, users[inside])
    present = pair_keys(data.users[candidates], data.items[candidates], data.num_items)
    if not ascending(present):
        order = np.argsort(present, kind="stable")
        candidates, present = candidates[order], present[order]
    wanted = pair_keys(users, items, data.num_items)
    first, last = (np.searchsorted(present, wanted, side) for side in ("left", "right"))
    copies = np.where(inside, last - first, 0)
    number, missing = _first_missing(pairs, ~anywhere(copies > 0, data))
    if missing:
        user, item = row_name(int(users[number]), data.user_ids), row_name(int(items[number]), data.item_ids)
        raise DataError(
            f"user {user} has no interaction with item {item} in the data ({missing} such pairs): "
            "ask for interactions that are in the training data and were not forgotten before."
        )
    return candidates[ranges(first, copies)], copies


def have_interactions(pairs: np.ndarray, data: Interactions) -> np.ndarray:
    """bool [k]: which of the pairs (int [k, 2]) have an interaction here."""
    users, items = pairs.T
    inside = (users >= 0) & (users < data.num_users) & (items >= 0) & (items < data.num_items)
    if not inside.any():
        return inside
    candidates = _of_users(data, users[inside])
    present = pair_keys(data.users[candidates], data.items[candidates], data.num_items)
    return inside & contains(distinct(present), pair_keys(users, items, data.num_items))


def rows_with_interactions(wanted: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """bool [k]: which of the wanted rows of a table of this size have an interaction among `rows` (int [n])."""
    inside = (wanted >= 0) & (wanted < size)
    if not inside.any():
        return inside
    return inside & contains(distinct(rows[rows_among(rows, wanted[inside], size)]), wanted)


def _row_places(kind: str, wanted: Ragged, data: Interactions) -> Ragged:
    """int64, ascending: the interactions of the users, or items, that each request names; one without any is a DataError."""
    if not len(wanted.values):
        return Ragged(np.zeros(0, np.int64), np.zeros(len(wanted), np.int64))
    users = kind == "user"
    rows, size, ids = (data.users, data.num_users, data.user_ids) if users else (data.items, data.num_items, data.item_ids)
    inside = (wanted.values >= 0) & (wanted.values < size)
    asked = wanted.values[inside]
    found = _of_users(data, asked) if users else np.flatnonzero(rows_among(rows, asked, size))
    of = rows[found].astype(np.int64)
    if not ascending(of):
        order = order_of(of, size)
        found, of = found[order], of[order]
    first, last = (np.searchsorted(of, wanted.values, side) for side in ("left", "right"))
    lengths = np.where(inside, last - first, 0)
    number, missing = _first_missing(wanted, ~anywhere(lengths > 0, data))
    if missing:
        raise DataError(
            f"{kind} {row_name(int(wanted.values[number]), ids)} has no interaction in the data ({missing} such {kind}s): "
            f"ask for {kind}s that are in the training data and were not forgotten before."
        )
    return _of_each(wanted, found[ranges(first, lengths)], lengths)


def anywhere(here: np.ndarray, data: Interactions) -> np.ndarray:
    """bool [k]: what is in the data, where `here` says what is in the share of this process."""
    return data.added_up(here.astype(np.int32)) > 0


def _first_missing(wanted: Ragged, missing: np.ndarray) -> tuple[int, int]:
    """The place of the first that is missing (bool [t]), and how many the request that names it misses; 0 and 0 if none is."""
    if not missing.any():
        return 0, 0
    number = int(np.argmax(missing))
    return number, int(missing[wanted.owners == wanted.owners[number]].sum())


def _of_each(wanted: Ragged, places: np.ndarray, lengths: np.ndarray) -> Ragged:
    """The places of each request, ascending, where so many of them are of each that is wanted (int [t])."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    found = Ragged(places, ends[wanted.starts + wanted.lengths] - ends[wanted.starts])
    bound = 1 + int(places.max(initial=0))
    keys = found.keys(bound)
    return found if ascending(keys) else Ragged.from_keys(np.sort(keys), bound, len(wanted))


def _with_groups(data: Interactions, hits: Ragged, by_pair: Ragged) -> Ragged:
    """The hits, and the whole groups of those that are all that was observed, or that a pair named and that was sampled."""
    assert data.groups is not None
    touched = np.flatnonzero(contains(distinct(data.groups[hits.values]), data.groups))
    names, group = np.unique(data.groups[touched], return_inverse=True)
    known = observed(data.select(touched))
    of_hits = np.searchsorted(touched, hits.values)
    _, of_pairs = places_in(by_pair.keys(len(data)), hits.keys(len(data)))
    # Of each request by itself.
    keys, here = hits.owners * len(names) + group[of_hits], known[of_hits]
    had = np.bincount(group[known], minlength=len(names))
    found, lost = np.unique(keys[here], return_counts=True)
    whole = np.concatenate([found[lost == had[found % max(len(names), 1)]], keys[of_pairs & ~here]])
    groups = Ragged.from_keys(distinct(whole), max(len(names), 1), len(hits))
    order = order_of(group, len(names))
    first, last = (np.searchsorted(group[order], groups.values, side) for side in ("left", "right"))
    return hits | _of_each(groups, touched[order][ranges(first, last - first)], last - first)


def _of_users(data: Interactions, users: np.ndarray) -> np.ndarray:
    """int64, ascending: the interactions of these users."""
    wanted = np.unique(users)
    if not data.by_user:
        return np.flatnonzero(rows_among(data.users, wanted, data.num_users))
    first, last = (np.searchsorted(data.users, wanted.astype(data.users.dtype), side) for side in ("left", "right"))
    return ranges(first, last - first)


def rows_among(rows: np.ndarray, wanted: np.ndarray, size: int) -> np.ndarray:
    """bool [n]: which of `rows` (int [n], below `size`) are wanted; a few are compared one by one, which is faster than a table."""
    distinct_rows = np.unique(wanted)
    if len(distinct_rows) <= FEW:
        return contains(distinct_rows, rows)
    asked = np.zeros(size, bool)
    asked[distinct_rows] = True
    return asked[rows]
