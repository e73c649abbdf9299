"""What a model may read of a graph, and graphs that are seen through another.

`BipartiteGraph` is the graph itself. A `GraphView` passes on what it is asked, and overrides what it sees otherwise: part of a
graph into which the rest flows (`inflow`), no graph at all (`models.flax_recommender`), submodels beside one (`baselines.sharded`).
"""

from typing import Any, Protocol

import jax

from ifru_jax.graph.histories import Histories
from ifru_jax.graph.pairs import Pairs
from ifru_jax.sparse.operations import Pattern


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
    def edges(self) -> Pattern: ...

    @property
    def present(self) -> jax.Array: ...

    def to_users(self, item_vectors: jax.Array) -> jax.Array: ...

    def to_items(self, user_vectors: jax.Array) -> jax.Array: ...

    def sum_to_users(self, item_vectors: jax.Array) -> jax.Array: ...

    def degrees(self) -> tuple[jax.Array, jax.Array]: ...

    def contains(self, pairs: Pairs) -> jax.Array: ...


class _Read:
    """What a view has of the graph behind it under the same name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, view: "GraphView | None", owner: type) -> Any:
        return self if view is None else getattr(view.read(self._name), self._name)


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

    history: Any = _Read()
    edges: Any = _Read()
    present: Any = _Read()
    to_users: Any = _Read()
    to_items: Any = _Read()
    sum_to_users: Any = _Read()
    degrees: Any = _Read()
    contains: Any = _Read()
