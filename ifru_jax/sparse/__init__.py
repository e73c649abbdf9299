"""Sparsity patterns of one device and of many, the two sparse operations over them, their kernels, and the way to the devices."""

from ifru_jax.sparse.edges import Edges, build_edges, capacity_of, edges_at, find_edges, host_edges
from ifru_jax.sparse.mesh_edges import MeshEdges, build_mesh_edges
from ifru_jax.sparse.operations import Pattern, edge_scores, propagate, propagate_back
from ifru_jax.sparse.placement import on_device, on_host, on_mesh
from ifru_jax.sparse.primitives import kernels
from ifru_jax.sparse.reading import as_read, read_in
from ifru_jax.sparse.removal import without_edges

__all__ = [
    "Edges",
    "MeshEdges",
    "Pattern",
    "as_read",
    "build_edges",
    "build_mesh_edges",
    "capacity_of",
    "edge_scores",
    "edges_at",
    "find_edges",
    "host_edges",
    "kernels",
    "on_device",
    "on_host",
    "on_mesh",
    "propagate",
    "propagate_back",
    "read_in",
    "without_edges",
]
