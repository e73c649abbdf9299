"""The step of small requests, on problems of their own size; a batch of independent requests is one compiled call.

    δ_S = M^-½ f(H̃_SS) b̃_S,   S = rows in scope

b and H are summed over the interactions that depend on S alone. With no budget that is all that depends on S, and the result is
the step of the whole problem confined to S. Where the model does nothing but propagate over the graph, what comes from outside S is
taken from a record of the whole, which is kept up to date with every request (`graph.inflow`).
"""

from dataclasses import field, replace
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.curvature import Degrees, inverse_root_metric
from ifru_jax.graph import Batch, Change, Nodes
from ifru_jax.graph.inflow import OnePass, OpenGraph, Propagations, inflow
from ifru_jax.influence import Influence, parts_of
from ifru_jax.models import Params, Recommender
from ifru_jax.models.open_model import OpenModel, trace_propagations
from ifru_jax.models.tables import Rows, first_rows, of_side, take_rows, with_zeros_behind
from ifru_jax.pytree import pytree
from ifru_jax.solvers import Solution
from ifru_jax.sparse import capacity_of, on_device, on_host
from ifru_jax.training import Objective
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.local.problem import LocalProblem, pack
from ifru_jax.unlearning.local.request import local_request
from ifru_jax.unlearning.prepare import Prepared
from ifru_jax.unlearning.report import Scope
from ifru_jax.unlearning.step import Scalar, Update, curvature_product, damped_step, scaled_problem

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
    """

    users: jax.Array
    items: jax.Array
    rows: Params
    solution: Solution
    norm_direct: jax.Array
    norm_spillover: jax.Array
    norm_rhs: jax.Array


@pytree
class _Model:
    """What of a prepared model the compiled step reads."""

    config: IFRUConfig = field(metadata={"static": True})
    objective: Objective
    params: Params
    propagations: Propagations
    floor: Scalar

    @classmethod
    def of(cls, state: Prepared) -> Self:
        assert state.propagations is not None
        objective = replace(state.objective, chunk_size=state.step.chunk_size or "automatic")
        return cls(state.step, objective, state.params, state.propagations, state.floor)


def confined_update(state: Prepared, change: Change, clock: Clock) -> Update:
    """θ' by products over the interactions that depend on the rows in scope."""
    request = local_request(state, change)
    problems = pack([request], state)
    lost = row_numbers(change.without_data)
    clock.part("scope")
    # The device solves while the host takes the interactions out of the data and the graph: "solve" is the wait that is left.
    params, steps, propagations = solve_and_apply(state, problems, lost)
    clock.part("graph", change.after.batch)
    clock.part("solve", steps)
    # On the host: every small operation on the device would be compiled for every bucket.
    found = on_host(steps)
    graph = state.model.num_hops > 0
    influence = Influence(
        spillover="local" if graph and state.step.spillover != "none" else "none",
        affected=len(request.part.chosen) - len(change.forgotten) + request.left_out_edges if graph else 0,
        norm_direct=float(found.norm_direct[0]),
        norm_spillover=float(found.norm_spillover[0]),
        norm_rhs=float(found.norm_rhs[0]),
    )
    scope = Scope.of(request.scope, left_out_nodes=request.left_out_nodes, left_out_edges=request.left_out_edges)
    solution = jax.tree.map(lambda leaf: leaf[0], found.solution)
    norm_step = float(np.sqrt(sum(np.sum(np.square(rows)) for rows in found.rows.values())))
    return Update(params, solution, norm_step, influence, scope, propagations)


def solve_local(state: Prepared, problems: LocalProblem) -> LocalSteps:
    """The steps of all problems of a batch; nothing is changed yet."""
    return _solve_batch(*on_device((_Model.of(state), problems)))


def solve_and_apply(state: Prepared, problems: LocalProblem, lost: Any) -> tuple[Params, LocalSteps, Propagations]:
    """θ', the step that led there, and what is propagated then, as one compiled function: half as many are compiled per bucket.

    The batch is one request: several that are applied together are one for their union. `lost` is of `row_numbers`.
    """
    return _solve_and_apply(*on_device((_Model.of(state), problems, lost)))


