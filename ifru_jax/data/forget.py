"""What is to be forgotten: interactions, whole users, whole items; and which labels are to be corrected.

A correction takes the influence of the old label out and puts that of the new one in. The interaction stays.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(users=["ann", "bob", "ann"], items=[7, 7, 9], labels=[1, 0, 1])
>>> request = ForgetRequest.of(data, interactions=[("bob", 7)])
>>> request.select(data)
array([False,  True, False])
>>> ForgetRequest.of(data, users=["ann"]).select(data)
array([ True, False,  True])
>>> ForgetRequest.of(data, corrected=[("bob", 7, 1)]).applied(data).labels
array([1., 1., 1.], dtype=float32)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np

from ifru_jax.data.corrections import as_label, as_rows, one_label_each, row_name
from ifru_jax.data.groups import group_leaders
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import ascending, contains, distinct, pair_keys
from ifru_jax.errors import DataError, check_kind
from ifru_jax.host_arrays import FEW

_NOTHING = np.zeros(0, np.int32)
_NO_PAIRS = np.zeros((0, 2), np.int32)

Ids = Iterable[int | str] | int | str
"""Original ids, or a single one."""


@dataclass(frozen=True, eq=False)
class ForgetRequest:
    """A request in rows of the tables; `of` makes one from original ids. The default changes nothing.

    In data with groups (implicit data) a correction changes the named members alone. A group whose members then have one
    label compares nothing; one with several positives and several negatives is refused by a loss that compares.

    Attributes:
      pairs: int32 [k, 2], distinct (user, item) rows whose interactions are forgotten.
      users: int32 [.], distinct rows of users who are forgotten with all their interactions.
      items: int32 [.], the same for items.
      corrected: int32 [c, 2], distinct (user, item) rows whose interactions get another label.
      labels: float32 [c], their new labels.

    Raises:
      DataError: pairs that are not [k, 2], rows that are not integers, labels that are not finite numbers [c], or a pair
        with two different labels.
    """

    pairs: np.ndarray = field(default_factory=lambda: _NO_PAIRS)
    users: np.ndarray = field(default_factory=lambda: _NOTHING)
    items: np.ndarray = field(default_factory=lambda: _NOTHING)
    corrected: np.ndarray = field(default_factory=lambda: _NO_PAIRS)
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        for name, shape in {"pairs": (2,), "users": (), "items": (), "corrected": (2,)}.items():
            rows = np.asarray(getattr(self, name))
            if not rows.ndim or rows.shape[1:] != shape or rows.dtype.kind not in "iu":
                raise DataError(
                    f"{name} of a request have shape {rows.shape}, dtype {rows.dtype}: "
                    "give integer rows, pairs as [k, 2], or original ids to ForgetRequest.of."
                )
            # Before the cast: it would turn 2³² + 3 into somebody else's row. Other wrong rows are named by `select`.
            if rows.size and not -(2**31) <= rows.min() <= rows.max() < 2**31:
                raise DataError(f"{name} of a request reach from {rows.min()} to {rows.max()}: rows are 0 … 2³¹ − 1.")
            rows = rows.astype(np.int32)
            object.__setattr__(self, name, rows if name == "corrected" else np.unique(rows, axis=0))
        for name, column in zip(("corrected", "labels"), one_label_each(self.corrected, np.asarray(self.labels)), strict=True):
            object.__setattr__(self, name, column)

    @classmethod
    def of(
        cls,
        data: Interactions,
        *,
        interactions: Iterable[Sequence[int | str]] | None = None,
        users: Ids | None = None,
        items: Ids | None = None,
        corrected: Iterable[Sequence[int | str | float]] | None = None,
    ) -> Self:
        """A request in original ids, each argument any iterable.

        Args:
          data: whose ids they are.
          interactions: (user, item) pairs to forget.
          users: to forget with all their interactions.
          items: to forget with all their interactions.
          corrected: (user, item, label) triples: interactions that get this label.

        Raises:
          DataError: an id that is not in the data, a pair or triple that isn't one, a label that is not a finite number, or
            a pair that is corrected to two different labels.
        """

        check_kind("data", data, Interactions, "give interactions, such as trained.interactions")

        def rows_of(user_column: list, item_column: list) -> np.ndarray:
            return np.stack([data.user_index(user_column), data.item_index(item_column)], axis=1)

        forgotten = as_rows(interactions, ("user", "item"))
        who, what, new = as_rows(corrected, ("user", "item", "label"))
        labels = np.array([as_label(*triple) for triple in zip(new, who, what, strict=True)], np.float64)
        # Here, where the ids are known, so that a message can name them.
        rows, labels = one_label_each(rows_of(who, what), labels, data.user_ids, data.item_ids)
        return cls(rows_of(*forgotten), data.user_index(listed(users)), data.item_index(listed(items)), rows, labels)

    def __repr__(self) -> str:
        corrected = f", {len(self.corrected):,} corrected" if len(self.corrected) else ""
        return f"ForgetRequest({len(self.pairs):,} interactions, {len(self.users):,} users, {len(self.items):,} items{corrected})"

    def __len__(self) -> int:
        """The number of pairs, users, items and corrections named; 0 changes nothing."""
        return len(self.pairs) + len(self.users) + len(self.items) + len(self.corrected)

    def __or__(self, other: "ForgetRequest") -> "ForgetRequest":
        """One request for what either names.

        Raises:
          DataError: the two correct a pair to different labels.
        """
        return ForgetRequest(*(np.concatenate([getattr(self, part.name), getattr(other, part.name)]) for part in fields(self)))

    def select(self, data: Interactions) -> np.ndarray:
        """bool [n]: the interactions of `data` that are forgotten; those that are corrected stay.

        A pair takes all its copies and all of their groups; a user takes all interactions of that user. An item takes
        all of its interactions and, where it was the observed positive of a group, the negatives sampled for it; where
        it was a sampled negative, only that one goes: nobody asked to forget the positive it was drawn for.

        Of a share the places are those of this process; whether something is there, and whether anything is left, all find out
        together.

        Raises:
          DataError: a pair, user or item without an interaction in `data`, or a request for all interactions.
        """
        pairs = _pair_places(self.pairs, data)
        hits = _row_hits("user", self.users, data)
        hits |= _row_hits("item", self.items, data)
        hits[pairs] = True
        if data.groups is not None:
            hits = _with_groups(data, hits, pairs)
        gone, there = data.added_up(np.array([np.count_nonzero(hits), len(data)])).tolist()
        if there and gone == there:
            raise DataError(f"{self} asks for all {there} interactions: nothing is left, train a new model instead.")
        return hits

    def corrections(self, data: Interactions, *, gone: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The interactions of `data` that are corrected: places int64 [k] ascending, and their new labels float32 [k].

        All copies of a pair are; interactions that have the new label already are left out. `gone` is what `select` found, if it
        was asked before.

        Raises:
          DataError: as `select`, for corrected pairs too, or a pair that is to be forgotten and corrected.
        """
        gone = self.select(data) if gone is None else gone
        places = _pair_places(self.corrected, data)
        # Corrected rows ascend, and so do their keys.
        keys = pair_keys(data.users[places], data.items[places], data.num_items)
        labels = self.labels[np.searchsorted(_keys(self.corrected, data), keys)]
        with data.together():
            both = places[gone[places]]
            if both.size:
                user, item = row_name(int(data.users[both[0]]), data.user_ids), row_name(int(data.items[both[0]]), data.item_ids)
                raise DataError(f"user {user} with item {item} is to be forgotten and to be corrected: ask for one of the two.")
        other = labels != data.labels[places]
        return places[other], labels[other]

    def touches(self, data: Interactions) -> np.ndarray:
        """bool [n]: the interactions of `data` that the request changes, forgotten or corrected. Errors of `corrections`."""
        touched = self.select(data)
        touched[self.corrections(data, gone=touched)[0]] = True
        return touched

    def applied(self, data: Interactions) -> Interactions:
        """What is left of `data`, in its order and tables, with the corrected labels. Errors of `corrections`."""
        gone = self.select(data)
        places, new = self.corrections(data, gone=gone)
        if places.size:
            labels = data.labels.copy()
            labels[places] = new
            data = data.with_labels(labels)
        return data.select(~gone)

    def takes_along(self, data: Interactions) -> tuple[list, list]:
        """Original ids of the users and of the items that lose their last interaction without being named. Errors of `select`."""
        left, found = data.select(~self.select(data)), []
        sides = (
            (data.user_degrees(), left.user_degrees(), self.users, data.user_ids),
            (data.item_degrees(), left.item_degrees(), self.items, data.item_ids),
        )
        for had, have, named, ids in sides:
            rows = np.setdiff1d(np.flatnonzero((had > 0) & (have == 0)), named)
            found.append((rows if ids is None else ids[rows]).tolist())
        return found[0], found[1]

    def still_in(self, data: Interactions) -> "ForgetRequest":
        """Without what has no interaction in `data` any more, because an earlier request took it along."""
        present = distinct(pair_keys(data.users, data.items, data.num_items))
        pairs, corrected = (_anywhere(contains(present, _keys(rows, data)), data) for rows in (self.pairs, self.corrected))
        users, items = _anywhere(np.isin(self.users, data.users), data), _anywhere(np.isin(self.items, data.items), data)
        return ForgetRequest(
            self.pairs[pairs], self.users[users], self.items[items], self.corrected[corrected], self.labels[corrected]
        )


