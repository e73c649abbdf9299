"""Users × items: the bipartite graph, pairs to score, the training set, a change of it, and neighbourhoods."""

from ifru_jax.graph.bipartite import BipartiteGraph, build_graph, normalised_weights
from ifru_jax.graph.change import Change
from ifru_jax.graph.examples import Batch, Examples, build_examples
from ifru_jax.graph.graph import Graph, GraphView
from ifru_jax.graph.nodes import Nodes
from ifru_jax.graph.pairs import EveryItem, GridPairs, IndexPairs, Pairs, SortedPairs, inner_products, item_rows, user_rows
from ifru_jax.graph.training_set import TrainingSet, build_training_set

__all__ = [
    "Batch",
    "BipartiteGraph",
    "Change",
    "EveryItem",
    "Examples",
    "Graph",
    "GraphView",
    "GridPairs",
    "IndexPairs",
    "Nodes",
    "Pairs",
    "SortedPairs",
    "TrainingSet",
    "build_examples",
    "build_graph",
    "build_training_set",
    "inner_products",
    "item_rows",
    "normalised_weights",
    "user_rows",
]
