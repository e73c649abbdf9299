"""Generalised matrix factorisation: s(u, i) = hᵀ (p_u ⊙ q_i).

Source: He et al., "Neural collaborative filtering" (WWW 2017), eq. 9; with h = 1 it is matrix factorisation, and so it starts.
"""

import flax.linen as nn
import jax

from ifru_jax.graph import Graph, Pairs, inner_products
from ifru_jax.models.flax_recommender import FlaxRecommender


class GMF(nn.Module):
    """Embeddings of users and items, multiplied entry by entry and weighted."""

    embedding_size: int
    init_std: float
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        init = nn.initializers.normal(self.init_std)
        users = self.param("user_embedding", init, (self.num_users, self.embedding_size))
        items = self.param("item_embedding", init, (self.num_items, self.embedding_size))
        weights = self.param("output", nn.initializers.ones, (self.embedding_size,))
        return inner_products(users * weights, items, pairs)


def gmf(*, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """Generalised matrix factorisation.

    Args:
      embedding_size: d, columns of both tables and length of h.
      init_std: standard deviation of the normal initialisation of the tables; the paper's is 0.01.
    """
    return FlaxRecommender(GMF(embedding_size, init_std), ("user_embedding",), ("item_embedding",), num_hops=0)
