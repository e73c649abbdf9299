"""Spillover: the gradient of retained interactions changes because the graph they are computed on does.

    spillover = (1 / N) Σ_{z ∈ A} [∇ℓ(z; θ̂, G) − ∇ℓ(z; θ̂, G_r)]
    A = retained interactions with an end in ball_L(ends of the edges that come or go)

A change of an edge changes both its degrees, so the weights of *all* edges at its ends; L layers of propagation carry that L edges
further. A model without a graph has no spillover. Over the whole graph this is two gradients, which is cheapest for bulk requests;
for small ones, and for many at once, the sum runs by `vmap` over neighbourhood subgraphs. Both are exact. An auxiliary term of the
objective that reads the graph changes with it: + ∇A(θ̂; G) − ∇A(θ̂; G_r).
Source: Zhang et al. (arXiv 2307.02147), eq. 9, with changed degrees included and any number of layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from ifru_jax.graph import Batch, Change, Graph
from ifru_jax.graph.neighbourhood import empty_neighbourhood, neighbourhood
from ifru_jax.graph.nodes import spread
from ifru_jax.graph.subgraph import Bucket, Subgraph, pad_subgraph, stack
from ifru_jax.models import Params
from ifru_jax.models.tables import take_rows
from ifru_jax.sparse import capacity_of
from ifru_jax.training import Objective


def graph_influence(objective: Objective, params: Params, after: Batch, before: Graph) -> Params:
    """∇ of the objective's terms on G (`before`) minus that on G_r (`after.graph`), over the examples of `after`."""

    def difference(p: Params) -> jax.Array:
        return objective.of_data(p, Batch(after.examples, before)) - objective.of_data(p, after)

    return jax.grad(difference)(params)


def affected_interactions(change: Change, *, num_hops: int) -> np.ndarray:
    """bool [n]: A, which interactions of `change.before` stay and have another score; none if no edge comes or goes."""
    data, edges = change.before.interactions, change.edges
    if num_hops == 0 or not edges.any:
        return np.zeros(len(data), bool)
    _, reached = spread(edges.pattern, edges.ends, edges.count, num_hops)
    return change.retained & (reached.users[data.users] | reached.items[data.items])


def neighbourhood_influence(objective: Objective, params: Params, parts: Subgraph) -> Params:
    """The spillover of each neighbourhood of a batch on its own rows: tables [b, rows, …], shared parameters [b, …].

    `models.tables.scatter_rows` adds a batch up. Mapped with `vmap`, one compiled call for the whole batch.
    """

    def one(part: Subgraph) -> Params:
        local = take_rows(objective.model.tables, params, (part.users, part.items))
        return graph_influence(objective, local, part.after, part.before.graph)

    return jax.vmap(one)(parts)


def spillover_blocks(requests: Sequence[tuple[Change, np.ndarray]], *, num_hops: int) -> Subgraph:
    """The neighbourhoods of some blocks of affected interactions (places int [a]), padded to one size and stacked, [b, …].

    The number of blocks is padded to a power of two, by neighbourhoods of nothing.
    """
    parts = [neighbourhood(change, block, num_hops=num_hops) for change, block in requests]
    bucket = Bucket.of(parts)
    missing = capacity_of(len(parts), least=1) - len(parts)
    padded = [pad_subgraph(change, part, bucket) for (change, _), part in zip(requests, parts, strict=True)]
    return stack([*padded, *[pad_subgraph(requests[0][0], empty_neighbourhood(), bucket)] * missing])
