"""Spillover: the gradient of retained interactions changes because the graph they are computed on does.

    spillover = (1 / N) Σ_{z ∈ A} [∇ℓ(z; θ̂, G) − ∇ℓ(z; θ̂, G_r)]

A is every retained interaction whose score changes; a model without a graph has none. Over A = D_r this is two gradients on the
whole graph, which is cheapest for bulk requests; for small ones the sum runs by `vmap` over neighbourhood subgraphs. Both are
exact. An auxiliary term of the objective that reads the graph changes with it: + ∇A(θ̂; G) − ∇A(θ̂; G_r).
Source: Zhang et al. (arXiv 2307.02147), eq. 9, with changed degrees included and any number of layers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.graph.neighbourhood import (
    HostGraph,
    HostNeighbourhood,
    Neighbourhood,
    ball,
    endpoints,
    extract,
)
from ifru_jax.models import Params, Recommender
from ifru_jax.training.losses import LossLike
from ifru_jax.training.objectives import auxiliary_term, weighted_loss


def gradient_change(
    model: Recommender,
    loss: LossLike,
    params: Params,
    examples: Examples,
    before: BipartiteGraph,
    after: BipartiteGraph,
    *,
    total: jax.Array | float,
    chunk_size: int | None = None,
) -> Params:
    """(1 / N) Σ [∇ℓ(z; G) − ∇ℓ(z; G_r)] over the examples (G = `before`, G_r = `after`), with that of the auxiliary term."""

    def on(p: Params, graph: BipartiteGraph) -> jax.Array:
        sum_of_losses = weighted_loss(model, loss, p, examples, graph, chunk_size=chunk_size)
        return sum_of_losses / total + auxiliary_term(loss, p, graph)

    return jax.grad(lambda p: on(p, before) - on(p, after))(params)


def affected_interactions(data: Interactions, forgotten: np.ndarray, *, num_hops: int) -> np.ndarray:
    """bool [n]: A, the retained interactions whose score the deletion can change; none if it removes no edge.

    Args:
      data: all interactions; positive labels are edges.
      forgotten: bool [n].
      num_hops: L of the model.
    """
    positive = data.labels > 0.5
    removed = forgotten & positive
    if num_hops == 0 or not removed.any():
        return np.zeros(len(data), bool)
    sizes = {"num_users": data.num_users, "num_items": data.num_items}
    centre = endpoints(data.users[removed], data.items[removed], **sizes)
    changed = ball(centre, data.users[positive], data.items[positive], num_hops)
    return ~forgotten & (changed.users[data.users] | changed.items[data.items])


def blocks(
    graph: HostGraph, data: Interactions, affected: np.ndarray, *, num_hops: int, block_size: int
) -> list[HostNeighbourhood]:
    """Cuts A (indices [a]) into blocks of interactions and extracts the neighbourhood of each."""
    pieces = np.array_split(affected, -(-len(affected) // block_size)) if len(affected) else []
    return [extract(graph, data.users, data.items, piece, num_hops=num_hops) for piece in pieces]


def neighbourhood_spillover(
    model: Recommender, loss: LossLike, params: Params, batch: Neighbourhood, *, total: jax.Array | float
) -> Params:
    """The spillover of each neighbourhood on its own rows: tables [b, rows, …], shared parameters [b, …].

    `scatter_rows` adds a batch up. Mapped with `vmap`, one compiled call for the whole batch.
    """

    def one(part: Neighbourhood) -> Params:
        local = local_params(model, params, part)
        return gradient_change(model, loss, local, part.examples, part.before, part.after, total=total)

    return jax.vmap(one)(batch)


def local_params(model: Recommender, params: Params, part: Neighbourhood) -> Params:
    """The rows of a neighbourhood, in its local numbers; shared parameters as they are."""
    rows = {"user": part.users, "item": part.items}
    return {n: v[rows[model.tables[n]]] if n in model.tables else v for n, v in params.items()}


def scatter_rows(model: Recommender, params: Params, batch: Neighbourhood, values: Params) -> Params:
    """Adds the rows of a batch of neighbourhoods into whole tables shaped like `params`."""
    rows = {"user": batch.users, "item": batch.items}

    def add(name: str):
        if name not in model.tables:
            return jax.tree.map(lambda v: v.sum(axis=0), values[name])
        return jnp.zeros_like(params[name]).at[rows[model.tables[name]]].add(values[name])

    return {name: add(name) for name in params}
