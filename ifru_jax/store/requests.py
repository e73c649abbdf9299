"""What people ask for, by original ids, as it comes: any iterable, a file, a column of a frame.

>>> Asked.of(users={7: "a", 9: "b"}.keys(), interactions=[("ann", 371)])
Asked(users=[7, 9], items=[], interactions=[('ann', 371)], corrected=[])
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np

from ifru_jax.data.corrections import as_label, as_rows
from ifru_jax.data.forget import Ids, listed
from ifru_jax.data.forget_sets import requested_ids
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.errors import DataError

Id = int | str


@dataclass(frozen=True)
class Asked:
    """A request in original ids; each is named once.

    Attributes:
      users, items: with all their interactions.
      interactions: (user, item) pairs.
      corrected: (user, item, label), the label that is right.
    """

    users: list[Id] = field(default_factory=list)
    items: list[Id] = field(default_factory=list)
    interactions: list[tuple[Id, Id]] = field(default_factory=list)
    corrected: list[tuple[Id, Id, float]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        *,
        users: Ids | None = None,
        items: Ids | None = None,
        interactions: Iterable[Sequence[Id]] | None = None,
        corrected: Iterable[Sequence[Any]] | None = None,
    ) -> Self:
        """From iterables of any kind, or single ids.

        Raises:
          DataError: an id that is none, a pair or triple that isn't one, a label that is no finite number, a pair with two labels.
        """
        pairs = zip(*as_rows(interactions, ("user", "item")), strict=True)
        who, what, new = as_rows(corrected, ("user", "item", "label"))
        labels: dict[tuple[Id, Id], float] = {}
        for user, item, label in zip(plain(who), plain(what), new, strict=True):
            value = as_label(label, user, item)
            if labels.setdefault((user, item), value) != value:
                raise DataError(f"user {user} with item {item} is corrected to {labels[user, item]:g} and to {value:g}: say which.")
        return cls(
            users=list(dict.fromkeys(plain(listed(users)))),
            items=list(dict.fromkeys(plain(listed(items)))),
            interactions=list(dict.fromkeys((user, item) for user, item in map(plain, pairs))),
            corrected=[(user, item, label) for (user, item), label in labels.items()],
        )

    @classmethod
    def read(cls, path: str | Path, **options: Unpack[ReadOptions]) -> Self:
        """From a file (CSV, JSON lines, Parquet, …) with columns user and item, or one of them for whole users or items.

        A third column `new_label` or `corrected` makes corrections of them. Options and errors are those of `read_request`, but for
        ids that the data doesn't have, which is not asked here.
        """
        return cls.of(**requested_ids(path, **options))

    def __or__(self, other: "Asked") -> "Asked":
        """One request for what either asks. Errors of `of`."""
        return Asked.of(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})

    def __len__(self) -> int:
        """How many users, items, pairs and corrections are named."""
        return sum(len(named) for named in vars(self).values())


def plain(ids: Iterable[Any]) -> list[Id]:
    """Python's own numbers and texts, whatever the ids came in.

    Raises:
      DataError: an empty or missing id, such as the NaN of a frame, or one that is neither a number nor a text.
    """
    found = [value.item() if isinstance(value, np.generic) else value for value in ids]
    for one in found:
        number = isinstance(one, int | float) and not isinstance(one, bool) and one == one
        if not (number or (isinstance(one, str) and one.strip())):
            raise DataError(
                f"an id is {one!r}: ids are whole numbers or texts; leave empty ones out, and look where they come from."
            )
    return found