@jax.jit
def _solve_and_apply(model: _Model, problems: LocalProblem, lost: Rows) -> tuple[Params, LocalSteps, Propagations]:
    steps, propagations, recommender = _solve_batch(model, problems), model.propagations, model.objective.model
    moved = apply_steps(recommender, model.params, steps, lost)
    if propagations.any:
        # Where anything changes, every row and every edge is in the problem.
        part = jax.tree.map(lambda leaf: leaf[0], problems.part)
        flow = inflow(part.before.graph, propagations, part.users, part.items)
        local = take_rows(recommender.tables, moved, (part.users, part.items))
        changed = trace_propagations(recommender, local, OnePass(part.after.graph, flow))
        # Rows without data have no edge to pass anything on, and nothing of theirs is kept.
        users, items = (
            jnp.where(jnp.arange(len(rows)) < count, rows, BEYOND)
            for rows, count in zip((part.users, part.items), part.num_rows, strict=True)
        )
        propagations = propagations.at(users, items, changed).without(*lost)
    return moved, steps, propagations


@jax.jit
def _solve_batch(model: _Model, problems: LocalProblem) -> LocalSteps:
    return jax.vmap(partial(_solve, model))(problems)


def _solve(model: _Model, problem: LocalProblem) -> LocalSteps:
    part, objective, config = problem.part, model.objective, model.config
    before, after = part.before, part.after
    tables = objective.model.tables
    if model.propagations.any:
        flow = inflow(before.graph, model.propagations, part.users, part.items)
        objective = replace(objective, model=OpenModel(objective.model))
        before, after = (Batch(batch.examples, OpenGraph(batch.graph, flow)) for batch in (before, after))
    core = problem.core_users, problem.core_items
    sizes = {name: of_side(core, side).shape[0] for name, side in tables.items()}
    everything = take_rows(tables, model.params, (part.users, part.items))
    local = {name: everything[name] for name in sizes}
    fixed = {name: value for name, value in model.params.items() if name not in sizes}

    def core_of(values: Params) -> Params:
        return first_rows(values, sizes)

    direct, spillover = (core_of(part) for part in parts_of(objective, everything, before, after))
    if config.spillover == "none":
        spillover = optax.tree.zeros_like(spillover)
    rhs = optax.tree.add(direct, spillover)

    total = jnp.asarray(objective.total)
    degrees = Degrees(1 + problem.user_degrees, 1 + problem.item_degrees, total, problem.median_degree)
    scale = inverse_root_metric(core_of(local), tables, degrees, core, exponent=config.metric_exponent)
    product = curvature_product(config, objective, local, after, fixed)
    damped = scaled_problem(lambda v: core_of(product(with_zeros_behind(v, local))), rhs, scale)
    step, solution = damped_step(config, damped, floor=model.floor)
    norms = [optax.tree.norm(of) for of in (direct, spillover, rhs)]
    return LocalSteps(part.users[: len(core[0])], part.items[: len(core[1])], step, solution, *norms)


@partial(jax.jit, static_argnames=("model",))
def apply_steps(model: Recommender, params: Params, steps: LocalSteps, lost: Rows) -> Params:
    """θ̂ + Σ δ over the batch, with the rows that are lost (see `row_numbers`) set to zero.

    Rows are written one by one: a pass over the tables would cost more than the step where there are many of them.
    """
    rows = steps.users, steps.items
    return params | {
        name: params[name].at[of_side(rows, side)].add(steps.rows[name]).at[of_side(lost, side)].set(0, mode="drop")
        for name, side in model.tables.items()
    }


def row_numbers(nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """int32 numbers of the users and of the items, padded by a number beyond every table."""

    def padded(found: np.ndarray) -> np.ndarray:
        out = np.full(capacity_of(len(found), least=_LEAST_LOST), BEYOND, np.int32)
        out[: len(found)] = found
        return out

    users, items = nodes.rows
    return padded(users), padded(items)
