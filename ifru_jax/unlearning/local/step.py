"""The step of small requests, on problems of their own size; a batch of independent requests is one compiled call.

    δ_S = M^-½ f(H̃_SS) b̃_S,   S = rows in scope, from the end of the training; along its record see `local.along`

b and H are summed over the interactions that depend on S alone. With no budget that is all that depends on S, and the result is
the step of the whole problem confined to S. Where the model does nothing but propagate over the graph, what comes from outside S is
taken from a record of the whole, which is kept up to date with every request (`graph.inflow`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from functools import partial
from typing import Any, Self, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.curvature import Degrees, inverse_root_metric
from ifru_jax.graph import Change, Nodes
from ifru_jax.graph.inflow import OnePass, Propagations
from ifru_jax.influence import Influence, parts_of
from ifru_jax.models import Params, Recommender
from ifru_jax.models.open_model import OpenModel, trace_propagations
from ifru_jax.models.tables import Rows, Tables, of_side, take_rows, with_zeros_behind
from ifru_jax.pytree import pytree
from ifru_jax.solvers import Solution, check
from ifru_jax.sparse import capacity_of, on_device, on_host
from ifru_jax.training import Objective
from ifru_jax.training.record import Segment
from ifru_jax.unlearning.along import SegmentSolve, adapts
from ifru_jax.unlearning.astray import warn_astray
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.local.along import LocalFollowed, Way, follow_local
from ifru_jax.unlearning.local.problem import LocalProblem, alone
from ifru_jax.unlearning.local.request import local_requests
from ifru_jax.unlearning.prepare import Prepared
from ifru_jax.unlearning.report import Scope
from ifru_jax.unlearning.step import Scalar, Update, curvature_product, damped_step, scaled_problem

Tree = TypeVar("Tree")

# A row beyond every table: what is written there is dropped.
BEYOND = np.iinfo(np.int32).max
# Rows without data are padded to so many at the least, so that a stream of requests for whole users compiles nothing new.
_LEAST_LOST = 1024


@pytree
class LocalSteps:
    """Steps of b independent requests; those that pad the batch are zero.

    Attributes:
      users: int32 [b, cu], rows of the user table that move; padding repeats row 0 and moves by 0.
      items: int32 [b, ci].
      rows: δ of these rows, per table [b, cu, …] or [b, ci, …].
      solution: evidence of each solve.
      norm_direct, norm_spillover, norm_rhs: [b], on the rows in scope.
      holds: bool [b], whether the step is to be taken (`unlearning.astray`).
    """

    users: jax.Array
    items: jax.Array
    rows: Params
    solution: Solution
    norm_direct: jax.Array
    norm_spillover: jax.Array
    norm_rhs: jax.Array
    holds: jax.Array


@pytree
class _Model:
    """What of a prepared model the compiled step reads; `way` is None where requests start from the end of the training."""

    config: IFRUConfig = field(metadata={"static": True})
    adaptive: bool = field(metadata={"static": True})
    objective: Objective
    params: Params
    propagations: Propagations
    floor: Scalar
    way: Way | None

    @classmethod
    def of(cls, state: Prepared) -> Self:
        assert state.propagations is not None
        objective = replace(state.objective, chunk_size=state.step.chunk_size or "automatic")
        way, adaptive = None, True
        if state.follows:
            assert state.record is not None
            way = Way(state.record.segments, state.on_the_way, float(state.record.batch_size))
            adaptive = adapts(state.model, state.record)
        return cls(state.step, adaptive, objective, state.params, state.propagations, state.floor, way)


@pytree
class Moved:
    """A model after a step on some of its rows.

    Attributes:
      params: θ′.
      propagations: what it propagates.
      way: what its next confined request follows; None where this one didn't.
    """

    params: Params
    propagations: Propagations
    way: Way | None


def confined_update(state: Prepared, change: Change, clock: Clock) -> Update:
    """θ' by products over the interactions that depend on the rows in scope."""
    request = local_requests(state, change.alone)
    problems = alone(request, state)
    lost = row_numbers(change.without_data)
    clock.part("scope")
    # The device solves while the host takes the interactions out of the data and the graph: "solve" is the wait that is left.
    moved, steps = solve_and_apply(state, problems, lost)
    clock.part("graph", change.after.batch)
    # On the host: every small operation on the device would be compiled for every bucket.
    found = on_host(steps)
    solution, astray = _alone(found.solution), not found.holds[0]
    if astray:
        check(solution)
        warn_astray(stacklevel=4)
        tried = solution.num_steps
        moved, steps = solve_and_apply(state.with_record(None), problems, lost)
        found = on_host(steps)
        solution = _alone(found.solution)
        solution = replace(solution, num_steps=solution.num_steps + tried)
    clock.part("solve", moved)
    graph = state.model.num_hops > 0
    left_out = 0 if state.step.max_edges is None else request.left_out_edges(0)
    influence = Influence(
        spillover="local" if graph and state.step.spillover != "none" else "none",
        affected=len(request.parts.chosen.values) - len(change.forgotten) + left_out if graph else 0,
        norm_direct=float(found.norm_direct[0]),
        norm_spillover=float(found.norm_spillover[0]),
        norm_rhs=float(found.norm_rhs[0]),
    )
    nodes = request.scope.nodes(0, change.before.sizes)
    scope = Scope.of(nodes, left_out_nodes=int(request.left_out_nodes[0]), left_out_edges=left_out)
    norm_step = float(np.sqrt(sum(np.sum(np.square(rows)) for rows in found.rows.values())))
    record, on_the_way = None, ()
    if moved.way is not None:
        assert state.record is not None
        record = state.record.without(change.after, moved.way.segments, change.request).requested(change.share)
        on_the_way = moved.way.propagations
    evidence = solution, norm_step, influence, scope
    return Update(moved.params, *evidence, moved.propagations, record, on_the_way, unresolved=astray)


