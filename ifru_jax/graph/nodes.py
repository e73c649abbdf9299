"""Sets of nodes, and the interactions at them: the lists of a few nodes are read, and nothing else of the data.

ball_k(S)  = nodes within k edges of S
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.sparse.edges import Edges, degrees, edges_at
from ifru_jax.sparse.placement import on_host

# A list of this share of all edges or more is found faster by looking at all of them than by sorting it.
_MANY = 1 / 8


@dataclass(frozen=True, eq=False)
class Nodes:
    """A set of nodes: users bool [num_users], items bool [num_items]."""

    users: np.ndarray
    items: np.ndarray

    @classmethod
    def everywhere(cls, num_users: int, num_items: int) -> Self:
        """All nodes."""
        return cls(np.ones(num_users, bool), np.ones(num_items, bool))

    @classmethod
    def of(cls, users: np.ndarray, items: np.ndarray, sizes: tuple[int, int]) -> Self:
        """These rows (int, in any order); `sizes` are the numbers of all users and items."""
        nodes = cls(np.zeros(sizes[0], bool), np.zeros(sizes[1], bool))
        nodes.users[users] = True
        nodes.items[items] = True
        return nodes

    @property
    def count(self) -> int:
        return int(self.users.sum() + self.items.sum())

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 [.] twice: the numbers of the users and of the items, ascending."""
        return np.flatnonzero(self.users), np.flatnonzero(self.items)

    def anywhere(self, data: Interactions) -> "Nodes":
        """Those that are in the set of any process, where each has a share of the data."""
        if data.share is None:
            return self
        both = np.concatenate([self.users, self.items]).astype(np.uint16)
        users, items = np.split(data.added_up(both) > 0, [len(self.users)])
        return Nodes(users, items)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Users, then items."""
        return iter((self.users, self.items))

    def __or__(self, other: "Nodes") -> "Nodes":
        return Nodes(self.users | other.users, self.items | other.items)

    def __and__(self, other: "Nodes") -> "Nodes":
        return Nodes(self.users & other.users, self.items & other.items)

    def __invert__(self) -> "Nodes":
        return Nodes(~self.users, ~self.items)


def incident(edges: Edges, nodes: Nodes, count: int) -> np.ndarray:
    """int64 places of those of the first `count` edges that have an endpoint in `nodes`, ascending."""
    users, items = nodes.rows
    of_users, of_items = degrees(edges, count)
    if of_users[users].sum() + of_items[items].sum() >= _MANY * count:
        rows, cols = on_host(edges.rows)[:count], on_host(edges.cols)[:count]
        return np.flatnonzero(nodes.users[rows] | nodes.items[cols])
    return places_at(edges, users, items)


def places_at(edges: Edges, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """int64 places of the edges at any of these users or items (int [u], [i], distinct), ascending."""
    both = np.concatenate([edges_at(edges, users, "row"), edges_at(edges, items, "col")])
    both.sort()
    first = np.ones(len(both), bool)
    first[1:] = both[1:] != both[:-1]
    return both[first]


def count_incident(edges: Edges, count: int, nodes: Nodes) -> int:
    """How many of `count` edges have an endpoint in `nodes`."""
    users, items = degrees(edges, count)
    at_users, at_items = int(users[nodes.users].sum()), int(items[nodes.items].sum())
    # Those with both ends there are counted twice; the shorter lists tell which.
    if at_users < at_items:
        ends = on_host(edges.cols)[edges_at(edges, nodes.rows[0], "row")]
        return at_users + at_items - int(np.count_nonzero(nodes.items[ends]))
    ends = on_host(edges.rows)[edges_at(edges, nodes.rows[1], "col")]
    return at_users + at_items - int(np.count_nonzero(nodes.users[ends]))


def spread(edges: Edges, centre: Nodes, count: int, radius: int) -> tuple[np.ndarray, Nodes]:
    """The edges with an end in ball_{radius−1}(centre), int64, and the nodes of ball_radius; none and the centre for 0."""
    rows, cols = on_host(edges.rows), on_host(edges.cols)
    ball, found = centre, np.zeros(0, np.int64)
    for _ in range(radius):
        found = incident(edges, ball, count)
        ball = ball | Nodes.of(rows[found], cols[found], (edges.num_rows, edges.num_cols))
    return found, ball
