"""The influence of a request on the gradient: direct and spillover, their sum, and the scope of rows it may change."""

from ifru_jax.influence.direct import direct_influence
from ifru_jax.influence.neighbourhoods import parts_of
from ifru_jax.influence.right_hand_side import Influence, SpilloverForm, right_hand_side, right_hand_sides
from ifru_jax.influence.scope import importance, importance_scope
from ifru_jax.influence.spillover import affected_interactions, graph_influence

__all__ = [
    "Influence",
    "SpilloverForm",
    "affected_interactions",
    "direct_influence",
    "graph_influence",
    "importance",
    "importance_scope",
    "parts_of",
    "right_hand_side",
    "right_hand_sides",
]
