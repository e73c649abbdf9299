"""Every user counts alike, as where a training draws a user first and then one of the user's interactions.

    Σ_z w_u(z) ℓ_z,   w_u = d̄ / d_u          d_u: edges of u in the graph, d̄ their mean over users who have any

so that an interaction of somebody with few counts more than one of somebody with many, and each of those that a request leaves to a
user counts more than before. LightGCN-PyTorch trains so. The degrees are read off the graph, so that what a request does to them is
part of the spillover, which is over all interactions: no request is confined. Source: He et al., "LightGCN" (SIGIR 2020), as its
code draws (https://github.com/gusye1234/LightGCN-PyTorch, `code/utils.py`).
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from ifru_jax.errors import ModelError
from ifru_jax.graph import Examples
from ifru_jax.models import Recommender
from ifru_jax.training.decay import WithDecay
from ifru_jax.training.losses import BPR, Around, Pointwise, ScoreFunction


@dataclass(frozen=True)
class PerUser(Around):
    """A loss in which every user counts alike, for models that propagate over a graph.

    Attributes:
      loss: `bpr` or a pointwise loss, with decay or without.
    """

    separable = False

    def __post_init__(self) -> None:
        super().__post_init__()
        inner = self.loss.loss if isinstance(self.loss, WithDecay) else self.loss
        if not isinstance(inner, BPR | Pointwise):
            raise ModelError(f"{self.loss!r} has no term for each interaction that could be weighed: take bpr or a pointwise loss.")

    def outputs(self, score: ScoreFunction, examples: Examples) -> tuple[Any, jax.Array]:
        degrees, _ = score.graph.degrees()
        mean = jnp.sum(degrees) / jnp.maximum(jnp.sum(degrees > 0), 1)
        weights = jnp.where(degrees > 0, mean / jnp.maximum(degrees, 1), 0)
        return self.loss.outputs(score, examples), weights[examples.pairs.users]

    def summed(self, outputs: tuple[Any, jax.Array], examples: Examples) -> jax.Array:
        inner, weights = outputs
        # A term of BPR has the weights of both its members, who are of one user.
        each = jnp.sqrt(weights) if self.grouped else weights
        return self.loss.summed(inner, replace(examples, weights=examples.weights * each))

    def check_model(self, model: Recommender) -> None:
        if not model.num_hops:
            raise ModelError(f"{model!r} has no graph, whose degrees say how much an interaction counts: take lightgcn().")
        super().check_model(model)
