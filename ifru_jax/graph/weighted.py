"""A graph whose edges count by weights: what a model sees of a little less of an interaction.

    w_e = c_e / √(d_u d_i),   d_v = Σ_{e at v} c_e

With all counts c_e = 1 it is the graph itself, and a deletion takes one to 0. In between it is differentiable, degrees included, so
that a single pass back tells for every edge what the scores would do without it, to the first order (`influence.attribution`).
"""

from dataclasses import replace
from typing import Self

import jax
import jax.numpy as jnp

from ifru_jax.graph.bipartite import BipartiteGraph, normalised_weights, weighted_degrees
from ifru_jax.graph.graph import GraphView
from ifru_jax.pytree import pytree
from ifru_jax.sparse.operations import propagate


@pytree
class WeightedGraph(GraphView):
    """`graph`, normalised by the counts of its edges, float [e]; histories are left as they are."""

    graph: BipartiteGraph
    counts: jax.Array

    @classmethod
    def of(cls, graph: BipartiteGraph, counts: jax.Array) -> Self:
        """The edges of a graph, each counted so often; padding counts nothing."""
        counts = jnp.where(graph.edges.mask, counts, 0)
        return cls(replace(graph, weights=normalised_weights(graph.edges, counts)), counts)

    @property
    def present(self) -> jax.Array:
        return self.counts

    def sum_to_users(self, item_vectors: jax.Array) -> jax.Array:
        return propagate(self.counts, item_vectors, self.graph.edges)

    def degrees(self) -> tuple[jax.Array, jax.Array]:
        return weighted_degrees(self.graph.edges, self.counts)
