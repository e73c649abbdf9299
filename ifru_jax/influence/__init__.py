"""The influence of a request on the gradient: direct and spillover, and the scope of rows it may change."""

from ifru_jax.influence.direct import direct_influence
from ifru_jax.influence.scope import importance, importance_scope
from ifru_jax.influence.spillover import affected_interactions, gradient_change, neighbourhood_spillover

__all__ = [
    "affected_interactions",
    "direct_influence",
    "gradient_change",
    "importance",
    "importance_scope",
    "neighbourhood_spillover",
]
