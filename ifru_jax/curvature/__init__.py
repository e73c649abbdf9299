"""Second-order information: exact Hessian and Gauss–Newton products of a function, and the metric of the damping."""

from ifru_jax.curvature.gauss_newton import gauss_newton_product
from ifru_jax.curvature.hessian import hessian_product
from ifru_jax.curvature.metric import Degrees, degree_metric, degrees_of, inverse_root_metric, node_degrees

__all__ = [
    "Degrees",
    "degree_metric",
    "degrees_of",
    "gauss_newton_product",
    "hessian_product",
    "inverse_root_metric",
    "node_degrees",
]
