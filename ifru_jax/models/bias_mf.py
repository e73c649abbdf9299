"""Matrix factorisation with biases: s(u, i) = μ + b_u + b_i + ⟨p_u, q_i⟩.

Source: Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems" (Computer, 2009), eq. 4, on logits. There
μ is the mean rating; here it is learned, as the other parameters are, so that it can forget.
"""

import flax.linen as nn
import jax

from ifru_jax.graph import Graph, Pairs, inner_products, item_rows, user_rows
from ifru_jax.models.embeddings import TwoTables
from ifru_jax.models.flax_recommender import FlaxRecommender


class BiasMF(TwoTables):
    """Embeddings and biases of users and items, and one level for all."""

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        zeros, (users, items) = nn.initializers.zeros, self.embeddings()
        user_bias = self.param("user_bias", zeros, (self.num_users,))
        item_bias = self.param("item_bias", zeros, (self.num_items,))
        level = self.param("global_bias", zeros, ())
        return level + user_rows(user_bias, pairs) + item_rows(item_bias, pairs) + inner_products(users, items, pairs)


def bias_mf(*, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """Matrix factorisation with biases. Every score depends on μ, so a request is confined to the rows
    it touches only where μ is frozen.

    Args:
      embedding_size: d, columns of both embedding tables; the bias tables have one number per row and start at 0.
      init_std: standard deviation of the normal initialisation of the embeddings.
    """
    return FlaxRecommender(
        BiasMF(embedding_size, init_std), ("user_embedding", "user_bias"), ("item_embedding", "item_bias"), num_hops=0
    )
