"""Filters of interactions: which rows stay, and how the tables are numbered afterwards.

The k-core is the largest subset in which every user and every item has at least k interactions. Dropping users with
fewer than k takes interactions from items, and the other way round, so both are repeated until nothing changes.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(users=[1, 1, 2, 2, 3], items=[5, 6, 5, 6, 7], labels=[4, 1, 5, 3, 5])
>>> k_core(data, k=2)
Interactions(4 of 2 users with 2 items)
>>> binarize(data, above=3).labels
array([1., 0., 1., 0., 1.], dtype=float32)
"""

from dataclasses import replace

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import pair_keys
from ifru_jax.errors import DataError


def k_core(data: Interactions, k: int = 5) -> Interactions:
    """The interactions whose users and items all have at least k of them, whatever their label; tables renumbered.

    Raises:
      DataError: k < 0, or no interaction is left.
    """
    if k < 0:
        raise DataError(f"k = {k} is negative: a k-core needs k ≥ 0.")
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
    """
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


def binarize(data: Interactions, above: float) -> Interactions:
    """Labels 1 where the rating is above the threshold, else 0."""
    if not np.isfinite(above):
        raise DataError(f"the threshold {above} is not a number: labels are 1 above it, 0 up to it.")
    return data.with_labels((data.labels > above).astype(np.float32))


def drop_duplicates(data: Interactions) -> Interactions:
    """One interaction per user and item: the last one, in its place. Tables keep their size."""
    keys = pair_keys(data.users, data.items, data.num_items)
    _, last_from_end = np.unique(keys[::-1], return_index=True)
    return data if len(last_from_end) == len(data) else data.select(np.sort(len(data) - 1 - last_from_end))
