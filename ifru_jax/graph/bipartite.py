"""The bipartite graph of positive interactions, symmetrically normalised: w_ui = 1 / √(d_u d_i).

A deletion changes more than the deleted edges: the degrees of their endpoints fall, and with them the weights of all edges
there. `with_edges` keeps the pattern and recomputes every weight, so that a graph before and after a deletion has one shape.
Source: He et al., "LightGCN" (SIGIR 2020), eq. 3.
"""

from dataclasses import replace
from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.errors import ModelError
from ifru_jax.graph.histories import Histories
from ifru_jax.graph.nodes import places_at
from ifru_jax.graph.pairs import Pairs
from ifru_jax.host_arrays import FEW, closed_up
from ifru_jax.pytree import pytree
from ifru_jax.sparse.edges import Edges, degrees, find_edges
from ifru_jax.sparse.mesh_edges import MeshEdges
from ifru_jax.sparse.operations import Pattern, propagate, propagate_back
from ifru_jax.sparse.placement import on_accelerator, on_device, on_host
from ifru_jax.sparse.removal import without_edges


@pytree
class BipartiteGraph:
    """Users × items with weighted edges.

    Attributes:
      edges: the pattern, [e].
      weights: float [e]; 0 at padding and at edges that are absent.
      user_features: float [num_users, f], side features that come with the nodes; None where the data has none.
      item_features: float [num_items, g].
      history: the positive interactions of every user in the order of time; None where the model has no use for it.
    """

    edges: Pattern
    weights: jax.Array
    user_features: jax.Array | None = None
    item_features: jax.Array | None = None
    history: Histories | None = None

    @property
    def num_users(self) -> int:
        return self.edges.num_rows

    @property
    def num_items(self) -> int:
        return self.edges.num_cols

    def with_edges(self, present: jax.Array) -> Self:
        """The same pattern with only the edges where `present` ([e], 1 or 0) is 1, normalised anew."""
        return replace(self, weights=normalised_weights(self.edges, present.astype(self.weights.dtype)))

    def without(self, gone: np.ndarray, count: int) -> Self:
        """The same nodes without the edges at these places (int [k], ascending) of `count`; the history is left as it is."""
        if not len(gone):
            return self
        assert isinstance(self.edges, Edges)
        edges, left = without_edges(self.edges, gone, count), count - len(gone)
        if len(gone) > FEW or on_accelerator(self.weights):
            return replace(self, edges=edges, weights=_weights(edges, left, self.weights.dtype))
        # Weights change at the ends of what is gone and nowhere else.
        weights = closed_up(on_host(self.weights), gone, count, 0)
        beside = places_at(edges, *(np.unique(on_host(ends)[gone]) for ends in (self.edges.rows, self.edges.cols)))
        weights[beside] = _weights_at(edges, left, beside)
        return replace(self, edges=edges, weights=on_device(weights))

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
        """Which of n pairs are present edges, bool [n]; copies of an edge come and go together, so the first speaks for all."""
        if isinstance(self.edges, MeshEdges):
            raise ModelError("single edges are not looked up over several devices: train this model on one, on_mesh(None).")
        place = find_edges(self.edges, pairs.users, pairs.items)
        return (place >= 0) & (self.weights[place] > 0)

    def degrees(self) -> tuple[jax.Array, jax.Array]:
        """Edges at every node, float [num_users] and [num_items]; in a neighbourhood right at the nodes whose edges it holds."""
        return weighted_degrees(self.edges, self.present)


def build_graph(edges: Edges, dtype: jnp.dtype | None = None) -> BipartiteGraph:
    """The normalised graph of a pattern; users are rows, items columns."""
    count = int(on_host(edges.mask).sum())
    return BipartiteGraph(edges, _weights(edges, count, dtype or jnp.result_type(float)))


def graph_over_mesh(edges: MeshEdges, own: Edges, degrees: tuple[np.ndarray, np.ndarray]) -> BipartiteGraph:
    """The normalised graph of a pattern over a mesh.

    Args:
      edges: the pattern.
      own: what the host has of it, without padding.
      degrees: of all users and all items.
    """
    weights = _weight(degrees, on_host(own.rows), on_host(own.cols))
    return BipartiteGraph(edges, edges.column(weights, jnp.result_type(float)))


def _weights(edges: Edges, count: int, dtype: jnp.dtype) -> jax.Array:
    """1 / √(d_u d_i) from whole degrees, so that a graph left by deletions is to the bit one built anew; [e], 0 at padding."""
    if on_accelerator(edges.rows):
        return _weights_on_device(edges, on_device(count), dtype)
    return edges.column(_weights_at(edges, count, slice(count)), dtype)


@partial(jax.jit, static_argnums=2)
def _weights_on_device(edges: Edges, count: jax.Array | int, dtype: jnp.dtype) -> jax.Array:
    # All padding stands at the last row and column.
    of_rows, of_cols = (jnp.diff(starts).at[-1].add(count - edges.capacity) for starts in (edges.row_ptr, edges.col_ptr))
    users, items = of_rows[edges.rows].astype(dtype), of_cols[edges.cols].astype(dtype)
    return jnp.where(edges.mask, 1 / jnp.sqrt(jnp.where(edges.mask, users * items, 1)), 0)


def _weights_at(edges: Edges, count: int, places: np.ndarray | slice) -> np.ndarray:
    """The weights of some of `count` edges, float64, on the host."""
    return _weight(degrees(edges, count), on_host(edges.rows)[places], on_host(edges.cols)[places])


def _weight(of: tuple[np.ndarray, np.ndarray], users: np.ndarray, items: np.ndarray) -> np.ndarray:
    return 1 / np.sqrt(of[0][users].astype(np.float64) * of[1][items])


@jax.jit
def normalised_weights(edges: Pattern, present: jax.Array) -> jax.Array:
    """present_e / √(d_u d_i) with degrees counted over the present edges; [e] → [e].

    Also differentiable in `present`, and right for edges that count in part. A node without edges has no edge to weigh, so the
    division by its degree 0 never counts.
    """
    present = jnp.where(edges.mask, present, 0)
    degrees = weighted_degrees(edges, present)
    scale_user, scale_item = (jnp.where(d > 0, jax.lax.rsqrt(jnp.where(d > 0, d, 1)), 0) for d in degrees)
    return present * scale_user[edges.rows] * scale_item[edges.cols]


def weighted_degrees(edges: Pattern, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Edges at every user and every item, counted by weight: float [num_users], [num_items]."""
    users = propagate(weights, jnp.ones((edges.num_cols, 1), weights.dtype), edges)[:, 0]
    items = propagate_back(weights, jnp.ones((edges.num_rows, 1), weights.dtype), edges)[:, 0]
    return users, items
