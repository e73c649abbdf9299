"""DeepFM: a factorisation machine and a multilayer perceptron over the same embeddings of fields.

    s(x) = s_FM(x) + wᵀ MLP([e_1; …; e_F]) ,   e_f = Σ_{j in field f} x_j v_j

Source: Guo et al., "DeepFM: a factorization-machine based neural network for CTR prediction" (IJCAI 2017), eq. 1–4, without
dropout. Features: see `fields`.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from ifru_jax.graph import Graph, Pairs
from ifru_jax.models.fields import Fields
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.fm import interactions_of_fields, with_fields
from ifru_jax.models.towers import Activation, PairTower, check_tower, tower_parameters


class DeepFM(nn.Module):
    """A factorisation machine with a deep part."""

    embedding_size: int
    user_fields: tuple[int, ...]
    item_fields: tuple[int, ...]
    hidden: tuple[int, ...]
    activation: str
    init_std: float
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        user_degrees, item_degrees = graph.degrees()
        size, std = self.embedding_size, self.init_std
        user = Fields(self.num_users, size, self.user_fields, std, name="user")(user_degrees, graph.user_features)
        item = Fields(self.num_items, size, self.item_fields, std, name="item")(item_degrees, graph.item_features)
        level = self.param("global_bias", nn.initializers.zeros, ())
        of_user, of_item = (jnp.concatenate(side.vectors, axis=1) for side in (user, item))
        deep = PairTower(self.hidden, self.activation, name="tower")(of_user, of_item, pairs)
        top = self.param("deep_output", nn.initializers.normal(self.hidden[-1] ** -0.5), (self.hidden[-1],))
        return interactions_of_fields(level, user, item, pairs) + deep @ top


def deepfm(
    *,
    embedding_size: int = 48,
    user_fields: Sequence[int] = (),
    item_fields: Sequence[int] = (),
    hidden: Sequence[int] = (64, 64),
    activation: Activation = "silu",
    init_std: float = 1e-2,
) -> FlaxRecommender:
    """DeepFM.

    Args:
      embedding_size: d, length of every v.
      user_fields, item_fields: see `fm`.
      hidden: widths of the layers of the perceptron.
      activation: of the layers; the paper's is "relu", see `PairTower`.
      init_std: standard deviation of the normal initialisation of all v.

    Raises:
      ModelError: no layer, or an activation that doesn't exist.
    """
    check_tower(tuple(hidden), activation)
    module = DeepFM(embedding_size, tuple(user_fields), tuple(item_fields), tuple(hidden), activation, init_std)
    return with_fields(module, module.user_fields, module.item_fields, tower_parameters("tower", module.hidden))
