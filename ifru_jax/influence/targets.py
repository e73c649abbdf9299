"""What an influence is on: a score, a difference of two, or how good a list is; each a sum of scores of one user.

    m(θ, G) = Σ_j c_j s_θ(u, j; G)

A score has c = 1, a difference 1 and −1. NDCG is not differentiable, so ranks are smoothed, and c is the gradient at the scores
that the model gives now:

    NDCG(s) = Σ_{j relevant} 1 / log₂(1 + r_j) / ideal,   r_j = 1 + Σ_{l ≠ j} σ((s_l − s_j) / T)

Source: Qin, Liu, Li, "A general approximation framework for direct optimization of information retrieval measures" (Inf. Retr.
2010), eq. 10, with T a tenth of the spread of the user's scores.
"""

from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ifru_jax.graph import Graph, IndexPairs
from ifru_jax.models import Params, Recommender
from ifru_jax.pytree import pytree

# T, in standard deviations of the scores.
TEMPERATURE = 0.1


@pytree
class Target:
    """Σ_j c_j s(u_j, i_j).

    Attributes:
      users, items: int32 [m].
      coefficients: float [m], c.
    """

    users: jax.Array
    items: jax.Array
    coefficients: jax.Array

    @classmethod
    def of(cls, user: int, items: npt.ArrayLike, coefficients: npt.ArrayLike) -> Self:
        """Of the scores of a user row with item rows int [m]."""
        rows = np.asarray(items, np.int32)
        return cls(jnp.full(rows.shape, user, jnp.int32), jnp.asarray(rows), jnp.asarray(coefficients, jnp.result_type(float)))

    def __call__(self, model: Recommender, params: Params, graph: Graph) -> jax.Array:
        """m(θ, G), a scalar; of several, a row of each array to one of them, by `vmap`."""
        return jnp.sum(self.coefficients * model.score(params, IndexPairs(self.users, self.items), graph))


def stacked(targets: list[Target]) -> Target:
    """Targets of equally many scores as one, with a row for each: [t, m]."""
    return jax.tree.map(lambda *rows: jnp.stack(rows), *targets)


def smooth_ndcg(scores: jax.Array, relevant: jax.Array) -> jax.Array:
    """NDCG of scores [m] with a bool [m] of what is relevant, by smoothed ranks; 0 where nothing is."""
    width = TEMPERATURE * jax.lax.stop_gradient(jnp.std(scores))
    width = jnp.where(width > 0, width, 1)
    above = jax.nn.sigmoid((scores[None, :] - scores[:, None]) / width)
    # An item is not above itself; σ(0) = ½ stands for it in the sum.
    ranks = jnp.sum(above, axis=1) + 0.5
    gains = jnp.where(relevant, 1 / jnp.log2(1 + ranks), 0)
    places = jnp.arange(len(scores))
    ideal = jnp.sum(jnp.where(places < jnp.sum(relevant), 1 / jnp.log2(2.0 + places), 0))
    return jnp.sum(gains) / jnp.where(ideal > 0, ideal, 1)


smooth_ndcg_gradient = jax.jit(jax.value_and_grad(smooth_ndcg))
