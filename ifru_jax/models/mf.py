"""Matrix factorisation: s(u, i) = ⟨p_u, q_i⟩.

Source: Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems" (Computer, 2009), eq. 1, on logits.
"""

import flax.linen as nn
import jax

from ifru_jax.graph import Graph, Pairs, inner_products
from ifru_jax.models.flax_recommender import FlaxRecommender


class MF(nn.Module):
    """Embeddings of users and items, scored by their inner product."""

    embedding_size: int
    init_std: float
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        init = nn.initializers.normal(self.init_std)
        users = self.param("user_embedding", init, (self.num_users, self.embedding_size))
        items = self.param("item_embedding", init, (self.num_items, self.embedding_size))
        return inner_products(users, items, pairs)


def mf(*, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """Matrix factorisation without biases.

    Args:
      embedding_size: d, columns of both tables.
      init_std: standard deviation of the normal initialisation.
    """
    return FlaxRecommender(MF(embedding_size, init_std), ("user_embedding",), ("item_embedding",), num_hops=0)
