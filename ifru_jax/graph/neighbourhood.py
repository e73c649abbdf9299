"""Which rows and edges the scores of some interactions depend on; on the host, of several requests at once.

The score of an interaction with L layers of propagation depends on the edges that touch ball_{L−1} of its ends, and on the rows of
ball_L. One extraction serves spillover (blocks of the affected interactions), confined requests, and batches of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from ifru_jax.graph.changes import Changes
from ifru_jax.graph.node_sets import NodeSets
from ifru_jax.ragged import Ragged


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Parts of the data around some interactions, one for each change; numbers are global.

    Attributes:
      users, items: int, rows.
      chosen: int64, places of the interactions.
      edges: int64, places of the interactions that are its edges, in G or in G_r, ascending.
    """

    users: Ragged
    items: Ragged
    chosen: Ragged
    edges: Ragged

    @classmethod
    def nothing(cls) -> Self:
        """One without a row."""
        return cls(*[Ragged.of([np.zeros(0, np.int64)])] * 4)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All of the parts, in their order."""
        return cls(*(Ragged.joined([getattr(part, of.name) for part in parts]) for of in fields(cls)))

    def __len__(self) -> int:
        """How many."""
        return len(self.users)

    @property
    def lengths(self) -> np.ndarray:
        """int64 [b, 4]: users, items, chosen and edges of each."""
        return np.stack([self.users.lengths, self.items.lengths, self.chosen.lengths, self.edges.lengths], axis=1)

    def taken(self, numbers: np.ndarray) -> "Neighbourhoods":
        """Those with these numbers (int [k])."""
        return Neighbourhoods(*(getattr(self, of.name).taken(numbers) for of in fields(self)))


def neighbourhoods(changes: Changes, chosen: Ragged, *, num_hops: int) -> Neighbourhoods:
    """All that the scores of these interactions depend on, before and after each change.

    Args:
      changes: for their data and the edges of both graphs.
      chosen: int, places of interactions, for each change.
      num_hops: L of the model.
    """
    data = changes.before.interactions
    centre = NodeSets.ends(chosen, (data.users[chosen.values], data.items[chosen.values]), changes.before.sizes)
    held, nodes = changes.edges.spread(centre, num_hops)
    return Neighbourhoods(nodes.users, nodes.items, chosen, held)
