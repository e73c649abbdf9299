"""Sets of nodes of several requests, and the interactions at them: lists of a few nodes each are read, all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ifru_jax.graph.nodes import Nodes
from ifru_jax.ragged import Ragged, distinct_below, ranges
from ifru_jax.sparse.edges import Edges
from ifru_jax.sparse.placement import on_host


@dataclass(frozen=True, eq=False)
class NodeSets:
    """b sets: users and items of each, ascending."""

    users: Ragged
    items: Ragged

    @classmethod
    def of(cls, sets: Sequence[Nodes]) -> Self:
        """These sets, at least one."""
        users, items = zip(*(nodes.rows for nodes in sets), strict=True)
        return cls(Ragged.of(users), Ragged.of(items))

    @classmethod
    def ends(cls, pairs: Ragged, ends: tuple[np.ndarray, np.ndarray], sizes: tuple[int, int]) -> Self:
        """The ends of the pairs in each list; `ends` are their users and items, int [t] both."""
        sides = (pairs.owners * size + rows for rows, size in zip(ends, sizes, strict=True))
        found = (distinct_below(keys, len(pairs) * size) for keys, size in zip(sides, sizes, strict=True))
        return cls(*(Ragged.from_keys(keys, size, len(pairs)) for keys, size in zip(found, sizes, strict=True)))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The sets of all parts, in their order."""
        return cls(Ragged.joined([of.users for of in parts]), Ragged.joined([of.items for of in parts]))

    def taken(self, numbers: np.ndarray) -> "NodeSets":
        """The sets with these numbers (int [k])."""
        return NodeSets(self.users.taken(numbers), self.items.taken(numbers))

    def nodes(self, number: int, sizes: tuple[int, int]) -> Nodes:
        """One set."""
        return Nodes.of(self.users[number], self.items[number], sizes)

    def __or__(self, other: "NodeSets") -> "NodeSets":
        return NodeSets(self.users | other.users, self.items | other.items)


def incident_to_each(edges: Edges, count: int, sets: NodeSets) -> Ragged:
    """int64 places of those of the first `count` edges that have an end in each set, ascending."""
    sides = ((sets.users, edges.row_ptr), (sets.items, edges.col_ptr))
    at_users, at_items = (_lists(nodes, on_host(pointers), edges.capacity - count) for nodes, pointers in sides)
    keys = at_users.keys(max(count, 1)), at_items.owners * max(count, 1) + on_host(edges.col_order)[at_items.values]
    found = distinct_below(np.concatenate(keys), len(sets.users) * max(count, 1))
    return Ragged.from_keys(found, max(count, 1), len(sets.users))


def _lists(nodes: Ragged, pointers: np.ndarray, padding: int) -> Ragged:
    """Places in a sort order of what is at the nodes of each set; padding stands last, at the last node."""
    starts = pointers[nodes.values].astype(np.int64)
    lengths = pointers[nodes.values + 1] - starts
    lengths[nodes.values == len(pointers) - 2] -= padding
    ends = np.concatenate([[0], np.cumsum(lengths)])
    of_each = ends[nodes.starts + nodes.lengths] - ends[nodes.starts]
    return Ragged(ranges(starts, lengths), of_each)
