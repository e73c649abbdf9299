"""Direct influence: what the touched interactions contribute to the gradient before, less what they contribute after.

    direct = (1 / N) Σ_{z ∈ D_f} ∇ℓ(z; θ̂, G)                                          deletion
    direct = (1 / N) Σ_{z touched} ∇[w_z ℓ(s_z, y_z) − w′_z ℓ(s_z, y′_z)],  s_z on G     in general

A corrected label goes out as the old one and comes in as the new one. A loss that compares has terms of whole groups, so for it the
sum is over the groups that have a touched member. Source: Zhang et al. (arXiv 2307.02147), eq. 8, and its extension to labels
(Warnecke et al., NDSS 2023, eq. 4) and to groups.
"""

from dataclasses import replace

import jax

from ifru_jax.graph import Batch, Examples
from ifru_jax.models import Params
from ifru_jax.training import Objective


def direct_influence(objective: Objective, params: Params, before: Batch, after: Examples) -> Params:
    """∇ of the terms before minus the terms after, on the graph before, divided by N.

    Args:
      objective: for its model, loss and N.
      params: θ̂.
      before: the touched terms on G.
      after: the same pairs with their weights, labels and leaders after.
    """

    def difference(p: Params) -> jax.Array:
        outputs = objective.outputs(p, before)
        return (objective.summed(outputs, before.examples) - objective.summed(outputs, after)) / objective.total

    return jax.grad(difference)(params)


def direct_on_both(objective: Objective, params: Params, before: Batch, after: Examples) -> Params:
    """`direct_influence` of the touched among examples that stand at the same places before and after."""
    # 1 at interactions whose term the change takes away or replaces, with the whole groups of a loss that compares; else 0.
    old = before.examples
    touched = ((old.weights != after.weights) | (old.labels != after.labels)).astype(old.weights.dtype)
    if objective.loss.grouped and old.leaders is not None:
        touched = jax.ops.segment_max(touched, old.leaders, num_segments=old.leaders.shape[0])[old.leaders]
    old, new = (replace(of, weights=of.weights * touched) for of in (old, after))
    return direct_influence(objective, params, Batch(old, before.graph), new)
