"""Direct influence: what the touched interactions contribute to the gradient before, less what they contribute after.

    direct = (1 / N) Σ_{z ∈ D_f} ∇ℓ(z; θ̂, G)                                          deletion
    direct = (1 / N) Σ_{z touched} ∇[w_z ℓ(s_z, y_z) − w′_z ℓ(s_z, y′_z)],  s_z on G     in general

A corrected label goes out as the old one and comes in as the new one. A loss that compares has terms of whole groups, so for it the
sum is over the groups that have a touched member. Source: Zhang et al. (arXiv 2307.02147), eq. 8, and its extension to labels
(Warnecke et al., NDSS 2023, eq. 4) and to groups.
"""

from dataclasses import replace

import jax
import numpy as np

from ifru_jax.data.groups import whole_groups
from ifru_jax.graph import Batch, Change, Examples, SortedPairs, build_examples
from ifru_jax.graph.examples import padded_leaders
from ifru_jax.models import Params
from ifru_jax.sparse import on_device
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


def touched_terms(change: Change, *, capacity: int | None = None) -> tuple[Examples, Examples]:
    """The interactions whose terms change, before and after, on the device; padded to `TrainingSet.room_for`, or to `capacity`."""
    data, places = change.before, change.places
    if data.leaders is not None:
        touched = np.zeros(len(data), bool)
        touched[places] = True
        places = np.flatnonzero(whole_groups(touched, data.leaders))
    # A training set is sorted, so the order of the examples is that of the places.
    chosen, room = data.interactions.select(places), capacity or data.room_for(len(places))
    examples = build_examples(chosen, capacity=room, mesh=data.mesh)
    terms, size, dtype = change.terms_at(places), examples.labels.shape[0], examples.labels.dtype
    assert isinstance(examples.pairs, SortedPairs)
    labels, weights = (examples.pairs.edges.column(of, dtype) for of in (terms.new_labels, terms.retained))
    old, new = on_device([padded_leaders(of, size) for of in (terms.leaders, terms.new_leaders)])
    return replace(examples, leaders=old), Examples(examples.pairs, labels, weights, new)
