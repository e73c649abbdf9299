"""Spillover: the gradient of retained interactions changes because the graph they are computed on does.

    spillover = (1 / N) Σ_{z ∈ A} [∇ℓ(z; θ̂, G) − ∇ℓ(z; θ̂, G_r)]
    A = retained interactions with an end in ball_L(ends of the edges that come or go)

A change of an edge changes both its degrees, so the weights of *all* edges at its ends; L layers of propagation carry that L edges
further. A model without a graph has no spillover. An auxiliary term of the objective that reads the graph changes with it:
+ ∇A(θ̂; G) − ∇A(θ̂; G_r). Source: Zhang et al. (arXiv 2307.02147), eq. 9, with changed degrees included and any number of layers.
"""

import jax
import numpy as np

from ifru_jax.graph import Batch, Change, Graph
from ifru_jax.graph.nodes import spread
from ifru_jax.models import Params
from ifru_jax.training import Objective


def graph_influence(objective: Objective, params: Params, after: Batch, before: Graph) -> Params:
    """∇ of the objective's terms on G (`before`) minus that on G_r (`after.graph`), over the examples of `after`."""

    def difference(p: Params) -> jax.Array:
        return objective.of_data(p, Batch(after.examples, before)) - objective.of_data(p, after)

    return jax.grad(difference)(params)


def affected_interactions(change: Change, *, num_hops: int) -> np.ndarray:
    """bool [n]: A, which interactions of `change.before` stay and have another score; none if no edge comes or goes."""
    data, edges = change.before.interactions, change.edges
    if num_hops == 0 or not change.moves_edges:
        return np.zeros(len(data), bool)
    reached = edges.ends.anywhere(data)
    for _ in range(num_hops):
        reached = spread(edges.pattern, reached, edges.count, 1)[1].anywhere(data)
    return change.retained & (reached.users[data.users] | reached.items[data.items])
