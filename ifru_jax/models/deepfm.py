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
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.fm import FM, with_fields
from ifru_jax.models.towers import Activation, PairTower, check_tower, tower_parameters


class DeepFM(FM):
    """A factorisation machine with a deep part."""

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "silu"

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        scores, user, item = self.interactions(pairs, graph)
        of_user, of_item = (jnp.concatenate(side.vectors, axis=1) for side in (user, item))
        deep = PairTower(self.hidden, self.activation, name="tower")(of_user, of_item, pairs)
        top = self.param("deep_output", nn.initializers.normal(self.hidden[-1] ** -0.5), (self.hidden[-1],))
        return scores + deep @ top


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
    fields = tuple(user_fields), tuple(item_fields)
    module = DeepFM(embedding_size, *fields, init_std, hidden=tuple(hidden), activation=activation)
    return with_fields(module, tower_parameters("tower", module.hidden))
