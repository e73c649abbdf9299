"""What a model may read of a graph, and graphs that are seen through another.

`BipartiteGraph` is the graph itself. A `GraphView` passes on what it is asked, and overrides what it sees otherwise: part of a
graph into which the rest flows (`inflow`), no graph at all (`models.flax_recommender`), submodels beside one (`baselines.sharded`).
"""

from typing import Protocol

import jax

from ifru_jax.graph.histories import Histories
from ifru_jax.graph.pairs import Pairs
from ifru_jax.sparse.edges import Edges


class Graph(Protocol):
    """Users × items with weighted edges, as `BipartiteGraph` documents them."""

    @property
    def num_users(self) -> int: ...

    @property
    def num_items(self) -> int: ...

    @property
    def user_features(self) -> jax.Array | None: ...

    @property
    def item_features(self) -> jax.Array | None: ...

    @property
    def history(self) -> Histories | None: ...

    @property
    def edges(self) -> Edges: ...

    @property
    def present(self) -> jax.Array: ...

    def to_users(self, item_vectors: jax.Array) -> jax.Array: ...

    def to_items(self, user_vectors: jax.Array) -> jax.Array: ...

    def sum_to_users(self, item_vectors: jax.Array) -> jax.Array: ...

    def degrees(self) -> tuple[jax.Array, jax.Array]: ...

    def contains(self, pairs: Pairs) -> jax.Array: ...


class GraphView:
    """A graph seen through `graph`, which subclasses have as an attribute; sizes and side features are its own."""

    graph: Graph

    def read(self, name: str) -> Graph:
        """The graph, for whoever reads `name` of it, which is neither its size nor its features."""
        return self.graph

    @property
    def num_users(self) -> int:
        return self.graph.num_users

    @property
    def num_items(self) -> int:
        return self.graph.num_items

    @property
    def user_features(self) -> jax.Array | None:
        return self.graph.user_features

    @property
    def item_features(self) -> jax.Array | None:
        return self.graph.item_features

    @property
    def history(self) -> Histories | None:
        return self.read("history").history

    @property
    def edges(self) -> Edges:
        return self.read("edges").edges

    @property
    def present(self) -> jax.Array:
        return self.read("present").present

    def to_users(self, item_vectors: jax.Array) -> jax.Array:
        return self.read("to_users").to_users(item_vectors)

    def to_items(self, user_vectors: jax.Array) -> jax.Array:
        return self.read("to_items").to_items(user_vectors)

    def sum_to_users(self, item_vectors: jax.Array) -> jax.Array:
        return self.read("sum_to_users").sum_to_users(item_vectors)

    def degrees(self) -> tuple[jax.Array, jax.Array]:
        return self.read("degrees").degrees()

    def contains(self, pairs: Pairs) -> jax.Array:
        return self.read("contains").contains(pairs)
