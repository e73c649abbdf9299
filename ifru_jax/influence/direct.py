"""Direct influence: the gradient that the forgotten interactions contributed.

    direct = (1 / N) Σ_{z ∈ D_f} ∇ℓ(z; θ̂, G)

Source: Zhang et al. (arXiv 2307.02147), eq. 8.
"""

from __future__ import annotations

import jax

from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.models import Params, Recommender
from ifru_jax.training.objectives import Loss, weighted_loss


def direct_influence(
    model: Recommender,
    loss: Loss,
    params: Params,
    forgotten: Examples,
    graph: BipartiteGraph,
    *,
    total: jax.Array | float,
) -> Params:
    """∇ of the forgotten interactions' loss on the graph before the deletion, divided by N = `total`."""
    return jax.grad(lambda p: weighted_loss(model, loss, p, forgotten, graph) / total)(params)
