"""The step over all data: along the record of the training where there is one to follow, and else from its end.

    along     rows: δ of `along`, on as far as `stopping` says; then shared weights by `settling`
    the end   δ = M^-½ f(H̃) b̃ of `step`

A step along the training that goes astray is not taken: one through all of the training at once is, or that from the end.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.graph import Change
from ifru_jax.influence import Influence, importance_scope, right_hand_side
from ifru_jax.models import Params
from ifru_jax.models.tables import Rows
from ifru_jax.solvers import Solution, check
from ifru_jax.sparse import on_device, on_host
from ifru_jax.training import Objective
from ifru_jax.training.record import Record
from ifru_jax.unlearning.along import SegmentSolve, adapts, along_training
from ifru_jax.unlearning.astray import ranks_worse, warn_astray, went_astray
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.prepare import Prepared
from ifru_jax.unlearning.report import Scope
from ifru_jax.unlearning.settling import settle
from ifru_jax.unlearning.shared_weights import followers
from ifru_jax.unlearning.step import StepProblem, Update, moved, solve_step
from ifru_jax.unlearning.stopping import gone_on


class _Step(NamedTuple):
    """δ over all rows, its evidence, and the record of a training that would have gone there."""

    delta: Params
    solution: Solution
    influence: Influence
    record: Record | None = None


def whole_update(state: Prepared, change: Change, clock: Clock, *, last: bool = True) -> Update:
    """θ' by products over all retained interactions.

    Args:
      state: the model.
      change: what is forgotten now.
      clock: of the request.
      last: whether the request is carried out with this; False for a part that others follow.
    """
    after, config = change.after, state.step
    objective = on_device(replace(state.objective, chunk_size=config.chunk_size or "automatic"))
    clock.part("graph", after.batch)
    scope, left_out = importance_scope(change.before, change.places, config.scope, max_nodes=config.max_nodes)
    rows = after.masks(scope)
    clock.part("scope")
    tried = _along_if_it_holds(state, objective, change, last=last) if state.follows else Tried(None, ())
    astray = state.follows and tried.step is None
    if astray:
        warn_astray(stacklevel=5)
    step = tried.step or _from_the_end(state, objective, change, rows, clock)
    clock.part("solve", step.delta)
    params = moved(state.model, state.params, step.delta, after.examples)
    solution = _with_products_of(step.solution, *tried.in_vain)
    evidence = solution, float(on_host(_norm(step.delta))), step.influence, Scope.of(scope, left_out_nodes=left_out)
    return Update(params, *evidence, record=step.record, unresolved=astray)


class Tried(NamedTuple):
    """A step along the training that holds, if there is one, and the solves of those that went astray."""

    step: _Step | None
    in_vain: tuple[Solution, ...]


def _along_if_it_holds(state: Prepared, objective: Objective, change: Change, *, last: bool) -> Tried:
    """Through the segments of the record, and where that goes astray through all of the training at once.

    Where much is not linear, as between the layers of a graph network, each segment takes the error of the one before further.
    """
    assert state.record is not None
    in_vain: list[Solution] = []
    for record in (state.record, state.record.in_one())[: len(state.record.segments)]:
        step = _along(state.with_record(record), objective, change, last=last)
        if not _is_astray(objective, state, step, change):
            return Tried(step, tuple(in_vain))
        in_vain.append(step.solution)
    return Tried(None, tuple(in_vain))


def _along(state: Prepared, objective: Objective, change: Change, *, last: bool) -> _Step:
    """Rows along the recorded training and on to where it would have stopped; then shared weights settle."""
    assert state.record is not None
    step, model = state.step, state.model
    still = _nothing(followers(model, state.params)[1])
    solve = SegmentSolve.of(step, adaptive=adapts(model, state.record))
    found = along_training(objective, state.record, change, solve=solve)
    record = state.record.without(change.after, found.segments, change.request).requested(change.share)
    params = moved(model, state.params, found.delta | still, change.after.examples)
    further, record = gone_on(objective, params, record, change.after, last=last)
    delta = _added(found.delta, further) | still
    settled = settle(state, objective, moved(model, state.params, delta, change.after.examples), change)
    if settled is None:
        return _Step(delta, found.solution, found.influence, record)
    return _Step(delta | settled.delta, _worse_of(found.solution, settled.solution), found.influence, record)


def _is_astray(objective: Objective, state: Prepared, tried: _Step, change: Change) -> bool:
    """Whether a step along the training is not to be taken."""
    assert tried.record is not None
    step = state.params, moved(state.model, state.params, tried.delta, change.after.examples)
    share = on_device(np.asarray(change.share, jnp.result_type(float)))
    graphs = change.before.batch.graph, change.after.batch.graph
    return went_astray(objective, *step, change.after.batch, share) or ranks_worse(objective, *step, graphs, tried.record)


def _from_the_end(state: Prepared, objective: Objective, change: Change, rows: Rows, clock: Clock) -> _Step:
    rhs, influence = right_hand_side(objective, state.params, change, spillover=state.step.spillover)
    clock.part("influence", rhs)
    problem = StepProblem(objective, state.params, rhs, change.after.batch, rows, on_device(state.floor))
    delta, solution = solve_step(state.step, problem)
    return _Step(delta, solution, influence)


_added, _norm, _nothing = (jax.jit(of) for of in (optax.tree.add, optax.tree.norm, optax.tree.zeros_like))


def _worse_of(one: Solution, other: Solution) -> Solution:
    """The evidence of the solve that ended worse, with the products of both."""
    worse, better = sorted((one, other), key=lambda of: -check(of))
    return _with_products_of(worse, better)


def _with_products_of(solution: Solution, *others: Solution) -> Solution:
    if not others:
        return solution
    products = sum(int(on_host(one.num_steps)) for one in (solution, *others))
    return replace(solution, num_steps=on_device(np.int32(products)))
