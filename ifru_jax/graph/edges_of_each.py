"""The edges of G and of G_r of several requests, told by the interactions that they are, and their weights in both.

A change of one edge changes the weights of all edges at its ends.
"""

from dataclasses import dataclass

import numpy as np

from ifru_jax.graph.node_sets import NodeSets, incident_to_each
from ifru_jax.graph.training_set import TrainingSet
from ifru_jax.ragged import Ragged, places_in, tally


@dataclass(frozen=True, eq=False)
class EdgesOfEach:
    """What comes and goes in the graph of each request; an edge is the place of its interaction.

    Attributes:
      data: D on G.
      removed: int64, edges of G alone, ascending.
      added: int64, edges of G_r alone, ascending.
    """

    data: TrainingSet
    removed: Ragged
    added: Ragged

    def spread(self, centre: NodeSets, radius: int) -> tuple[Ragged, NodeSets]:
        """The edges with an end in ball_{radius−1}(centre), ascending, and the nodes of ball_radius; none and the centre for 0."""
        ball, found = centre, Ragged(np.zeros(0, np.int64), np.zeros(len(centre.users), np.int64))
        for _ in range(radius):
            found = self.incident(ball)
            ball = ball | NodeSets.ends(found, self._ends(found), self.data.sizes)
        return found, ball

    def incident(self, nodes: NodeSets) -> Ragged:
        """int64: the edges of both graphs that have an end among the nodes of each request, ascending."""
        found = incident_to_each(self.data.lists[1], len(self.data.positives), nodes)
        found = Ragged(self.data.positives[found.values], found.lengths)
        users, items = self._ends(self.added)
        sizes = zip((nodes.users, nodes.items), (users, items), self.data.sizes, strict=True)
        near = [places_in(of.keys(size), self.added.owners * size + rows)[1] for of, rows, size in sizes]
        return found | self.added.kept(near[0] | near[1])

    def weights(self, edges: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """1 / √(d_u d_i), float64 [e] twice, with the degrees of G and those of G_r; 0 where an edge is not there.

        Args:
          edges: of each request, ascending, [e] in all.
        """
        if not len(edges.values):
            return np.zeros(0), np.zeros(0)
        before, after = [], []
        for side, of in enumerate(self.data.graph_degrees):
            at, size = self._ends(edges)[side], self.data.sizes[side]
            lost, won = (
                tally(each.owners * size + self._ends(each)[side], len(edges) * size) for each in (self.removed, self.added)
            )
            keys = edges.owners * size + at
            before.append(of[at])
            after.append(of[at] - lost[keys] + won[keys])
        found = [1 / np.sqrt(np.maximum(users, 1) * np.maximum(items, 1.0)) for users, items in (before, after)]
        keys, size = edges.keys(len(self.data)), len(self.data)
        for weights, absent in zip(found, (self.added, self.removed), strict=True):
            places, there = places_in(keys, absent.keys(size))
            weights[places[there]] = 0
        return found[0], found[1]

    def _ends(self, edges: Ragged) -> tuple[np.ndarray, np.ndarray]:
        data = self.data.interactions
        return data.users[edges.values], data.items[edges.values]
