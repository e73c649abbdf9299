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
from ifru_jax.data.groups import with_corrections
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.selection import Named, anywhere, have_interactions, named_places, pair_places, rows_with_interactions
from ifru_jax.errors import DataError, check_kind
from ifru_jax.ragged import Ragged, order_of, places_in

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
        it was a sampled negative, or nobody knows which of its group was observed, only that one goes: nobody asked to forget the
        positive it was drawn for.

        Of a share the places are those of this process; whether something is there, and whether anything is left, all find out
        together.

        Raises:
          DataError: a pair, user or item without an interaction in `data`, or a request for all interactions.
        """
        hits = np.zeros(len(data), bool)
        hits[forgotten_places([self], data).values] = True
        return hits

    def corrections(self, data: Interactions, *, gone: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The interactions of `data` that are corrected: places int64 [k] ascending, and their new labels float32 [k].

        All copies of a pair are; interactions that have the new label already are left out. `gone` is what `select` found, if it
        was asked before.

        Raises:
          DataError: as `select`, for corrected pairs too, or a pair that is to be forgotten and corrected.
        """
        left = Ragged.of([np.flatnonzero(self.select(data) if gone is None else gone)])
        places, labels = corrected_places([self], data, left)
        return places.values, labels

    def touches(self, data: Interactions) -> np.ndarray:
        """bool [n]: the interactions of `data` that the request changes, forgotten or corrected. Errors of `corrections`."""
        touched = self.select(data)
        touched[self.corrections(data, gone=touched)[0]] = True
        return touched

    def applied(self, data: Interactions) -> Interactions:
        """What is left of `data`, in its order and tables, with the corrected labels. Errors of `corrections`."""
        gone = self.select(data)
        places, new = self.corrections(data, gone=gone)
        return (with_corrections(data, places, new) if places.size else data).select(~gone)

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
        pairs, corrected = (anywhere(have_interactions(rows, data), data) for rows in (self.pairs, self.corrected))
        users = anywhere(rows_with_interactions(self.users, data.users, data.num_users), data)
        items = anywhere(rows_with_interactions(self.items, data.items, data.num_items), data)
        return ForgetRequest(
            self.pairs[pairs], self.users[users], self.items[items], self.corrected[corrected], self.labels[corrected]
        )


def forgotten_places(requests: Sequence[ForgetRequest], data: Interactions) -> Ragged:
    """int64, ascending: the places of what each of several requests takes out. Errors of `ForgetRequest.select`."""
    named = Named(*(Ragged.of([getattr(request, name) for request in requests]) for name in Named._fields))
    hits = named_places(named, data)
    asked = data.added_up(hits.lengths)
    everything = np.flatnonzero((asked == data.total) & (asked > 0))
    if everything.size:
        all_of_it = requests[everything[0]]
        raise DataError(f"{all_of_it} asks for all {data.total} interactions: nothing is left, train a new model instead.")
    return hits


def corrected_places(requests: Sequence[ForgetRequest], data: Interactions, gone: Ragged) -> tuple[Ragged, np.ndarray]:
    """int64, ascending: the places of what each of several requests corrects, and their new labels, float32 [t].

    `gone` is of `forgotten_places`. Errors of `ForgetRequest.corrections`.
    """
    pairs = Ragged.of([request.corrected for request in requests])
    found, copies = pair_places(pairs, data)
    labels = np.repeat(np.concatenate([request.labels for request in requests]), copies)
    keys = np.repeat(pairs.owners, copies) * len(data) + found
    order = order_of(keys, len(requests) * len(data))
    places, labels = Ragged.from_keys(keys[order], max(len(data), 1), len(requests)), labels[order]
    with data.together():
        both = places.values[places_in(gone.keys(len(data)), keys[order])[1]]
        if both.size:
            user, item = row_name(int(data.users[both[0]]), data.user_ids), row_name(int(data.items[both[0]]), data.item_ids)
            raise DataError(f"user {user} with item {item} is to be forgotten and to be corrected: ask for one of the two.")
    other = labels != data.labels[places.values]
    return places.kept(other), labels[other]


def listed(ids: Ids | None) -> Sequence[int | str] | np.ndarray:
    """Ids as a sequence, be they any iterable, a single one or none."""
    if ids is None or isinstance(ids, np.ndarray):
        return np.zeros(0, np.int32) if ids is None else ids
    return list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else [ids]
