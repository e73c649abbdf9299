"""Generalised matrix factorisation: s(u, i) = hᵀ (p_u ⊙ q_i).

Source: He et al., "Neural collaborative filtering" (WWW 2017), eq. 9; with h = 1 it is matrix factorisation, and so it starts.
"""

import flax.linen as nn
import jax

from ifru_jax.graph import Graph, Pairs, inner_products
from ifru_jax.models.embeddings import TwoTables
from ifru_jax.models.flax_recommender import FlaxRecommender


class GMF(TwoTables):
    """Embeddings of users and items, multiplied entry by entry and weighted."""

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        users, items = self.embeddings()
        weights = self.param("output", nn.initializers.ones, (self.embedding_size,))
        return inner_products(users * weights, items, pairs)


def gmf(*, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """Generalised matrix factorisation.

    Args:
      embedding_size: d, columns of both tables and length of h.
      init_std: standard deviation of the normal initialisation of the tables; the paper's is 0.01.
    """
    return FlaxRecommender(GMF(embedding_size, init_std), ("user_embedding",), ("item_embedding",), num_hops=0)
