"""Second-order information: exact Hessian and Gauss–Newton products, and the metric of the damping."""

from ifru_jax.curvature.block_diagonal import block_jacobi, diagonal_blocks
from ifru_jax.curvature.gauss_newton import gauss_newton_product
from ifru_jax.curvature.hessian import hessian_product
from ifru_jax.curvature.metric import Degrees, degree_metric, degrees_of, node_degrees

__all__ = [
    "Degrees",
    "block_jacobi",
    "degree_metric",
    "degrees_of",
    "diagonal_blocks",
    "gauss_newton_product",
    "hessian_product",
    "node_degrees",
]
