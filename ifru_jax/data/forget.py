"""What is to be forgotten: interactions, whole users, whole items.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(users=["ann", "bob", "ann"], items=[7, 7, 9], labels=[1, 0, 1])
>>> request = ForgetRequest.of(data, interactions=[("bob", 7)])
>>> request.select(data)
array([False,  True, False])
>>> ForgetRequest.of(data, users=["ann"]).select(data)
array([ True, False,  True])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ifru_jax.data.deletion import FEW
from ifru_jax.data.groups import group_leaders
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.errors import DataError

_NOTHING = np.zeros(0, np.int32)


@dataclass(frozen=True, eq=False)
class ForgetRequest:
    """A request in rows of the tables; `of` makes one from original ids. The default forgets nothing.

    Attributes:
      pairs: int32 [k, 2], distinct (user, item) rows whose interactions are forgotten.
      users: int32 [.], distinct rows of users who are forgotten with all their interactions.
      items: int32 [.], the same for items.

    Raises:
      DataError: pairs that are not [k, 2], or rows that are not integers.
    """

    pairs: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    users: np.ndarray = field(default_factory=lambda: _NOTHING)
    items: np.ndarray = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        for name, shape in {"pairs": (-1, 2), "users": (-1,), "items": (-1,)}.items():
            rows = np.asarray(getattr(self, name))
            if rows.ndim != len(shape) or (rows.ndim == 2 and rows.shape[1] != 2) or rows.dtype.kind not in "iu":
                raise DataError(
                    f"{name} of a request have shape {rows.shape}, dtype {rows.dtype}: "
                    "give integer rows, pairs as [k, 2], or original ids to ForgetRequest.of."
                )
            # Before the cast: it would turn 2³² + 3 into somebody else's row. Other wrong rows are named by `select`.
            if rows.size and not -(2**31) <= rows.min() <= rows.max() < 2**31:
                raise DataError(f"{name} of a request reach from {rows.min()} to {rows.max()}: rows are 0 … 2³¹ − 1.")
            object.__setattr__(self, name, np.unique(rows.astype(np.int32), axis=0))

    @classmethod
    def of(
        cls,
        data: Interactions,
        *,
        interactions: Iterable[Sequence[int | str]] | np.ndarray | None = None,
        users: Sequence[int | str] | np.ndarray | None = None,
        items: Sequence[int | str] | np.ndarray | None = None,
    ) -> ForgetRequest:
        """A request in original ids: (user, item) pairs, whole users, whole items.

        Raises:
          DataError: an id that is not in the data, or a pair that isn't one.
        """
        given = [] if interactions is None else list(interactions)
        single = [pair for pair in given if isinstance(pair, str) or not np.ndim(pair)]
        if single:
            raise DataError(f"{single[0]!r} is not a (user, item) pair: give a list of pairs, [(user, item), …].")
        pairs = [tuple(pair) for pair in given]
        bad = [pair for pair in pairs if len(pair) != 2]
        if bad:
            raise DataError(f"{bad[0]} is not a (user, item) pair: give two original ids per interaction.")
        # Columns are looked up apart: one array of both would turn the items into strings where the users are.
        pair_users = data.user_index([user for user, _ in pairs])
        pair_items = data.item_index([item for _, item in pairs])
        return cls(
            pairs=np.stack([pair_users, pair_items], axis=1),
            users=data.user_index([] if users is None else users),
            items=data.item_index([] if items is None else items),
        )

    def __repr__(self) -> str:
        return f"ForgetRequest({len(self.pairs):,} interactions, {len(self.users):,} users, {len(self.items):,} items)"

    def __len__(self) -> int:
        """The number of pairs, users and items named; 0 forgets nothing."""
        return len(self.pairs) + len(self.users) + len(self.items)

    def __or__(self, other: ForgetRequest) -> ForgetRequest:
        """One request for what either names."""
        return ForgetRequest(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in ("pairs", "users", "items")))

    def select(self, data: Interactions) -> np.ndarray:
        """bool [n]: the interactions of `data` that are forgotten.

        A pair takes all its copies and all of their groups; a user takes all interactions of that user. An item takes
        all of its interactions and, where it was the observed positive of a group, the negatives sampled for it; where
        it was a sampled negative, only that one goes: nobody asked to forget the positive it was drawn for.

        Raises:
          DataError: a pair, user or item without an interaction in `data`, or a request for all interactions.
        """
        pairs = self._pair_hits(data)
        hits = _row_hits("user", self.users, data.users, data.num_users, data.user_ids)
        hits |= _row_hits("item", self.items, data.items, data.num_items, data.item_ids)
        hits[pairs] = True
        if data.groups is not None:
            hits = _with_groups(data, hits, pairs)
        if len(data) and hits.all():
            raise DataError(f"{self} asks for all {len(data)} interactions: nothing is left, train a new model instead.")
        return hits

    def still_in(self, data: Interactions) -> ForgetRequest:
        """Without what has no interaction in `data` any more, because an earlier request took it along."""
        present = pair_keys(data.users, data.items, data.num_items)
        kept = np.isin(pair_keys(self.pairs[:, 0], self.pairs[:, 1], data.num_items), present)
        users, items = np.isin(self.users, data.users), np.isin(self.items, data.items)
        return replace(self, pairs=self.pairs[kept], users=self.users[users], items=self.items[items])

    def _pair_hits(self, data: Interactions) -> np.ndarray:
        """Indices of the interactions that the pairs name."""
        users, items = self.pairs.T
        inside = (users >= 0) & (users < data.num_users) & (items >= 0) & (items < data.num_items)
        # Only these users' interactions are compared: a small request on large data takes milliseconds.
        candidates = np.flatnonzero(rows_among(data.users, users[inside], data.num_users))
        present = pair_keys(data.users[candidates], data.items[candidates], data.num_items)
        wanted = pair_keys(users, items, data.num_items)
        missing = np.flatnonzero(~(inside & contains(distinct(present), wanted)))
        if missing.size:
            user = _name(int(users[missing[0]]), data.user_ids)
            item = _name(int(items[missing[0]]), data.item_ids)
            raise DataError(
                f"user {user} has no interaction with item {item} in the data ({missing.size} such pairs): "
                "ask for interactions that are in the training data and were not forgotten before."
            )
        return candidates[contains(distinct(wanted), present)]


def _with_groups(data: Interactions, hits: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The hits [n] and the whole groups of those that pairs named or that lead a group."""
    assert data.groups is not None
    touched = np.flatnonzero(contains(distinct(data.groups[hits]), data.groups))
    places, _ = group_leaders(data.groups[touched], data.labels[touched])
    leaders = touched[np.unique(places)]
    whole = np.concatenate([data.groups[pairs], data.groups[leaders[hits[leaders]]]])
    extended = hits.copy()
    extended[touched[contains(distinct(whole), data.groups[touched])]] = True
    return extended


