"""The bipartite graph of positive interactions, symmetrically normalised: w_ui = 1 / √(d_u d_i).

A deletion changes more than the deleted edges: the degrees of their endpoints fall, and with them the weights of all edges
there. `with_edges` keeps the pattern and recomputes every weight, so that a graph before and after a deletion has one shape.
Source: He et al., "LightGCN" (SIGIR 2020), eq. 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp

from ifru_jax.graph.edges import Edges, find_edges
from ifru_jax.graph.histories import Histories
from ifru_jax.graph.pairs import Pairs
from ifru_jax.graph.primitives import propagate, propagate_back


@partial(
    jax.tree_util.register_dataclass, data_fields=["edges", "weights", "user_features", "item_features", "history"], meta_fields=[]
)
@dataclass(frozen=True)
class BipartiteGraph:
    """Users × items with weighted edges.

    Attributes:
      edges: the pattern, [e].
      weights: float [e]; 0 at padding and at edges that are absent.
      user_features: float [num_users, f], side features that come with the nodes; None where the data has none.
      item_features: float [num_items, g].
      history: the positive interactions of every user in the order of time; None where the model has no use for it.
    """

    edges: Edges
    weights: jax.Array
    user_features: jax.Array | None = None
    item_features: jax.Array | None = None
    history: Histories | None = None

    def with_edges(self, present: jax.Array) -> BipartiteGraph:
        """The same pattern with only the edges where `present` ([e], 1 or 0) is 1, normalised anew."""
        return replace(self, weights=normalised_weights(self.edges, present.astype(self.weights.dtype)))

    def of_edges(self, edges: Edges) -> BipartiteGraph:
        """The same nodes with other edges; the history is left as it is."""
        return replace(self, edges=edges, weights=normalised_weights(edges, edges.mask.astype(self.weights.dtype)))

    def to_users(self, item_vectors: jax.Array) -> jax.Array:
        """[num_items, d] → [num_users, d], the weighted sum over each user's items."""
        return propagate(self.weights, item_vectors, self.edges)

    def to_items(self, user_vectors: jax.Array) -> jax.Array:
        """[num_users, d] → [num_items, d], the weighted sum over each item's users."""
        return propagate_back(self.weights, user_vectors, self.edges)

    def sum_to_users(self, item_vectors: jax.Array) -> jax.Array:
        """[num_items, d] → [num_users, d], the plain sum over each user's items: bags of items."""
        return propagate(self.present, item_vectors, self.edges)

    @property
    def present(self) -> jax.Array:
        """float [e]; 1 at edges that are there, 0 at the others."""
        return (self.weights > 0).astype(self.weights.dtype)

    def contains(self, pairs: Pairs) -> jax.Array:
        """Which of n pairs are present edges, bool [n]."""
        place = find_edges(self.edges, pairs.users, pairs.items)
        return (place >= 0) & (self.weights[place] > 0)

    def degrees(self) -> tuple[jax.Array, jax.Array]:
        """Edges at every node, float [num_users] and [num_items]; in a neighbourhood right at the nodes whose edges it holds."""
        return _degrees(self.edges, self.present)


def build_graph(edges: Edges, dtype: jnp.dtype | None = None) -> BipartiteGraph:
    """The normalised graph of a pattern (users are rows, items columns)."""
    return BipartiteGraph(edges=edges, weights=normalised_weights(edges, edges.mask.astype(dtype or jnp.result_type(float))))


@jax.jit
def normalised_weights(edges: Edges, present: jax.Array) -> jax.Array:
    """present_e / √(d_u d_i) with degrees counted over the present edges; [e] → [e].

    A node without edges has no edge to weigh, so the division by its degree 0 never counts.
    """
    present = jnp.where(edges.mask, present, 0)
    user_degree, item_degree = _degrees(edges, present)
    scale_user, scale_item = (jnp.where(d > 0, jax.lax.rsqrt(jnp.maximum(d, 1)), 0) for d in (user_degree, item_degree))
    return present * scale_user[edges.rows] * scale_item[edges.cols]


def _degrees(edges: Edges, present: jax.Array) -> tuple[jax.Array, jax.Array]:
    users = propagate(present, jnp.ones((edges.num_cols, 1), present.dtype), edges)[:, 0]
    items = propagate_back(present, jnp.ones((edges.num_rows, 1), present.dtype), edges)[:, 0]
    return users, items
