"""The right-hand side of the step: the difference of the two gradients.

    b = ∇L(θ̂; D, G) − ∇L(θ̂; D_r, G_r) = direct + spillover

It is summed over the touched and the affected interactions alone: what doesn't change would only add its rounding. Source: Zhang et
al. (arXiv 2307.02147), eq. 7–9.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import jax
import numpy as np
import optax

from ifru_jax.data.groups import whole_groups
from ifru_jax.graph import Batch, Change, Examples, build_examples
from ifru_jax.influence.direct import direct_influence
from ifru_jax.influence.neighbourhoods import Around, Cost, cost_of, least_cost, local_influences
from ifru_jax.influence.spillover import affected_interactions, graph_influence
from ifru_jax.models import Params
from ifru_jax.sparse import on_host
from ifru_jax.training import Objective

SpilloverForm = Literal["auto", "whole-graph", "neighbourhood", "none"]


@dataclass(frozen=True)
class Influence:
    """What is known of b.

    Attributes:
      spillover: how it was computed: "whole-graph", "neighbourhood", "local" (on the request's own problem), or "none" where no
        edge of a graph comes or goes.
      affected: retained interactions whose score the changed graph can change.
      norm_direct, norm_spillover, norm_rhs: Euclidean norms of direct, spillover and b.
    """

    spillover: str
    affected: int
    norm_direct: float
    norm_spillover: float
    norm_rhs: float


def right_hand_side(
    objective: Objective, params: Params, change: Change, *, spillover: SpilloverForm = "auto"
) -> tuple[Params, Influence]:
    """b of one request and its evidence; see `right_hand_sides`."""
    return next(right_hand_sides(objective, params, [change], spillover=spillover))


def right_hand_sides(
    objective: Objective, params: Params, changes: Sequence[Change], *, spillover: SpilloverForm = "auto"
) -> Iterator[tuple[Params, Influence]]:
    """b and its evidence for each of several requests, as if it were the only one.

    Args:
      objective, params: of the model before the changes.
      changes: D, G and D_r, G_r of each; none empty.
      spillover: over the whole graph, on the request's neighbourhood, or the cheaper of the two; "none" leaves it out, an ablation.

    Yields:
      In the order of the requests; what is done over the whole graph when it is asked for, neighbourhoods all together before.
    """
    hops = objective.model.num_hops
    affected = [affected_interactions(change, num_hops=hops) for change in changes]
    spreads = [change.moves_edges and hops > 0 and spillover != "none" for change in changes]
    around: dict[int, Around] = {}
    for number, (change, inside) in enumerate(zip(changes, affected, strict=True)):
        if not spreads[number] or spillover == "whole-graph":
            continue
        found = Around.of(change, inside, num_hops=hops) if spillover == "neighbourhood" else _if_cheaper(objective, change, inside)
        if found is not None:
            around[number] = found
    local = dict(zip(around, local_influences(objective, params, list(around.values())), strict=True))
    for number, (change, inside) in enumerate(zip(changes, affected, strict=True)):
        if number in local:
            part = local.pop(number)
            rhs, count = part.whole(objective.model, params), around[number].affected
            norms = part.norm_direct, part.norm_spillover, optax.tree.norm(rhs)
            yield rhs, Influence("neighbourhood", count, *map(float, norms))
        else:
            yield _over_all_data(objective, params, change, inside if spreads[number] else None)


def _if_cheaper(objective: Objective, change: Change, affected: np.ndarray) -> Around | None:
    """The neighbourhood, where b costs less on it than over the whole graph, by an estimate (`neighbourhoods.Cost`)."""
    model, data = objective.model, change.before
    if not (model.tables and objective.loss.separable) or data.graph.history is not None or data.shared:
        return None
    whole = Cost(data.capacities[1], _pairs(change, affected), sum(data.sizes)).seconds(model.num_hops)
    if least_cost(change, affected).seconds(model.num_hops) > whole:
        return None
    found = Around.of(change, affected, num_hops=model.num_hops)
    return found if cost_of(found.part).seconds(model.num_hops) < whole else None


def _over_all_data(objective: Objective, params: Params, change: Change, affected: np.ndarray | None) -> tuple[Params, Influence]:
    """b over the whole graph; without spillover where `affected` is None."""
    touched, after = change.touched_examples
    before = change.before.graph
    direct = _direct(objective, params, Batch(touched, before), after)
    if affected is None:
        norm = float(on_host(_norm(direct)))
        return direct, Influence("none", 0, norm, 0.0, norm)
    spillover = _spillover(objective, params, Batch(_counted(objective, change, affected), change.after.graph), before)
    rhs = _added(direct, spillover)
    norms = (float(on_host(_norm(part))) for part in (direct, spillover, rhs))
    return rhs, Influence("whole-graph", _count(change, affected), *norms)


# Fewer affected interactions than this share of all are scored on their own.
_FEW = 1 / 3


def _pairs(change: Change, affected: np.ndarray) -> int:
    """Pairs that are scored over the whole graph."""
    count = _count(change, affected)
    return change.after.room_for(count) if count < _FEW * len(change.before) else change.after.capacities[0]


def _count(change: Change, affected: np.ndarray) -> int:
    return int(change.before.interactions.added_up(np.array(np.count_nonzero(affected))))


def _counted(objective: Objective, change: Change, affected: np.ndarray) -> Examples:
    """The interactions of D_r whose term the graph changes: on their own, or all with a weight for those alone."""
    after = change.after
    if not objective.loss.separable:
        return after.examples
    counted = affected[change.retained]
    if after.leaders is not None:
        counted = whole_groups(counted, after.leaders)
    elif (room := _pairs(change, affected)) < after.capacities[0]:
        return build_examples(after.interactions.select(np.flatnonzero(counted)), capacity=room, mesh=after.mesh)
    return replace(after.examples, weights=after.placed.column(counted, after.examples.weights.dtype))


_direct, _spillover = jax.jit(direct_influence), jax.jit(graph_influence)
_added, _norm = jax.jit(optax.tree.add), jax.jit(optax.tree.norm)
