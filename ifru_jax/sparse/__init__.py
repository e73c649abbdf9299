"""Sparsity patterns, the two sparse operations over them and their kernels, and the way of arrays to the device."""

from ifru_jax.sparse.edges import Edges, build_edges, capacity_of, edges_at, find_edges, host_edges
from ifru_jax.sparse.placement import on_device, on_host
from ifru_jax.sparse.primitives import edge_scores, kernels, propagate, propagate_back
from ifru_jax.sparse.removal import without_edges

__all__ = [
    "Edges",
    "build_edges",
    "capacity_of",
    "edge_scores",
    "edges_at",
    "find_edges",
    "host_edges",
    "kernels",
    "on_device",
    "on_host",
    "propagate",
    "propagate_back",
    "without_edges",
]
