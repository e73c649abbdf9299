"""Users and items in other rows of the tables: any order of them, and one that gives every device of a mesh about as much to do.

Over a mesh each device has a block of rows. Where users stand in the order of their activity, or items in that of their popularity,
as they do where numbers were given as they came, one device has most of the interactions and sends most of the rows. `balanced`
deals both out like cards: those with the most interactions first, one to each device, and back again.

>>> data = Interactions.from_arrays(["ann", "ann", "ann", "bob", "bob", "cyd", "dan"], [1, 2, 3, 1, 2, 1, 1])
>>> balanced(data, blocks=2).user_ids  # ann and dan, bob and cyd
array(['ann', 'dan', 'bob', 'cyd'], dtype='<U3')
"""

from dataclasses import replace
from typing import overload

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.share import check_whole
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, check_kind

Order = tuple[np.ndarray, np.ndarray]
"""Rows of users and of items, int [u] and [i], in the order in which they will stand; those that are not named leave."""


@overload
def balanced(data: Interactions, blocks: int) -> Interactions: ...


@overload
def balanced(data: Split, blocks: int) -> Split: ...


def balanced(data: Interactions | Split, blocks: int) -> Interactions | Split:
    """The same interactions with users and items in rows that are as busy in each of `blocks` equal blocks of a table.

    Args:
      data: interactions, or a split, whose `train` counts.
      blocks: devices of the mesh.

    Returns:
      The data in other rows, by the same original ids; where rows were the ids, they are kept as ids.

    Raises:
      DataError: something else, or fewer than one block.
    """
    check_kind("data", data, (Interactions, Split), "give interactions or a split of them")
    if blocks < 1:
        raise DataError(f"blocks is {blocks}: give the number of devices.")
    counted = data.train if isinstance(data, Split) else data
    order = dealt(counted.user_degrees(), blocks), dealt(counted.item_degrees(), blocks)
    return data.of_parts(lambda part: in_order(part, order)) if isinstance(data, Split) else in_order(data, order)


def dealt(degrees: np.ndarray, blocks: int) -> np.ndarray:
    """Rows in an order in which each block of ⌈rows / blocks⌉ has about as many interactions; the last have fewer rows."""
    count = len(degrees)
    size = -(-count // blocks)
    block, turn = np.divmod(np.arange(count), max(size, 1))
    # Who gets the next card: turn by turn, forth and back.
    places = np.lexsort((np.where(turn % 2, -block, block), turn))
    owner = np.empty(count, np.int64)
    owner[np.argsort(-degrees, kind="stable")] = block[places]
    return np.argsort(owner, kind="stable")


def in_order(data: Interactions, order: Order) -> Interactions:
    """The interactions in tables of these rows, groups numbered by where their first member stands; others are left out."""
    check_whole(data, "another numbering")
    users, items = places_in(order[0], data.num_users)[data.users], places_in(order[1], data.num_items)[data.items]
    kept = np.flatnonzero((users >= 0) & (items >= 0))
    kept = kept[np.lexsort((items[kept], users[kept]))]
    part = data.select(kept)
    groups = None
    if part.groups is not None:
        _, first, group = np.unique(part.groups, return_index=True, return_inverse=True)
        groups = np.argsort(np.argsort(first)).astype(np.int64)[group]
    return replace(
        part,
        users=users[kept],
        items=items[kept],
        num_users=len(order[0]),
        num_items=len(order[1]),
        groups=groups,
        user_ids=_chosen(data.user_ids, order[0]),
        item_ids=_chosen(data.item_ids, order[1]),
        user_features=None if data.user_features is None else data.user_features.select(order[0]),
        item_features=None if data.item_features is None else data.item_features.select(order[1]),
    )


def without_idle_ids(data: Interactions) -> Interactions:
    """The same with a mark in place of the ids of users and items that have no interaction, who are nobody's to be kept."""
    return data.erase_ids(*(np.flatnonzero(degrees == 0) for degrees in (data.user_degrees(), data.item_degrees())))


def places_in(order: np.ndarray, size: int) -> np.ndarray:
    """int32 [size]: the new row of every old one, −1 for those that leave."""
    places = np.full(size, -1, np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places


def _chosen(ids: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """Original ids of these rows; where rows were the ids, their numbers now have to be kept."""
    return rows.astype(np.int64) if ids is None else ids[rows]