def _pair_places(pairs: np.ndarray, data: Interactions) -> np.ndarray:
    """int64 [k] ascending: the interactions that the pairs [p, 2] name; a pair without any is a DataError."""
    if not len(pairs):
        return np.zeros(0, np.int64)
    users, items = pairs.T
    inside = (users >= 0) & (users < data.num_users) & (items >= 0) & (items < data.num_items)
    # Only these users' interactions are compared: a small request on large data takes less than a millisecond.
    candidates = _of_users(data, users[inside])
    present = pair_keys(data.users[candidates], data.items[candidates], data.num_items)
    if not ascending(present):
        order = np.argsort(present, kind="stable")
        candidates, present = candidates[order], present[order]
    wanted = distinct(_keys(pairs, data))
    first, last = (np.searchsorted(present, wanted, side) for side in ("left", "right"))
    missing = np.flatnonzero(~_anywhere(inside & contains(wanted[last > first], _keys(pairs, data)), data))
    if missing.size:
        user, item = row_name(int(users[missing[0]]), data.user_ids), row_name(int(items[missing[0]]), data.item_ids)
        raise DataError(
            f"user {user} has no interaction with item {item} in the data ({missing.size} such pairs): "
            "ask for interactions that are in the training data and were not forgotten before."
        )
    copies = last - first
    return np.sort(candidates[np.arange(copies.sum()) + np.repeat(first - (np.cumsum(copies) - copies), copies)])


