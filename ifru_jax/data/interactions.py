"""The data of a recommender: interactions z = (user, item, label).

`Interactions` lives on the host as NumPy arrays and never changes; every operation returns a new one.
Users and items are numbered 0 … num_users − 1 and 0 … num_items − 1; the ids of the original file travel along, so that
a request can name them and an answer can be read.

>>> import numpy as np
>>> data = Interactions.from_arrays(users=["ann", "bob", "ann"], items=[7, 7, 9], labels=[1, 0, 1])
>>> data.num_users, data.num_items, len(data)
(2, 2, 3)
>>> data.user_index(["bob"])
array([1], dtype=int32)
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ifru_jax.data.alignment import known_rows
from ifru_jax.data.column_checks import check_features, check_rows, check_shapes, held, ids_held, numbers_held
from ifru_jax.data.notes import tell, tell_of_duplicates
from ifru_jax.data.pair_keys import ascending
from ifru_jax.data.reading.cells import cells_of
from ifru_jax.data.reading.duplicates import latest
from ifru_jax.data.reading.options import MISSING
from ifru_jax.data.reading.values import values_of
from ifru_jax.data.row_ids import erased, find_rows, ids_of_rows, look_up
from ifru_jax.data.share import Share, check_whole
from ifru_jax.data.side_features import SideFeatures
from ifru_jax.errors import DataError
from ifru_jax.host_arrays import drop_entries


class Numbered(Protocol):
    """What stands for interactions, such as a model that was trained on some."""

    @property
    def interactions(self) -> "Interactions": ...


@dataclass(frozen=True, eq=False)
class Interactions:
    """Interactions of users with items, on the host.

    Columns are copied, but for those that are read-only.

    Attributes:
      users: int32 [n], row of the user table, 0 ≤ users < num_users.
      items: int32 [n], row of the item table, 0 ≤ items < num_items.
      labels: float32 [n]; ratings as read, or 0/1 after `binarize`.
      num_users: rows of the user table, users without interactions included.
      num_items: rows of the item table.
      timestamps: float64 [n], seconds, or None.
      groups: int64 [n] or None. Interactions with the same group are forgotten together: one is the observed positive, the others
        are the negatives that were sampled for it.
      observed: bool [n], which of the interactions in groups were observed and not sampled, see `data.groups`; None where their
        labels tell, as long as none was set right, and where there are no groups.
      user_ids: [num_users] original ids (int64 or str; other whole numbers become int64), or None when the rows are the ids. A
        forgotten user's id is replaced by a mark, `row_ids.erased_mark`.
      item_ids: [num_items] the same for items.
      user_features: what is known of each user beside the interactions, [num_users] rows, or None.
      item_features: the same for items. Those of a forgotten item are erased with its id.
      share: whose interactions these are, where other processes have those of other users; None where they are all. Tables, their
        ids and their features are whole. Degrees and what else is counted over all is then counted by all processes together.

    Raises:
      DataError: arrays of different lengths, rows outside the tables, ids that are neither whole numbers nor texts, that no request
        can name or that two rows have, labels or timestamps that are no finite numbers; the message names the first bad value.
    """

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    num_users: int
    num_items: int
    timestamps: np.ndarray | None = None
    groups: np.ndarray | None = None
    observed: np.ndarray | None = None
    user_ids: np.ndarray | None = None
    item_ids: np.ndarray | None = None
    user_features: SideFeatures | None = None
    item_features: SideFeatures | None = None
    share: Share | None = None

    def __post_init__(self) -> None:
        if self.groups is None:
            # Whoever takes the groups away takes away what was said of them.
            object.__setattr__(self, "observed", None)
        object.__setattr__(self, "user_ids", ids_held("user", self.user_ids))
        object.__setattr__(self, "item_ids", ids_held("item", self.item_ids))
        check_rows("user", self.users, self.num_users, self.user_ids)
        check_rows("item", self.items, self.num_items, self.item_ids)
        check_features("user", self.user_features, self.num_users)
        check_features("item", self.item_features, self.num_items)
        columns = {"items": self.items, "labels": self.labels, "timestamps": self.timestamps, "groups": self.groups}
        columns |= {"observed": self.observed}
        check_shapes(self.users, columns)
        labels = numbers_held("rating", self.labels, np.float32)
        times = None if self.timestamps is None else numbers_held("timestamp", self.timestamps, np.float64)
        if self.share is not None:
            self.share.check_users(self.users)
        object.__setattr__(self, "users", held(self.users, np.int32))
        object.__setattr__(self, "items", held(self.items, np.int32))
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "timestamps", times)
        if self.groups is not None:
            object.__setattr__(self, "groups", held(self.groups, np.int64))
        if self.observed is not None:
            if self.observed.dtype != bool:
                raise DataError(f"observed is of {self.observed.dtype}: give bool, True for the observed members of a group.")
            object.__setattr__(self, "observed", held(self.observed, bool))

    @classmethod
    def from_arrays(
        cls,
        users: npt.ArrayLike,
        items: npt.ArrayLike,
        labels: npt.ArrayLike | None = None,
        *,
        timestamps: npt.ArrayLike | None = None,
        missing: tuple[str, ...] = MISSING,
        keep_duplicates: bool = False,
    ) -> "Interactions":
        """Numbers original ids (integers or strings, [n]) in sorted order; without labels every interaction is a 1.

        Args:
          users, items: original ids, [n].
          labels: ratings, [n].
          timestamps: seconds, ISO 8601 or datetime64, [n].
          missing: texts that stand for a missing cell, in any case.
          keep_duplicates: leaves all rows of a user with an item, instead of the one with the latest time, or the last.

        Raises:
          DataError: empty data, ids that are neither integers nor strings, or anything `Interactions` refuses.

        Warns:
          DuplicateWarning: with the number of rows that were dropped.
        """
        given = {"user": users, "item": items, "rating": labels, "timestamp": timestamps}
        cells = {kind: cells_of(column) for kind, column in given.items() if column is not None}
        lengths = {kind: len(column) for kind, column in cells.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns have {lengths} rows: give one value per interaction.")
        values, notes = values_of(cells, missing=missing)
        data = cls(**values)
        for note in notes:
            tell(f"{note}.")
        if keep_duplicates:
            return data
        kept = latest(data.users, data.items, data.timestamps)
        tell_of_duplicates("", len(data), len(kept), timed=timestamps is not None)
        return data if len(kept) == len(data) else data.select(kept)

    def __len__(self) -> int:
        """Interactions that are here; of a share, those of this process."""
        return len(self.users)

    @property
    def total(self) -> int:
        """Interactions of all processes."""
        return int(self.added_up(np.array(len(self))))

    def added_up(self, counts: np.ndarray) -> np.ndarray:
        """Σ over all processes of what each counted in its share, of one shape; as it is where nothing is shared."""
        return counts if self.share is None else self.share.added_up(counts)

    def shared_as(self, other: "Interactions") -> "Interactions":
        """These interactions, where `other` is a share those of its users, so that every pair is of one process.

        Raises:
          DataError: a share, of other users than `other` is of.
        """
        mine, theirs = self.share, other.share
        if mine is None:
            return self if theirs is None else replace(self.select(theirs.has(self.users)), share=theirs)
        if theirs is None or not mine.same_as(theirs):
            raise DataError(f"{self} and {other} are not of the same users: give parts of one split.")
        return self

    def together(self) -> AbstractContextManager[None]:
        """What fails in the share of one process fails in all; see `Share.together`."""
        return nullcontext() if self.share is None else self.share.together()

    @cached_property
    def by_user(self) -> bool:
        """Whether they stand in the order of their users, so that those of a few are found without looking at all."""
        return ascending(self.users)

    def __repr__(self) -> str:
        share = f", the share of {self.share}" if self.share else ""
        return f"Interactions({len(self):,} of {self.num_users:,} users with {self.num_items:,} items{share})"

    def select(self, which: np.ndarray) -> "Interactions":
        """The interactions at `which` (indices or a boolean mask, [n]); tables keep their size."""

        def chosen(column: np.ndarray) -> np.ndarray:
            part = column[which]
            # A view, which a slice gives, would keep what was not selected in memory.
            return part if part.base is None else part.copy()

        found = self._with_columns(chosen)
        # What was known of the order of all isn't true of any selection.
        vars(found).pop("by_user", None)
        return found

    def without(self, gone: np.ndarray, *, left: Mapping[str, np.ndarray] | None = None) -> "Interactions":
        """The interactions but those at `gone`, int places ascending; for a few of them faster than `select`.

        Args:
          gone: int [k].
          left: columns that the caller has without them already, by name; they are taken as they are.
        """
        return self._with_columns(lambda column: drop_entries(column, gone), left or {})

    def _with_columns(
        self, change: Callable[[np.ndarray], np.ndarray], changed: Mapping[str, np.ndarray] = MappingProxyType({})
    ) -> "Interactions":
        # What is taken from checked columns needs no check: on a million interactions they cost more than the copy.
        chosen = copy(self)
        for name in ("users", "items", "labels", "timestamps", "groups", "observed"):
            column = getattr(self, name)
            if column is not None:
                object.__setattr__(chosen, name, changed[name] if name in changed else change(column))
        return chosen

    def with_labels(self, labels: np.ndarray) -> "Interactions":
        """The same interactions with other labels, [n]."""
        return replace(self, labels=np.asarray(labels))

    def user_degrees(self) -> np.ndarray:
        """int64 [num_users]: interactions of each user, whatever their label."""
        return self.added_up(np.bincount(self.users, minlength=self.num_users))

    def item_degrees(self) -> np.ndarray:
        """int64 [num_items]: interactions of each item, whatever their label."""
        return self.added_up(np.bincount(self.items, minlength=self.num_items))

    def user_index(self, ids: Sequence[int | str] | np.ndarray) -> np.ndarray:
        """int32 rows of the users with these original ids; an unknown id raises DataError."""
        return look_up("user", ids, self.user_ids, self.num_users)

    def item_index(self, ids: Sequence[int | str] | np.ndarray) -> np.ndarray:
        """int32 rows of the items with these original ids; an unknown id raises DataError."""
        return look_up("item", ids, self.item_ids, self.num_items)

    def user_rows(self, ids: Sequence[int | str] | np.ndarray) -> np.ndarray:
        """int32 rows of the users with these original ids; −1 for an unknown id."""
        return find_rows(ids, self.user_ids, self.num_users)

    def item_rows(self, ids: Sequence[int | str] | np.ndarray) -> np.ndarray:
        """int32 rows of the items with these original ids; −1 for an unknown id."""
        return find_rows(ids, self.item_ids, self.num_items)

    def aligned(self, to: "Interactions | Numbered") -> "Interactions":
        """These interactions in the tables of other data, or of a model, by original ids.

        What was read anew can then be given to the model. Interactions of users or items that the tables don't have are left out.

        Raises:
          DataError: none of the interactions is of a user and an item that the tables have.

        Warns:
          UnknownWarning: with the numbers of what was left out.
        """
        check_whole(self, "another numbering")
        tables = to if isinstance(to, Interactions) else to.interactions
        users = tables.user_rows(ids_of_rows(self.user_ids, self.num_users))[self.users]
        items = tables.item_rows(ids_of_rows(self.item_ids, self.num_items))[self.items]
        known = known_rows((self.users, self.items), (users, items), str(tables))
        sides = ("user_ids", "item_ids", "user_features", "item_features", "num_users", "num_items")
        of_tables = {name: getattr(tables, name) for name in sides}
        return replace(self.select(known), users=users[known], items=items[known], **of_tables)

    def erase_ids(self, users: np.ndarray, items: np.ndarray) -> "Interactions":
        """Replaces the original ids of these rows by a mark and their features by 0, so that nothing tells who was forgotten."""
        return replace(
            self,
            user_ids=erased(self.user_ids, users, self.num_users),
            item_ids=erased(self.item_ids, items, self.num_items),
            user_features=None if self.user_features is None else self.user_features.erase(users),
            item_features=None if self.item_features is None else self.item_features.erase(items),
        )
