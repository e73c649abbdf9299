"""Matrix factorisation with a bias of each item: s(u, i) = ⟨p_u, q_i⟩ + b_i.

What a pairwise loss can learn of a model with biases: it cancels those of users, and the level. Source: Rendle et al., "BPR" (UAI
2009), section 5.1, with the item bias that packages add.
"""

import flax.linen as nn
import jax

from ifru_jax.graph import Graph, Pairs, inner_products, item_rows
from ifru_jax.models.embeddings import TwoTables
from ifru_jax.models.flax_recommender import FlaxRecommender


class ItemBiasMF(TwoTables):
    """Embeddings of users and items, and a bias of each item."""

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        users, items = self.embeddings()
        bias = self.param("item_bias", nn.initializers.zeros, (self.num_items,))
        return inner_products(users, items, pairs) + item_rows(bias, pairs)


def item_bias_mf(*, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """Matrix factorisation with item biases. All its parameters are rows of tables, so that requests can be confined.

    Args:
      embedding_size: d, columns of both embedding tables; the biases start at 0.
      init_std: standard deviation of the normal initialisation of the embeddings.
    """
    return FlaxRecommender(ItemBiasMF(embedding_size, init_std), ("user_embedding",), ("item_embedding", "item_bias"), num_hops=0)