def _anywhere(here: np.ndarray, data: Interactions) -> np.ndarray:
    """bool [k]: what is in the data, where `here` says what is in the share of this process."""
    return data.added_up(here.astype(np.int32)) > 0


def _keys(pairs: np.ndarray, data: Interactions) -> np.ndarray:
    return pair_keys(pairs[:, 0], pairs[:, 1], data.num_items)


def listed(ids: Ids | None) -> Sequence[int | str] | np.ndarray:
    """Ids as a sequence, be they any iterable, a single one or none."""
    if ids is None or isinstance(ids, np.ndarray):
        return np.zeros(0, np.int32) if ids is None else ids
    return list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else [ids]


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


def _row_hits(kind: str, wanted: np.ndarray, data: Interactions) -> np.ndarray:
    """bool [n]: the interactions of the wanted users or items; one without any is a DataError."""
    sides = {"user": (data.users, data.num_users, data.user_ids), "item": (data.items, data.num_items, data.item_ids)}
    rows, size, ids = sides[kind]
    if not wanted.size:
        return np.zeros(rows.shape, bool)
    inside = wanted[(wanted >= 0) & (wanted < size)]
    hits = rows_among(rows, inside, size)
    missing = wanted[~_anywhere(np.isin(wanted, rows[hits]), data)]
    if len(missing):
        raise DataError(
            f"{kind} {row_name(int(missing[0]), ids)} has no interaction in the data ({len(missing)} such {kind}s): "
            f"ask for {kind}s that are in the training data and were not forgotten before."
        )
    return hits


def _of_users(data: Interactions, users: np.ndarray) -> np.ndarray:
    """int64, ascending: the interactions of these users."""
    wanted = np.unique(users)
    if len(wanted) > FEW or not data.by_user:
        return np.flatnonzero(rows_among(data.users, wanted, data.num_users))
    ends = (np.searchsorted(data.users, wanted, side) for side in ("left", "right"))
    return np.concatenate([np.arange(a, b) for a, b in zip(*ends, strict=True)] or [np.zeros(0, np.int64)])


def rows_among(rows: np.ndarray, wanted: np.ndarray, size: int) -> np.ndarray:
    """bool [n]: which of `rows` (int [n], below `size`) are wanted; a few are compared one by one, which is faster than a table."""
    distinct_rows = np.unique(wanted)
    if len(distinct_rows) <= FEW:
        return contains(distinct_rows, rows)
    asked = np.zeros(size, bool)
    asked[distinct_rows] = True
    return asked[rows]
