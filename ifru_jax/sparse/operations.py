"""The two sparse operations on any pattern: of one device, or over the devices of a mesh."""

import jax

from ifru_jax.sparse import primitives
from ifru_jax.sparse.edges import Edges
from ifru_jax.sparse.mesh_edges import MeshEdges

Pattern = Edges | MeshEdges


def propagate(weights: jax.Array, x: jax.Array, edges: Pattern) -> jax.Array:
    """Sum of weighted columns into rows, y[r] = Σ w_e x[col(e)].

    Args:
      weights: float [e].
      x: float [num_cols, d].
      edges: the pattern.

    Returns:
      float [num_rows, d].
    """
    return edges.propagate(weights, x) if isinstance(edges, MeshEdges) else primitives.propagate(weights, x, edges)


def propagate_back(weights: jax.Array, y: jax.Array, edges: Pattern) -> jax.Array:
    """Sum of weighted rows into columns, x[c] = Σ w_e y[row(e)]: the transpose of `propagate`.

    Args:
      weights: float [e].
      y: float [num_rows, d].
      edges: the pattern.

    Returns:
      float [num_cols, d].
    """
    return edges.propagate_back(weights, y) if isinstance(edges, MeshEdges) else primitives.propagate_back(weights, y, edges)


def edge_scores(a: jax.Array, b: jax.Array, edges: Pattern) -> jax.Array:
    """Inner product at every edge, s_e = ⟨a[row(e)], b[col(e)]⟩; 0 at padding.

    Args:
      a: float [num_rows, d].
      b: float [num_cols, d].
      edges: the pattern.

    Returns:
      float [e].
    """
    return edges.edge_scores(a, b) if isinstance(edges, MeshEdges) else primitives.edge_scores(a, b, edges)
