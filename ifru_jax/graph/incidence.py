"""Sets of nodes, and the interactions at them: the lists of a few nodes are read, and nothing else of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ifru_jax.graph.edges import Edges, degrees


@dataclass(frozen=True, eq=False)
class Nodes:
    """A set of nodes: users bool [num_users], items bool [num_items]."""

    users: np.ndarray
    items: np.ndarray

    @property
    def count(self) -> int:
        return int(self.users.sum() + self.items.sum())


def incident(pairs: Edges, nodes: Nodes) -> np.ndarray:
    """int64 places of the interactions with an endpoint in `nodes`, ascending."""
    return places_at(pairs, np.flatnonzero(nodes.users), np.flatnonzero(nodes.items))


def places_at(pairs: Edges, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """int64 places of the interactions at any of these users or items (int [u], [i], distinct), ascending."""
    both = np.concatenate([places_of(pairs, users, "user"), places_of(pairs, items, "item")])
    both.sort()
    first = np.ones(len(both), bool)
    first[1:] = both[1:] != both[:-1]
    return both[first]


def count_incident(pairs: Edges, count: int, nodes: Nodes) -> int:
    """How many of `count` interactions have an endpoint in `nodes`."""
    users, items = degrees(pairs, count)
    at_users, at_items = int(users[nodes.users].sum()), int(items[nodes.items].sum())
    # Those with both ends there are counted twice; the shorter lists tell which.
    if at_users < at_items:
        ends = np.asarray(pairs.cols)[places_of(pairs, np.flatnonzero(nodes.users), "user")]
        return at_users + at_items - int(np.count_nonzero(nodes.items[ends]))
    ends = np.asarray(pairs.rows)[places_of(pairs, np.flatnonzero(nodes.items), "item")]
    return at_users + at_items - int(np.count_nonzero(nodes.users[ends]))


def places_of(pairs: Edges, rows: np.ndarray, side: Literal["user", "item"]) -> np.ndarray:
    """int64 places of the interactions of these rows (int [k]) of one side, row after row."""
    pointers = np.asarray(pairs.row_ptr if side == "user" else pairs.col_ptr)
    starts, lengths = pointers[rows].astype(np.int64), (pointers[rows + 1] - pointers[rows]).astype(np.int64)
    ends = np.cumsum(lengths)
    found = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    if side == "item":
        found = np.asarray(pairs.col_order)[found].astype(np.int64)
    # Padding stands at the last row and column.
    return found[np.asarray(pairs.mask)[found]]
