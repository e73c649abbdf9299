"""Filters of interactions: which rows stay, and how the tables are numbered afterwards.

The k-core is the largest subset in which every user and every item has at least k interactions. Dropping users with
fewer than k takes interactions from items, and the other way round, so both are repeated until nothing changes.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(users=[1, 1, 2, 2, 3], items=[5, 6, 5, 6, 7], labels=[4, 1, 5, 3, 5])
>>> k_core(data, k=2)
Interactions(4 of 2 users with 2 items)
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.reading.duplicates import latest
from ifru_jax.data.share import check_whole
from ifru_jax.errors import DataError


@dataclass(frozen=True)
class Dropped:
    """What a step left out.

    Attributes:
      why: what was missing, such as "not in the 5-core".
      interactions, users, items: how many of them.
    """

    why: str
    interactions: int
    users: int
    items: int

    @classmethod
    def between(cls, before: Interactions, after: Interactions, where: str) -> tuple[Self, ...]:
        """What is in `before` and not in `after`, which is part of it; nothing where that is nothing."""
        counts = [len(before) - len(after)]
        for old, new in ((before.user_degrees(), after.user_degrees()), (before.item_degrees(), after.item_degrees())):
            counts.append(int((old > 0).sum() - (new > 0).sum()))
        return (cls(f"not {where}", *counts),) if any(counts) else ()

    def __str__(self) -> str:
        rows = [f"{self.users:,} users"] * bool(self.users) + [f"{self.items:,} items"] * bool(self.items)
        return f"{self.interactions:,} interactions{' with ' if rows else ''}{' and '.join(rows)} {self.why}"


def k_core(data: Interactions, k: int = 5) -> Interactions:
    """The interactions whose users and items all have at least k of them, whatever their label; tables renumbered.

    Raises:
      DataError: k < 0, or no interaction is left.
    """
    check_core(k)
    kept = data
    while True:
        dense_users, dense_items = kept.user_degrees() >= k, kept.item_degrees() >= k
        stays = dense_users[kept.users] & dense_items[kept.items]
        if stays.all():
            break
        kept = kept.select(stays)
    if not len(kept):
        raise DataError(f"no interaction is left in the {k}-core of {data}: choose a smaller k.")
    return compact(kept)


def compact(data: Interactions) -> Interactions:
    """The same interactions in tables without the users and items that have none; original ids travel along."""
    return restrict(data, data.user_degrees() > 0, data.item_degrees() > 0)


def restrict(data: Interactions, users: np.ndarray, items: np.ndarray) -> Interactions:
    """The interactions between these users and items, in tables that hold exactly these.

    Several data sets that share a numbering still share one when they are restricted alike.

    Args:
      data: the interactions.
      users: bool [num_users], the rows that stay, in their order.
      items: bool [num_items], the same for items.

    Raises:
      DataError: a share, whose users have their places over the devices.
    """
    check_whole(data, "another numbering")
    part = data.select(users[data.users] & items[data.items])
    return replace(
        part,
        users=(np.cumsum(users) - 1)[part.users],
        items=(np.cumsum(items) - 1)[part.items],
        num_users=int(users.sum()),
        num_items=int(items.sum()),
        user_ids=np.flatnonzero(users) if data.user_ids is None else data.user_ids[users],
        item_ids=np.flatnonzero(items) if data.item_ids is None else data.item_ids[items],
        user_features=None if data.user_features is None else data.user_features.select(users),
        item_features=None if data.item_features is None else data.item_features.select(items),
    )


def known_pairs(pairs: Interactions, data: Interactions) -> np.ndarray:
    """bool [n]: the pairs whose user and item both have an interaction in the data, whatever its label; tables are the same."""
    users, items = data.user_degrees() > 0, data.item_degrees() > 0
    return users[pairs.users] & items[pairs.items]


def drop_duplicates(data: Interactions) -> Interactions:
    """One interaction per user and item, in its place: that with the latest time, else the last. Tables keep their size."""
    kept = latest(data.users, data.items, data.timestamps)
    return data if len(kept) == len(data) else data.select(kept)


def check_core(k: int) -> None:
    """Refuses a k that no k-core has."""
    if k < 0:
        raise DataError(f"k = {k} is negative: a k-core needs k ≥ 0.")