def _alone(batch: Tree) -> Tree:
    """The only one of a batch."""
    return jax.tree.map(lambda leaf: leaf[0], batch)


def solve_local(state: Prepared, batches: Iterable[LocalProblem]) -> Iterator[LocalSteps]:
    """The steps of all problems of each batch, under way while the next batch is made; nothing is changed yet."""
    model = on_device(_Model.of(state))
    return (_solve_batch(model, on_device(problems)) for problems in batches)


def solve_and_apply(state: Prepared, problems: LocalProblem, lost: Any) -> tuple[Moved, LocalSteps]:
    """θ', what is propagated then, and the step that led there, as one compiled function: half as many are compiled per bucket.

    The batch is one request: several that are applied together are one for their union. `lost` is of `row_numbers`.
    """
    return _solve_and_apply(*on_device((_Model.of(state), problems, lost)))


@jax.jit
def _solve_and_apply(model: _Model, problems: LocalProblem, lost: Rows) -> tuple[Moved, LocalSteps]:
    tables, problem = model.objective.model.tables, _alone(problems)
    steps, followed = _solve(model, problem)
    batched = jax.tree.map(lambda leaf: leaf[None], steps)

    def moved(params: Params, by: Params) -> Params:
        return _without(tables, _added(tables, params, (steps.users, steps.items), by), lost)

    def propagated(propagations: Propagations, params: Params) -> Propagations:
        return _propagated(model.objective.model, propagations, params, problem, lost)

    params = apply_steps(model.objective.model, model.params, batched, lost)
    propagations = propagated(model.propagations, params)
    if model.way is None or followed is None:
        return Moved(params, propagations, None), batched
    segments = []
    for number, segment in enumerate(model.way.segments):
        middle, applied = (jax.tree.map(lambda leaf, k=number: leaf[k], of) for of in (followed.middles, followed.applied))
        segments.append(Segment(moved(segment.params, middle), moved(segment.applied, applied), segment.steps))
    on_the_way = tuple(propagated(*of) for of in zip(model.way.propagations, [of.params for of in segments], strict=True))
    way = replace(model.way, segments=tuple(segments), propagations=on_the_way)
    return Moved(params, propagations, way), batched


def _propagated(
    recommender: Recommender, propagations: Propagations, params: Params, problem: LocalProblem, lost: Rows
) -> Propagations:
    """What the model propagates with other parameters in the rows of a problem, on the graph after it."""
    flow = problem.flow(propagations)
    if flow is None:
        return propagations
    # Where anything changes, every row and every edge is in the problem.
    part = problem.part
    local = take_rows(recommender.tables, params, problem.rows)
    changed = trace_propagations(recommender, local, OnePass(part.after.graph, flow))
    # Rows without data have no edge to pass anything on, and nothing of theirs is kept.
    users, items = (
        jnp.where(jnp.arange(len(rows), dtype=rows.dtype) < count, rows, BEYOND)
        for rows, count in zip(problem.rows, part.num_rows, strict=True)
    )
    return propagations.at(users, items, changed).without(*lost)


