"""Direct influence: the gradient that the forgotten interactions contributed.

    direct = (1 / N) Σ_{z ∈ D_f} ∇ℓ(z; θ̂, G)

A loss that compares has terms of whole groups, so the sum is over the groups that lose a member, before minus after:

    direct = (1 / N) Σ_{g ∩ D_f ≠ ∅} ∇[ℓ(g; θ̂, G) − ℓ(g ∖ D_f; θ̂, G)]

which is the same where the loss is pointwise. Source: Zhang et al. (arXiv 2307.02147), eq. 8, and its extension to groups.
"""

from __future__ import annotations

from dataclasses import replace

import jax

from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.models import Params, Recommender
from ifru_jax.training.losses import LossLike, as_loss
from ifru_jax.training.objectives import summed_loss
from ifru_jax.training.scores import Scorer


def direct_influence(
    model: Recommender,
    loss: LossLike,
    params: Params,
    forgotten: Examples,
    graph: BipartiteGraph,
    *,
    total: jax.Array | float,
    remaining: jax.Array | None = None,
) -> Params:
    """∇ of the terms that the deletion takes away, on the graph before it, divided by N = `total`.

    Args:
      forgotten: D_f; for a loss that compares, the groups that lose a member, members that stay included.
      remaining: for a loss that compares, float [n]: the weights of `forgotten` after the deletion; None where nothing remains.
    """
    loss = as_loss(loss)

    def gone(p: Params) -> jax.Array:
        outputs = loss.outputs(Scorer(model, p, graph), forgotten)
        before = summed_loss(loss, outputs, forgotten)
        return before if remaining is None else before - summed_loss(loss, outputs, replace(forgotten, weights=remaining))

    return jax.grad(lambda p: gone(p) / total)(params)
