"""The training objective: a sum of losses over interactions, L2 on all rows, and perhaps a term of the model's own.

    L(θ; D, G) = (1 / N) Σ_{z∈D} w_z ℓ_z(s_θ(·; G)) + A(θ; G) + (λ₂ / 2) ‖θ‖²

The L2 term is on every row, not on those of a batch, so it cancels in the difference of two gradients. Losses are in `losses`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ifru_jax.errors import ModelError
from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.models import Params, Recommender
from ifru_jax.training.losses import Loss, LossLike, as_loss, bce
from ifru_jax.training.scores import Scorer

__all__ = ["Loss", "auxiliary_term", "bce", "objective", "squared_norm", "summed_loss", "weighted_loss"]


def weighted_loss(
    model: Recommender,
    loss: LossLike,
    params: Params,
    examples: Examples,
    graph: BipartiteGraph,
    *,
    chunk_size: int | None = None,
) -> jax.Array:
    """Σ w_z ℓ(z; θ, G), a scalar sum (not a mean); scores are taken `chunk_size` at a time, or all at once."""
    loss = as_loss(loss)
    return summed_loss(loss, loss.outputs(Scorer(model, params, graph, chunk_size), examples), examples)


def summed_loss(loss: Loss, outputs: jax.Array, examples: Examples) -> jax.Array:
    """The loss of outputs that are known, checked to be one number."""
    value = loss.summed(outputs, examples)
    if jnp.shape(value) != ():
        raise ModelError(f"{type(loss).__name__}.summed returned shape {jnp.shape(value)}: a loss is one number, take its sum.")
    return value


def auxiliary_term(loss: LossLike, params: Params, graph: BipartiteGraph) -> jax.Array | float:
    """A(θ; G); 0 where the loss has no such term."""
    value = as_loss(loss).auxiliary(params, graph)
    return 0.0 if value is None else value


def squared_norm(params: Params) -> jax.Array:
    """‖θ‖² over all parameters."""
    return sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params)), start=jnp.zeros(()))


def objective(
    model: Recommender,
    loss: LossLike,
    params: Params,
    examples: Examples,
    graph: BipartiteGraph,
    *,
    total: jax.Array | float,
    reg: jax.Array | float,
    chunk_size: int | None = None,
) -> jax.Array:
    """L(θ; D, G) as above.

    Args:
      total: N, interactions before anything was forgotten.
      reg: λ₂.
      chunk_size: see `weighted_loss`.
    """
    mean = weighted_loss(model, loss, params, examples, graph, chunk_size=chunk_size) / total
    return mean + auxiliary_term(loss, params, graph) + 0.5 * reg * squared_norm(params)
