"""Weighted squares over all pairs of users and items, what implicit ALS minimises, without visiting all pairs.

    Σ_{u,i} c_ui (p_ui − s_ui)² = ‖P Qᵀ‖² + Σ_{z ∈ D} [c (1 − s)² − s²],   ‖P Qᵀ‖² = ⟨PᵀP, QᵀQ⟩,   c = α y

Pairs without an interaction have p = 0 and c = 1. Their part is a product of two Gramians [d, d], so that a gradient or a product
with the curvature costs |D| d + (|U| + |I|) d². It needs scores that are inner products of two tables. Source: Hu, Koren, Volinsky
(ICDM 2008), eq. 3, with the confidence of the package implicit, α y in place of 1 + α y; the L2 term there is λ (‖P‖² + ‖Q‖²),
which is λ₂ = 2 λ / N here.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import pair_keys
from ifru_jax.errors import DataError, ModelError
from ifru_jax.models import FlaxRecommender, Params, Recommender
from ifru_jax.models.mf import MF
from ifru_jax.training.losses import Pointwise

USERS, ITEMS = "user_embedding", "item_embedding"


@dataclass(frozen=True)
class AllPairs(Pointwise):
    """Weighted squares over all pairs, for matrix factorisation; its interactions are observed ones, without sampled negatives.

    Attributes:
      alpha: α > 0; an interaction with label y counts α y times as much as a pair without one.
    """

    alpha: float = 1.0

    separable = False

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise DataError(f"alpha is {self.alpha}: a confidence is above 0.")

    def terms(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        return self.alpha * labels * jnp.square(1 - logits) - jnp.square(logits)

    def over_all_pairs(self, params: Params) -> jax.Array:
        """‖P Qᵀ‖²."""
        users, items = params[USERS], params[ITEMS]
        return jnp.sum((users.T @ users) * (items.T @ items))

    def curvature_over_all_pairs(self, params: Params, direction: Params) -> jax.Array:
        """‖dP Qᵀ + P dQᵀ‖², whose gradient in the direction is the Gauss–Newton product of `over_all_pairs`."""
        users, items, of_users, of_items = params[USERS], params[ITEMS], direction[USERS], direction[ITEMS]
        own = jnp.sum((of_users.T @ of_users) * (items.T @ items)) + jnp.sum((users.T @ users) * (of_items.T @ of_items))
        return own + 2 * jnp.sum((of_users.T @ users) * (items.T @ of_items))

    def check(self, data: Interactions) -> None:
        if len(data) and not data.labels.min() > 0:
            raise DataError(
                f"labels go down to {data.labels.min():g}, but this loss takes all pairs without an interaction as negatives: keep "
                "the positives only, data.select(data.labels > 0)."
            )
        keys = pair_keys(data.users, data.items, data.num_items)
        keys.sort()
        if twice := int((keys[1:] == keys[:-1]).sum()):
            raise DataError(f"{twice} pairs come more than once: use drop_duplicates first.")

    def check_model(self, model: Recommender) -> None:
        if not (isinstance(model, FlaxRecommender) and isinstance(model.module, MF)):
            raise ModelError(f"{model!r} is not the inner product of two tables, which a loss over all pairs needs: use mf().")
