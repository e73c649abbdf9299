"""The (user, item) pairs a model is asked to score: a sorted pattern, or plain index arrays.

Sums over a fixed set of interactions (a whole loss, its Hessian) use `SortedPairs` and stay on the sparse primitives. A minibatch
or a list of candidates is drawn anew each time, so sorting would not pay: it uses `IndexPairs`, and a full ranking `GridPairs`. A
model treats all alike: it reads `pairs.users` and `pairs.items`, or calls `inner_products`.
"""

from dataclasses import field

import jax
import jax.numpy as jnp

from ifru_jax.pytree import pytree
from ifru_jax.sparse.mesh_edges import MeshEdges
from ifru_jax.sparse.operations import Pattern, edge_scores
from ifru_jax.sparse.reading import as_read


@pytree
class SortedPairs:
    """The edges of a pattern, users as its rows and items as its columns; padding stands last."""

    edges: Pattern

    @property
    def users(self) -> jax.Array:
        return self.edges.rows

    @property
    def items(self) -> jax.Array:
        return self.edges.cols


@pytree
class IndexPairs:
    """Pairs in any order: users int32 [n], items int32 [n]."""

    users: jax.Array
    items: jax.Array


@pytree
class GridPairs:
    """Every one of b users with every one of c items, user by user, n = b c: a full ranking."""

    grid_users: jax.Array
    grid_items: jax.Array

    @property
    def size(self) -> int:
        """n."""
        return self.grid_users.shape[0] * self.grid_items.shape[0]

    @property
    def users(self) -> jax.Array:
        return jnp.repeat(self.grid_users, self.grid_items.shape[0])

    @property
    def items(self) -> jax.Array:
        return jnp.tile(self.grid_items, self.grid_users.shape[0])


@pytree
class EveryItem:
    """Each of b users with every row of the item table, item by item, n = rows × b: a full ranking over the devices of a mesh.

    Item by item, so that each device has the scores of its own items.
    """

    grid_users: jax.Array
    num_items: int = field(metadata={"static": True})

    @property
    def users(self) -> jax.Array:
        return jnp.tile(self.grid_users, self.num_items)

    @property
    def items(self) -> jax.Array:
        return jnp.repeat(jnp.arange(self.num_items, dtype=jnp.int32), self.grid_users.shape[0])


Pairs = SortedPairs | IndexPairs | GridPairs | EveryItem


def over_mesh(pairs: Pairs) -> bool:
    """Whether they are over the devices of a mesh."""
    return isinstance(pairs, SortedPairs) and isinstance(pairs.edges, MeshEdges)


def user_rows(table: jax.Array, pairs: Pairs) -> jax.Array:
    """The row of its user for each of n pairs, [num_users, …] → [n, …]; over a mesh each device takes those of its own pairs."""
    if isinstance(pairs, SortedPairs) and isinstance(pairs.edges, MeshEdges):
        return pairs.edges.rows_at(table)
    return table[pairs.users]


def item_rows(table: jax.Array, pairs: Pairs) -> jax.Array:
    """The row of its item for each of n pairs, [num_items, …] → [n, …]; over a mesh from the halo of each device."""
    if isinstance(pairs, SortedPairs) and isinstance(pairs.edges, MeshEdges):
        return pairs.edges.cols_at(table)
    return table[pairs.items]


def inner_products(user_vectors: jax.Array, item_vectors: jax.Array, pairs: Pairs) -> jax.Array:
    """⟨user_vectors[u], item_vectors[i]⟩ for each pair.

    Args:
      user_vectors: float [num_users, d].
      item_vectors: float [num_items, d].
      pairs: n pairs.

    Returns:
      float [n]; 0 at the padding of `SortedPairs`.
    """
    if isinstance(pairs, SortedPairs):
        return edge_scores(user_vectors, item_vectors, pairs.edges)
    if isinstance(pairs, GridPairs):
        return (as_read(user_vectors[pairs.grid_users]) @ as_read(item_vectors[pairs.grid_items]).T).reshape(-1)
    if isinstance(pairs, EveryItem):
        return (as_read(item_vectors) @ as_read(user_vectors[pairs.grid_users]).T).reshape(-1)
    return (as_read(user_vectors[pairs.users]) * as_read(item_vectors[pairs.items])).sum(axis=1)
