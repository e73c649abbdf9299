"""LightGCN: embeddings averaged over layers of propagation.

    E⁽⁰⁾ = θ,   E⁽ˡ⁺¹⁾ = Â E⁽ˡ⁾,   E = (1 / (L + 1)) Σ_l E⁽ˡ⁾,   s(u, i) = ⟨E_u, E_i⟩

with Â the symmetrically normalised bipartite adjacency. Source: He et al., "LightGCN" (SIGIR 2020), eq. 3–5.
"""

import flax.linen as nn
import jax

from ifru_jax.errors import ModelError
from ifru_jax.graph import Graph, Pairs, inner_products
from ifru_jax.models.embeddings import TwoTables
from ifru_jax.models.flax_recommender import FlaxRecommender


class LightGCN(TwoTables):
    """L layers of linear propagation over the graph of positive interactions."""

    num_layers: int = 1

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        users, items = user_sum, item_sum = self.embeddings()
        for _ in range(self.num_layers):
            users, items = graph.to_users(items), graph.to_items(users)
            user_sum, item_sum = user_sum + users, item_sum + items
        return inner_products(user_sum, item_sum, pairs) / (self.num_layers + 1) ** 2


def lightgcn(*, num_layers: int = 1, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """LightGCN.

    Args:
      num_layers: L ≥ 1.
      embedding_size: d, columns of both tables.
      init_std: standard deviation of the normal initialisation.

    Raises:
      ModelError: num_layers < 1.
    """
    if num_layers < 1:
        raise ModelError(f"num_layers is {num_layers}: LightGCN propagates at least once; without propagation it is mf().")
    module = LightGCN(embedding_size, init_std, num_layers=num_layers)
    return FlaxRecommender(module, ("user_embedding",), ("item_embedding",), num_hops=num_layers)
