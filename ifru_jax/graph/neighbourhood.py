"""Which rows and edges the scores of some interactions depend on; on the host.

The score of an interaction with L layers of propagation depends on the edges that touch ball_{L−1} of its ends, and on the rows of
ball_L. One extraction serves spillover (blocks of the affected interactions), confined requests, and batches of them.
"""

from dataclasses import dataclass

import numpy as np

from ifru_jax.graph.change import Change
from ifru_jax.graph.nodes import Nodes, spread


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Part of the data around some interactions; numbers are global.

    Attributes:
      users, items: int [u], [i], rows.
      chosen: int64 [c], places of the interactions in `change.before`.
      edges: int64 [e], places of the edges in `change.edges.pattern`.
    """

    users: np.ndarray
    items: np.ndarray
    chosen: np.ndarray
    edges: np.ndarray


def neighbourhood(change: Change, chosen: np.ndarray, *, num_hops: int) -> Neighbourhood:
    """All that the scores of these interactions depend on, before and after the change.

    Args:
      change: for its data and the edges of both graphs.
      chosen: int [c], places of interactions.
      num_hops: L of the model.
    """
    data, edges = change.before.interactions, change.edges
    centre = Nodes.of(data.users[chosen], data.items[chosen], change.before.sizes)
    held, nodes = spread(edges.pattern, centre, edges.count, num_hops)
    return Neighbourhood(*nodes.rows, chosen, held)
