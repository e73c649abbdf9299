"""The step along the training (`unlearning.along`) on a problem of the size of a request.

    δ_S = the same from segment to segment, with b_k, H_k and P_r,k on S = rows in scope, and all other rows as θ_k has them

Every interaction that depends on a row in scope is in the problem, so that the gradients of these rows, and what Adam saw of them,
are those of the whole. θ_k and P_k move with the step, and are those of a training without what is forgotten, on these rows; on all
others they keep what θ̂ keeps. Where training would have stopped is taken to stay: a few interactions don't change it, and for many
the whole step is there.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import optax

from ifru_jax.graph import Batch
from ifru_jax.graph.inflow import Inflow, Propagations
from ifru_jax.graph.subgraph import Subgraph
from ifru_jax.influence import parts_of
from ifru_jax.models import Params
from ifru_jax.models.open_model import OpenModel
from ifru_jax.models.tables import take_rows, with_zeros_behind
from ifru_jax.pytree import pytree
from ifru_jax.solvers import Solution
from ifru_jax.status import Status
from ifru_jax.training import Objective
from ifru_jax.training.record import Segment
from ifru_jax.unlearning.along import Course, Ground, Place, SegmentSolve, follow, unsteady
from ifru_jax.unlearning.astray import holds
from ifru_jax.unlearning.local.problem import LocalProblem
from ifru_jax.unlearning.preconditioner import Sides, Slope, slopes


@pytree
class Way:
    """What confined requests follow.

    Attributes:
      segments: of the record.
      propagations: of every θ_k, empty ones for a model without a graph.
      batch_size: B.
    """

    segments: tuple[Segment, ...]
    propagations: tuple[Propagations, ...]
    batch_size: jax.Array | float


@pytree
class LocalFollowed:
    """Where the training would have gone.

    Attributes:
      delta: δ of the rows in scope, tables [cu, …] and [ci, …].
      middles: how far θ_k moves there, [K, cu, …] and [K, ci, …].
      applied: how P_k changes, alike.
      solution: the evidence of the solve that ended worst, the last of such, with the products of all.
      direct, spillover: the two parts of b_1.
      losses: float [2], of what is retained, at θ̂ and at θ′.
      share: float [], of the interactions here that the request touches.
    """

    delta: Params
    middles: Params
    applied: Params
    solution: Solution
    direct: Params
    spillover: Params
    losses: jax.Array
    share: jax.Array

    @property
    def holds(self) -> jax.Array:
        """bool [], whether the step is to be taken (`unlearning.astray`)."""
        return holds(self.losses[0], self.losses[1], self.share)


@pytree
class _Known:
    """A segment on the rows of a problem: θ_k of all, P_k of those in scope, and what flows in."""

    params: Params
    applied: Params
    steps: jax.Array
    flow: Inflow | None


def follow_local(
    solve: SegmentSolve, objective: Objective, here: tuple[Params, Propagations], way: Way, problem: LocalProblem
) -> LocalFollowed:
    """Where the training would have gone; `here` is θ̂ and what is propagated there."""
    tables, part = objective.model.tables, problem.part
    params, propagations = here
    objective = replace(objective, model=OpenModel(objective.model)) if propagations.any else objective

    def known(segment: Segment, propagations: Propagations) -> _Known:
        local, applied = (take_rows(tables, of, problem.rows) for of in (segment.params, segment.applied))
        return _Known(local, problem.core_of(tables, applied), jnp.asarray(segment.steps), problem.flow(propagations))

    segments = [known(*of) for of in zip(way.segments, way.propagations, strict=True)]
    parts = parts_of(objective, segments[0].params, *problem.batches(segments[0].flow))
    direct, spillover = (problem.core_of(tables, of) for of in parts)
    rhs = optax.tree.add(direct, spillover)

    count = len(segments)

    def through(course: Course, numbered: tuple[jax.Array, _Known]) -> tuple[Course, tuple[Params, Params, Solution]]:
        number, known = numbered
        place = Place(number == 0, number == count - 1, rhs)
        sides, key = _sides(problem, known.flow, way.batch_size), jax.random.key(number)
        ground = _ground(objective, problem, known, slopes(adaptive=solve.adaptive), sides, key)
        found = follow(solve, ground, Segment(known.params, known.applied, known.steps), course, place)
        return found.course, (found.middle, optax.tree.sub(found.applied, known.applied), found.solution)

    numbered = jnp.arange(count), jax.tree.map(lambda *leaves: jnp.stack(leaves), *segments)
    course, (middles, applied, solutions) = jax.lax.scan(through, Course.beginning(rhs), numbered)

    local = take_rows(tables, params, problem.rows)
    _, retained = problem.batches(problem.flow(propagations))
    moved = optax.tree.add(local, with_zeros_behind(course.delta, local))
    losses = jnp.stack([objective.losses(of, retained) for of in (local, moved)])
    share = jnp.sum(jnp.where(_changed(part), part.weights, 0)) / jnp.maximum(jnp.sum(part.weights), 1)
    return LocalFollowed(course.delta, middles, applied, _telling(solutions), direct, spillover, losses, share)


def _ground(
    objective: Objective, problem: LocalProblem, known: _Known, slopes_there: tuple[Slope, Slope], sides: Sides, key: jax.Array
) -> Ground:
    """The segment as the rows in scope see it."""
    tables, (slope_before, slope_after) = objective.model.tables, slopes_there

    def at(delta: Params) -> Params:
        return optax.tree.add(known.params, with_zeros_behind(delta, known.params))

    def of_core(slope: tuple[Params, Params]) -> tuple[Params, Params]:
        gradient, squares = slope
        return problem.core_of(tables, gradient), problem.core_of(tables, squares)

    def product(delta: Params) -> Callable[[Params], Params]:
        whole = objective.hessian_product(at(delta), sides.after)
        return lambda v: problem.core_of(tables, whole(with_zeros_behind(v, known.params)))

    return Ground(
        of_core(slope_before(objective, known.params, sides, key)),
        lambda delta: of_core(slope_after(objective, at(delta), sides, key)),
        product,
        unsteady(objective, sides),
    )


def _sides(problem: LocalProblem, flow: Inflow | None, batch_size: jax.Array | float) -> Sides:
    before, after = problem.batches(flow)
    changed = _changed(problem.part)
    touched, replaced = (
        Batch(replace(of.examples, weights=jnp.where(changed, of.examples.weights, 0)), of.graph) for of in (before, after)
    )
    return Sides(before, after, touched, replaced, (problem.counts[0], problem.counts[1]), batch_size)


def _changed(part: Subgraph) -> jax.Array:
    """bool [c], the interactions whose terms the request touches: with those that they are compared with."""
    changed = (part.weights != part.new_weights) | (part.labels != part.new_labels)
    if part.leaders is None:
        return changed
    return jnp.zeros_like(changed).at[part.leaders].max(changed)[part.leaders]


def _telling(solutions: Solution) -> Solution:
    """Of the solves of all segments, with an axis [K] in front: the last, which would hide one that is not finite."""
    last = jax.tree.map(lambda leaf: leaf[-1], solutions)
    broken = jnp.any(solutions.status == Status.NOT_FINITE)
    status = jnp.where(broken, jnp.int32(Status.NOT_FINITE), last.status)
    return replace(last, status=status, num_steps=jnp.sum(solutions.num_steps))
