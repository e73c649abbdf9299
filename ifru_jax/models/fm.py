"""Factorisation machine over the fields of a user and of an item.

    s(x) = w₀ + Σ_j w_j x_j + Σ_{j<k} ⟨v_j, v_k⟩ x_j x_k

With a = Σ_j x_j v_j over the features of the user and b over those of the item, the pairs across are ⟨a, b⟩ and the pairs within a
side ½ (‖a‖² − Σ_j x_j² ‖v_j‖²), a number per user or item: a factorisation machine costs no more than matrix factorisation with
biases. Source: Rendle, "Factorization machines" (ICDM 2010), eq. 1 and lemma 3.1. Features: see `fields`.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from ifru_jax.graph import Graph, Pairs, inner_products, item_rows, user_rows
from ifru_jax.models.fields import FIELD_PARAMETERS, Fields, FieldVectors
from ifru_jax.models.flax_recommender import FlaxRecommender


class FM(nn.Module):
    """All pairs of features, of any two fields and within a field."""

    embedding_size: int
    user_fields: tuple[int, ...]
    item_fields: tuple[int, ...]
    init_std: float
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        return self.interactions(pairs, graph)[0]

    def interactions(self, pairs: Pairs, graph: Graph) -> tuple[jax.Array, FieldVectors, FieldVectors]:
        """s(x) of each pair, [n], and the fields of the two sides."""
        user_degrees, item_degrees = graph.degrees()
        size, std = self.embedding_size, self.init_std
        user = Fields(self.num_users, size, self.user_fields, std, name="user")(user_degrees, graph.user_features)
        item = Fields(self.num_items, size, self.item_fields, std, name="item")(item_degrees, graph.item_features)
        level = self.param("global_bias", nn.initializers.zeros, ())
        user_sum, item_sum = sum(user.vectors[1:], user.vectors[0]), sum(item.vectors[1:], item.vectors[0])
        of_user, of_item = (
            side.linear + 0.5 * (jnp.sum(total**2, axis=1) - side.squares) for side, total in ((user, user_sum), (item, item_sum))
        )
        scores = level + user_rows(of_user, pairs) + item_rows(of_item, pairs) + inner_products(user_sum, item_sum, pairs)
        return scores, user, item


def fm(
    *, embedding_size: int = 48, user_fields: Sequence[int] = (), item_fields: Sequence[int] = (), init_std: float = 1e-2
) -> FlaxRecommender:
    """Factorisation machine. It reads degrees of the graph, so an interaction is one hop away from the scores of its two ends.

    Args:
      embedding_size: d, length of every v.
      user_fields, item_fields: widths of the fields of side features, `data.user_features.widths`; () where the data has none.
      init_std: standard deviation of the normal initialisation of all v; the w start at 0.
    """
    return with_fields(FM(embedding_size, tuple(user_fields), tuple(item_fields), init_std))


def with_fields(module: FM, shared: tuple[str, ...] = ()) -> FlaxRecommender:
    """The module as a recommender; `shared` are further parameters that are no tables."""
    return FlaxRecommender(
        module,
        ("user/embedding", "user/weight"),
        ("item/embedding", "item/weight"),
        num_hops=1,
        shared=shared + tuple(f"{side}/{name}" for side in ("user", "item") for name in FIELD_PARAMETERS),
        user_features=sum(module.user_fields),
        item_features=sum(module.item_fields),
    )
