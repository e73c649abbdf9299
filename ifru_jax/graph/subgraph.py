"""A neighbourhood numbered anew and padded, ready for the device; several of one size stack to a batch for `vmap`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import jax
import numpy as np

from ifru_jax.graph.bipartite import BipartiteGraph
from ifru_jax.graph.change import Change
from ifru_jax.graph.examples import Batch, Examples, padded_leaders
from ifru_jax.graph.neighbourhood import Neighbourhood
from ifru_jax.graph.pairs import SortedPairs
from ifru_jax.host_arrays import padded
from ifru_jax.pytree import pytree
from ifru_jax.sparse.edges import Edges, capacity_of, host_edges
from ifru_jax.sparse.placement import on_host

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Bucket:
    """Sizes to pad to."""

    users: int
    items: int
    pairs: int
    edges: int

    @classmethod
    def of(cls, parts: Sequence[Neighbourhood]) -> Self:
        """The powers of two that hold all of them."""
        lengths = [(len(part.users), len(part.items), len(part.chosen), len(part.edges)) for part in parts]
        return cls(*(capacity_of(max(column)) for column in zip(*lengths, strict=True)))


@pytree
class Subgraph:
    """Part of the data in local numbers, before and after a change; with a leading batch axis once stacked.

    Attributes:
      users: int32 [u], rows of the user table; padding repeats row 0 and is held by no edge and no example that counts.
      items: int32 [i], the same for items.
      num_rows: int32 [2], how many of both are no padding.
      pairs: the interactions, [c].
      labels, new_labels: float [c], before and after.
      weights, new_weights: float [c].
      leaders, new_leaders: int32 [c]; None where nothing is compared.
      edges: of both graphs, [e].
      edge_weights, new_edge_weights: float [e].
      user_features, item_features: of these rows, or None.
    """

    users: jax.Array
    items: jax.Array
    num_rows: jax.Array
    pairs: SortedPairs
    labels: jax.Array
    new_labels: jax.Array
    weights: jax.Array
    new_weights: jax.Array
    leaders: jax.Array | None
    new_leaders: jax.Array | None
    edges: Edges
    edge_weights: jax.Array
    new_edge_weights: jax.Array
    user_features: jax.Array | None
    item_features: jax.Array | None

    @property
    def before(self) -> Batch:
        """The part of D on G."""
        return self._batch(self.labels, self.weights, self.leaders, self.edge_weights)

    @property
    def after(self) -> Batch:
        """The part of D_r on G_r."""
        return self._batch(self.new_labels, self.new_weights, self.new_leaders, self.new_edge_weights)

    def _batch(self, labels: jax.Array, weights: jax.Array, leaders: jax.Array | None, edge_weights: jax.Array) -> Batch:
        graph = BipartiteGraph(self.edges, edge_weights, self.user_features, self.item_features)
        return Batch(Examples(self.pairs, labels, weights, leaders), graph)


def pad_subgraph(change: Change, part: Neighbourhood, bucket: Bucket) -> Subgraph:
    """The part in local numbers, with zeros behind it; NumPy arrays, so that many can be stacked before they are sent."""
    data, dtype = change.before.interactions, np.dtype(change.before.examples.labels.dtype)
    pattern = change.edges.pattern
    local_user, local_item = np.zeros(data.num_users, np.int32), np.zeros(data.num_items, np.int32)
    local_user[part.users] = np.arange(len(part.users))
    local_item[part.items] = np.arange(len(part.items))

    def local(users: np.ndarray, items: np.ndarray, capacity: int) -> tuple[Edges, np.ndarray]:
        return host_edges(local_user[users], local_item[items], num_rows=bucket.users, num_cols=bucket.items, capacity=capacity)

    pairs, order = local(data.users[part.chosen], data.items[part.chosen], bucket.pairs)
    edges, edge_order = local(on_host(pattern.rows)[part.edges], on_host(pattern.cols)[part.edges], bucket.edges)
    terms = change.terms_at(part.chosen[order])
    users, items = padded(part.users, bucket.users, np.int32), padded(part.items, bucket.items, np.int32)
    sides = ((users, change.before.graph.user_features), (items, change.before.graph.item_features))
    arrays = (
        users,
        items,
        np.asarray([len(part.users), len(part.items)], np.int32),
        SortedPairs(pairs),
        *(padded(column, bucket.pairs, dtype) for column in (terms.labels, terms.new_labels, np.ones(len(order)), terms.retained)),
        *(padded_leaders(leaders, bucket.pairs) for leaders in (terms.leaders, terms.new_leaders)),
        edges,
        *(padded(weights[edge_order], bucket.edges, dtype) for weights in change.edges.weights(part.edges)),
        *(None if values is None else on_host(values)[rows] for rows, values in sides),
    )
    return Subgraph(*arrays)  # pyright: ignore[reportArgumentType]


def stack(parts: Sequence[Tree]) -> Tree:
    """Several of one size side by side, [b, …]; on the host: a compiled call takes few large arrays over faster than many small."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *parts)
