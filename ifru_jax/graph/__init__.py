"""Sparse patterns, the two primitives over them, the bipartite graph, and its neighbourhoods."""

from ifru_jax.graph.bipartite import BipartiteGraph, build_graph, normalised_weights
from ifru_jax.graph.edges import Edges, build_edges, capacity_of, keep_edges
from ifru_jax.graph.pairs import GridPairs, IndexPairs, Pairs, inner_products
from ifru_jax.graph.primitives import edge_scores, kernels, propagate, propagate_back
from ifru_jax.graph.training_set import Examples, TrainingSet, build_examples, build_training_set, newly_lost

__all__ = [
    "BipartiteGraph",
    "Edges",
    "Examples",
    "GridPairs",
    "IndexPairs",
    "Pairs",
    "TrainingSet",
    "build_edges",
    "build_examples",
    "build_graph",
    "build_training_set",
    "capacity_of",
    "edge_scores",
    "inner_products",
    "keep_edges",
    "kernels",
    "newly_lost",
    "normalised_weights",
    "propagate",
    "propagate_back",
]