@jax.jit
def _solve_batch(model: _Model, problems: LocalProblem) -> LocalSteps:
    return jax.vmap(lambda problem: _solve(model, problem)[0])(problems)


def _solve(model: _Model, problem: LocalProblem) -> tuple[LocalSteps, LocalFollowed | None]:
    """The step, along the training where there is a way; then with how the record moves."""
    users, items = (rows[: len(core)] for rows, core in zip(problem.rows, problem.core, strict=True))
    if model.way is None:
        return LocalSteps(users, items, *_from_the_end(model, problem), jnp.array(True)), None
    config = model.config
    solve = SegmentSolve.of(config, adaptive=model.adaptive)
    here = model.params, model.propagations
    followed = follow_local(solve, model.objective, here, model.way, problem)
    direct, spillover = followed.direct, followed.spillover
    norms = [jnp.asarray(optax.tree.norm(of)) for of in (direct, spillover, optax.tree.add(direct, spillover))]
    return LocalSteps(users, items, followed.delta, followed.solution, *norms, holds=followed.holds), followed


def _from_the_end(model: _Model, problem: LocalProblem) -> tuple[Params, Solution, jax.Array, jax.Array, jax.Array]:
    """δ_S, the evidence, and the norms of the parts of b and of b."""
    objective, config, tables = model.objective, model.config, model.objective.model.tables
    if model.propagations.any:
        objective = replace(objective, model=OpenModel(objective.model))
    before, after = problem.batches(problem.flow(model.propagations))
    everything = take_rows(tables, model.params, problem.rows)
    local = {name: everything[name] for name in tables}
    fixed = {name: value for name, value in model.params.items() if name not in tables}

    direct, spillover = (problem.core_of(tables, of) for of in parts_of(objective, everything, before, after))
    if config.spillover == "none":
        spillover = optax.tree.zeros_like(spillover)
    rhs = optax.tree.add(direct, spillover)

    total = jnp.asarray(objective.total)
    degrees = Degrees(1 + problem.user_degrees, 1 + problem.item_degrees, total, problem.median_degree)
    scale = inverse_root_metric(problem.core_of(tables, local), tables, degrees, problem.core, exponent=config.metric_exponent)
    product = curvature_product(config, objective.holding(fixed), local, after)
    damped = scaled_problem(lambda v: problem.core_of(tables, product(with_zeros_behind(v, local))), rhs, scale)
    step, solution = damped_step(config, damped, floor=model.floor)
    norm_direct, norm_spillover, norm_rhs = (jnp.asarray(optax.tree.norm(of)) for of in (direct, spillover, rhs))
    return step, solution, norm_direct, norm_spillover, norm_rhs


@partial(jax.jit, static_argnames=("model",))
def apply_steps(model: Recommender, params: Params, steps: LocalSteps, lost: Rows) -> Params:
    """θ̂ + Σ δ over the batch, with the rows that are lost (see `row_numbers`) set to zero."""
    return _without(model.tables, _added(model.tables, params, (steps.users, steps.items), steps.rows), lost)


def _added(tables: Tables, params: Params, rows: Rows, values: Params) -> Params:
    """Rows are written one by one: a pass over the tables would cost more than the step where there are many of them."""
    return params | {name: params[name].at[of_side(rows, side)].add(values[name]) for name, side in tables.items()}


def _without(tables: Tables, params: Params, lost: Rows) -> Params:
    return params | {name: params[name].at[of_side(lost, side)].set(0, mode="drop") for name, side in tables.items()}


def row_numbers(nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """int32 numbers of the users and of the items, padded by a number beyond every table."""

    def padded(found: np.ndarray) -> np.ndarray:
        out = np.full(capacity_of(len(found), least=_LEAST_LOST), BEYOND, np.int32)
        out[: len(found)] = found
        return out

    users, items = nodes.rows
    return padded(users), padded(items)
