"""The training objective: a sum over interactions plus L2 on all rows.

    L(θ; D, G) = (1 / N) Σ_{z∈D} w_z ℓ(s_θ(z; G), y_z) + (λ₂ / 2) ‖θ‖²

The L2 term is on every row, not on those of a batch, so it cancels in the difference of two gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.models import Params, Recommender

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def bce(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Binary cross-entropy on logits, ℓ = softplus(s) − y s; [n], [n] → [n]."""
    return jax.nn.softplus(logits) - labels * logits


def weighted_loss(model: Recommender, loss: Loss, params: Params, examples: Examples, graph: BipartiteGraph) -> jax.Array:
    """Σ w_z ℓ(z; θ, G), a scalar sum (not a mean)."""
    return jnp.sum(examples.weights * loss(model.score(params, examples.pairs, graph), examples.labels))


def squared_norm(params: Params) -> jax.Array:
    """‖θ‖² over all parameters."""
    return sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params)), start=jnp.zeros(()))


def objective(
    model: Recommender,
    loss: Loss,
    params: Params,
    examples: Examples,
    graph: BipartiteGraph,
    *,
    total: jax.Array | float,
    reg: jax.Array | float,
) -> jax.Array:
    """L(θ; D, G) as above.

    Args:
      total: N, interactions before anything was forgotten.
      reg: λ₂.
    """
    return weighted_loss(model, loss, params, examples, graph) / total + 0.5 * reg * squared_norm(params)
