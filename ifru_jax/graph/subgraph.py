"""Neighbourhoods numbered anew and padded to one size, ready for the device, side by side for `vmap`."""

from dataclasses import dataclass
from typing import Self

import jax
import numpy as np

from ifru_jax.graph.bipartite import BipartiteGraph
from ifru_jax.graph.changes import Changes
from ifru_jax.graph.examples import Batch, Examples
from ifru_jax.graph.neighbourhood import Neighbourhoods
from ifru_jax.graph.pairs import SortedPairs
from ifru_jax.pytree import pytree
from ifru_jax.ragged import Ragged
from ifru_jax.sparse.edges import Edges, capacity_of
from ifru_jax.sparse.placement import on_host
from ifru_jax.sparse.stacked import Shape, Stack, stacked_edges


@dataclass(frozen=True)
class Bucket:
    """Sizes to pad to."""

    users: int
    items: int
    pairs: int
    edges: int

    @classmethod
    def of(cls, parts: Neighbourhoods) -> Self:
        """The powers of two that hold all of them."""
        return cls(*(capacity_of(int(most)) for most in parts.lengths.max(axis=0)))


@pytree
class Subgraph:
    """Part of the data in local numbers, before and after a change; of several with a leading batch axis.

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


def pad_subgraphs(changes: Changes, parts: Neighbourhoods, bucket: Bucket, *, size: int | None = None) -> Subgraph:
    """The parts in local numbers, with zeros behind them, [b, …]; NumPy arrays, for they are sent all together.

    Args:
      changes: one for each part.
      parts: what is padded.
      bucket: sizes to pad to.
      size: b; the parts behind those given are empty. None takes those given.
    """
    data, count = changes.before.interactions, len(parts) if size is None else size
    dtype = np.dtype(changes.before.examples.labels.dtype)
    users, items = (_numbers(of, rows) for of, rows in zip((parts.users, parts.items), changes.before.sizes, strict=True))

    def local(places: Ragged, capacity: int) -> tuple[Edges, np.ndarray]:
        at = places.owners, places.values
        cols = Ragged(items[at[0] * data.num_items + data.items[at[1]]], places.lengths)
        shape = Shape(bucket.users, bucket.items, capacity, count)
        return stacked_edges(users[at[0] * data.num_users + data.users[at[1]]], cols, shape)

    pairs, order = local(parts.chosen, bucket.pairs)
    edges, edge_order = local(parts.edges, bucket.edges)
    terms = changes.terms_at(parts.chosen).ordered(parts.chosen, order)
    of_pairs, of_edges = Stack(parts.chosen, count, bucket.pairs), Stack(parts.edges, count, bucket.edges)
    rows = [
        Stack(of, count, room).filled(of.values, 0, np.int32)
        for of, room in ((parts.users, bucket.users), (parts.items, bucket.items))
    ]
    num_rows = np.zeros((count, 2), np.int32)
    num_rows[: len(parts)] = parts.lengths[:, :2]
    features = changes.before.graph.user_features, changes.before.graph.item_features
    # Padding leads itself.
    alone = np.arange(bucket.pairs, dtype=np.int32)
    arrays = (
        *rows,
        num_rows,
        SortedPairs(pairs),
        *(of_pairs.filled(of, 0, dtype) for of in (terms.labels, terms.new_labels, np.ones(len(order)), terms.retained)),
        *(None if of is None else of_pairs.filled(of, alone, np.int32) for of in (terms.leaders, terms.new_leaders)),
        edges,
        *(of_edges.filled(weights[edge_order], 0, dtype) for weights in changes.edges.weights(parts.edges)),
        *(None if values is None else on_host(values)[of] for of, values in zip(rows, features, strict=True)),
    )
    return Subgraph(*arrays)  # pyright: ignore[reportArgumentType]


def _numbers(rows: Ragged, size: int) -> np.ndarray:
    """int32 [b · size]: the number of each row of each part in that part; what is no row of it is undefined, and never written."""
    numbers = np.empty(len(rows) * size, np.int32)
    numbers[rows.keys(size)] = rows.ranks
    return numbers
