"""Neural matrix factorisation: a generalised matrix factorisation and a multilayer perceptron, fused.

    φ_GMF = p_u ⊙ q_i,   φ_MLP = MLP([p′_u; q′_i]),   s(u, i) = hᵀ [φ_GMF; φ_MLP] (+ b)

with tables of their own for the two parts; implementations elsewhere add the level b. Source: He et al., "Neural collaborative
filtering" (WWW 2017), eq. 12. There the parts may be trained beforehand; here all is trained at once, since a model has to be the
optimum of one objective to be unlearned.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax

from ifru_jax.graph import Graph, Pairs, inner_products
from ifru_jax.models.embeddings import normal
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.towers import Activation, PairTower, check_tower, tower_parameters


class NeuMF(nn.Module):
    """Two tables per side, shared layers over the second."""

    embedding_size: int
    hidden: tuple[int, ...]
    activation: str
    init_std: float
    mlp_embedding_size: int
    output_bias: bool
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        sides = (("user", self.num_users), ("item", self.num_items))
        (users, items), (deep_users, deep_items) = (
            tuple(self.param(f"{part}_{side}", normal(self.init_std, width), (size, width)) for side, size in sides)
            for part, width in (("gmf", self.embedding_size), ("mlp", self.mlp_embedding_size))
        )
        weights = self.param("gmf_output", nn.initializers.ones, (self.embedding_size,))
        deep = PairTower(self.hidden, self.activation, name="tower")(deep_users, deep_items, pairs)
        top = self.param("mlp_output", nn.initializers.normal(self.hidden[-1] ** -0.5), (self.hidden[-1],))
        level = self.param("output_bias", nn.initializers.zeros, ()) if self.output_bias else 0
        return inner_products(users * weights, items, pairs) + deep @ top + level


def neumf(
    *,
    embedding_size: int = 48,
    hidden: Sequence[int] = (64, 32, 16),
    activation: Activation = "silu",
    init_std: float = 1e-2,
    mlp_embedding_size: int | None = None,
    output_bias: bool = False,
) -> FlaxRecommender:
    """Neural matrix factorisation. Its layers are shared, so a request is confined to the rows it touches
    only where they are frozen.

    Args:
      embedding_size: d, columns of the two tables of the product.
      hidden: widths of the layers of the perceptron; the paper halves them from layer to layer.
      activation: of the layers; the paper's is "relu", see `PairTower`.
      init_std: standard deviation of the normal initialisation of the tables; the paper's is 0.01.
      mlp_embedding_size: columns of the two tables of the perceptron; None: d.
      output_bias: whether a level is added to all scores, as models of RecBole do.

    Raises:
      ModelError: no layer, or an activation that doesn't exist.
    """
    check_tower(tuple(hidden), activation)
    deep = embedding_size if mlp_embedding_size is None else mlp_embedding_size
    module = NeuMF(embedding_size, tuple(hidden), activation, init_std, deep, output_bias)
    shared = tower_parameters("tower", module.hidden)
    return FlaxRecommender(module, ("gmf_user", "mlp_user"), ("gmf_item", "mlp_item"), num_hops=0, shared=shared)