def _row_hits(kind: str, wanted: np.ndarray, rows: np.ndarray, size: int, ids: np.ndarray | None) -> np.ndarray:
    """bool [n]: the interactions whose row is wanted."""
    if not wanted.size:
        return np.zeros(rows.shape, bool)
    inside = wanted[(wanted >= 0) & (wanted < size)]
    hits = rows_among(rows, inside, size)
    there = np.unique(rows[hits])
    missing = wanted[~np.isin(wanted, there)]
    if len(missing):
        raise DataError(
            f"{kind} {_name(int(missing[0]), ids)} has no interaction in the data ({len(missing)} such {kind}s): "
            f"ask for {kind}s that are in the training data and were not forgotten before."
        )
    return hits


def rows_among(rows: np.ndarray, wanted: np.ndarray, size: int) -> np.ndarray:
    """bool [n]: which of `rows` (int [n], below `size`) are wanted; a few are compared one by one, which is faster than a table."""
    distinct_rows = np.unique(wanted)
    if len(distinct_rows) <= FEW:
        hits = np.zeros(rows.shape, bool)
        for row in distinct_rows:
            hits |= rows == row
        return hits
    asked = np.zeros(size, bool)
    asked[distinct_rows] = True
    return asked[rows]


def _name(row: int, ids: np.ndarray | None) -> str:
    return str(ids[row]) if ids is not None and 0 <= row < len(ids) else f"(row {row})"
