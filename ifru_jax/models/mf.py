"""Matrix factorisation: s(u, i) = ⟨p_u, q_i⟩.

Source: Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems" (Computer, 2009), eq. 1, on logits.
"""

import flax.linen as nn
import jax

from ifru_jax.graph import Graph, Pairs, inner_products
from ifru_jax.models.embeddings import TwoTables
from ifru_jax.models.flax_recommender import FlaxRecommender


class MF(TwoTables):
    """Embeddings of users and items, scored by their inner product."""

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        return inner_products(*self.embeddings(), pairs)


def mf(*, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """Matrix factorisation without biases.

    Args:
      embedding_size: d, columns of both tables.
      init_std: standard deviation of the normal initialisation.
    """
    return FlaxRecommender(MF(embedding_size, init_std), ("user_embedding",), ("item_embedding",), num_hops=0)
