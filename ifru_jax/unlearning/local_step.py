"""The step of small requests, on problems of their own size; a batch of independent requests is one compiled call.

    δ_S = M^-½ f(H̃_SS) b̃_S,   S = rows in scope

b and H are summed over the interactions that depend on S alone. With no budget that is all that depends on S, and the result is
the step of the whole problem confined to S. Where the model does nothing but propagate over the graph, what comes from outside S is
taken from a record of the whole, which is kept up to date with every request (`graph.inflow`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.curvature import Degrees
from ifru_jax.graph import Edges, Examples, capacity_of
from ifru_jax.graph.extraction import HostProblem, empty_problem, extract_problem
from ifru_jax.graph.incidence import Nodes
from ifru_jax.graph.inflow import OnePass, OpenGraph, Propagations, inflow
from ifru_jax.graph.local_problem import LocalProblem, Sizes, bucket_for, stack_problems
from ifru_jax.influence.direct import direct_influence
from ifru_jax.influence.scope import importance, importance_scope
from ifru_jax.influence.spillover import gradient_change
from ifru_jax.models import Params, Recommender, Side
from ifru_jax.models.open_model import OpenModel, trace_propagations
from ifru_jax.solvers import Solution
from ifru_jax.training import Trained
from ifru_jax.training.losses import Loss
from ifru_jax.training.objectives import squared_norm
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.influence_step import (
    Scalar,
    curvature_product,
    damped_step,
    inverse_root_metric,
    scaled_problem,
)
from ifru_jax.unlearning.shared_weights import free_parameters

# A row beyond every table: what is written there is dropped.
BEYOND = np.iinfo(np.int32).max


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["users", "items", "rows", "solution", "norm_direct", "norm_spillover", "norm_rhs"],
    meta_fields=[],
)
@dataclass(frozen=True)
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


@dataclass(frozen=True, eq=False)
class LocalRequest:
    """A request on the host, ready to be padded.

    Attributes:
      problem: its rows and interactions.
      scope: rows that may change.
      left_out: nodes that `max_nodes` left out of the scope.
    """

    problem: HostProblem
    scope: Nodes
    left_out: int


def is_local(trained: Trained, config: IFRUConfig) -> bool:
    """Whether a request can be solved on its own: it is confined to some rows, and all that changes has rows."""
    if config.scope is None or not trained.loss.separable:
        return False
    return all(name in trained.model.tables for name in free_parameters(trained.model, trained.params, config))


def opened(trained: Trained, config: IFRUConfig) -> Trained:
    """The model with its propagations on record, where confined requests want them."""
    wanted = is_local(trained, config) and trained.propagations is None
    return trained.with_propagations() if wanted else trained


def local_request(trained: Trained, forgotten: np.ndarray, config: IFRUConfig) -> LocalRequest:
    """Scope and interactions of a request (places int [f], ascending, among the interactions) to a model that is `opened`."""
    interactions, hops = trained.interactions, trained.model.num_hops
    lists = trained.training_set.examples.pairs
    assert isinstance(lists, Edges)
    scope, left_out = importance_scope(interactions, forgotten, config.scope, max_nodes=config.max_nodes, lists=lists)
    scores = None
    if config.max_edges is not None:
        scores = importance(interactions, forgotten, num_hops=max(1, hops), lists=lists)[-1]
    problem = extract_problem(
        trained.training_set,
        forgotten,
        scope,
        num_hops=hops,
        is_open=_is_open(trained),
        max_edges=config.max_edges,
        importance=scores,
    )
    return LocalRequest(problem, scope, left_out)


def _is_open(trained: Trained) -> bool:
    assert trained.propagations is not None
    return trained.propagations.any


def pack(requests: Sequence[LocalRequest], trained: Trained, *, size: int = 1) -> LocalProblem:
    """The requests padded to one rung of the ladder and stacked, with empty ones up to `size`."""
    problems = [request.problem for request in requests]
    missing = [empty_problem()] * (size - len(problems))
    return stack_problems([*problems, *missing], trained.training_set, bucket_for(problems, sizes_of(trained)))


def sizes_of(trained: Trained) -> Sizes:
    """What bounds the problems of this model, which is `opened`."""
    data, edges = trained.interactions, len(trained.training_set.positives) if trained.model.num_hops else 0
    return Sizes(data.num_users, data.num_items, edges, _is_open(trained))


def solve_local(trained: Trained, problems: LocalProblem, config: IFRUConfig, *, floor: float) -> LocalSteps:
    """The steps of all problems of a batch; nothing is changed yet."""
    return _solve_batch(
        trained.model,
        trained.loss,
        config,
        trained.params,
        problems,
        trained.propagations,
        total=float(trained.total),
        reg=trained.config.reg,
        floor=floor,
    )


def solve_and_apply(
    trained: Trained, problems: LocalProblem, config: IFRUConfig, lost: tuple[np.ndarray, np.ndarray], *, floor: float
) -> tuple[Params, LocalSteps, Propagations]:
    """θ', the step that led there, and what is propagated then, as one compiled function: half as many are compiled per bucket.

    The batch is one request: several that are applied together are one for their union.
    """
    return _solve_and_apply(
        trained.model,
        trained.loss,
        config,
        trained.params,
        problems,
        trained.propagations,
        lost,
        total=float(trained.total),
        reg=trained.config.reg,
        floor=floor,
    )


@partial(jax.jit, static_argnames=("model", "loss", "config"))
def _solve_and_apply(
    model: Recommender,
    loss: Loss,
    config: IFRUConfig,
    params: Params,
    problems: LocalProblem,
    propagations: Propagations,
    lost: tuple[jax.Array, jax.Array],
    *,
    total: Scalar,
    reg: Scalar,
    floor: Scalar,
) -> tuple[Params, LocalSteps, Propagations]:
    steps = _solve_batch(model, loss, config, params, problems, propagations, total=total, reg=reg, floor=floor)
    moved = apply_steps(model, params, steps, lost)
    if propagations.any:
        # Where anything changes, every row and every edge is in the problem.
        problem = jax.tree.map(lambda leaf: leaf[0], problems)
        flow = inflow(problem.before, propagations, problem.users, problem.items)
        changed = trace_propagations(model, _local_params(model, moved, problem), OnePass(problem.after, flow))
        # Rows without data have no edge to pass anything on, and nothing of theirs is kept.
        propagations = propagations.at(*_real_rows(problem), changed).without(*lost)
    return moved, steps, propagations


def _real_rows(problem: LocalProblem) -> tuple[jax.Array, jax.Array]:
    """Rows of users and of items, with a number beyond every table where there is padding."""
    users, items = (
        jnp.where(jnp.arange(len(rows)) < count, rows, BEYOND)
        for rows, count in zip((problem.users, problem.items), problem.num_rows, strict=True)
    )
    return users, items


@partial(jax.jit, static_argnames=("model", "loss", "config"))
def _solve_batch(
    model: Recommender,
    loss: Loss,
    config: IFRUConfig,
    params: Params,
    problems: LocalProblem,
    propagations: Propagations,
    *,
    total: Scalar,
    reg: Scalar,
    floor: Scalar,
) -> LocalSteps:
    def one(problem: LocalProblem) -> LocalSteps:
        return _solve(model, loss, config, params, problem, propagations, total=total, reg=reg, floor=floor)

    return jax.vmap(one)(problems)


def _local_params(model: Recommender, params: Params, problem: LocalProblem) -> Params:
    rows = {"user": problem.users, "item": problem.items}
    return params | {name: params[name][rows[side]] for name, side in model.tables.items()}


def _solve(model, loss, config, params, problem: LocalProblem, propagations: Propagations, *, total, reg, floor) -> LocalSteps:
    before: Any = problem.before
    after: Any = problem.after
    if propagations.any:
        flow = inflow(before, propagations, problem.users, problem.items)
        model, before, after = OpenModel(model), OpenGraph(before, flow), OpenGraph(after, flow)
    core: dict[Side, jax.Array] = {"user": problem.core_users, "item": problem.core_items}
    sizes = {name: core[side].shape[0] for name, side in model.tables.items()}
    everything = _local_params(model, params, problem)
    local = {name: everything[name] for name in sizes}
    fixed = {name: value for name, value in params.items() if name not in sizes}

    def core_of(tables: Params) -> Params:
        return {name: tables[name][:size] for name, size in sizes.items()}

    def with_rest(core_rows: Params) -> Params:
        return {name: jnp.zeros_like(local[name]).at[: sizes[name]].set(value) for name, value in core_rows.items()}

    retained = Examples(problem.pairs, problem.labels, problem.retained, problem.leaders)
    forgotten, remaining = replace(retained, weights=problem.forgotten), None
    if loss.grouped and problem.leaders is not None:
        # The whole groups that lose a member, before and after.
        leaders = problem.leaders
        touched = jax.ops.segment_max(problem.forgotten, leaders, num_segments=leaders.shape[0])[leaders]
        forgotten = replace(retained, weights=touched * (problem.forgotten + problem.retained))
        remaining = touched * problem.retained
    direct = core_of(direct_influence(model, loss, everything, forgotten, before, total=total, remaining=remaining))
    spillover = jax.tree.map(jnp.zeros_like, direct)
    if model.num_hops and config.spillover != "none":
        spillover = core_of(gradient_change(model, loss, everything, retained, before, after, total=total))
    rhs = jax.tree.map(jnp.add, direct, spillover)

    chex.assert_equal_shape_prefix([problem.core_users, problem.user_degrees], 1)
    chex.assert_equal_shape_prefix([problem.core_items, problem.item_degrees], 1)
    degrees = Degrees(1 + problem.user_degrees, 1 + problem.item_degrees, jnp.asarray(total), problem.median_degree)
    scale = inverse_root_metric(model, core_of(local), degrees, core, exponent=config.metric_exponent)
    product = curvature_product(model, loss, config, local, retained, after, total=total, reg=reg, fixed=fixed)
    step, solution = damped_step(config, scaled_problem(lambda v: core_of(product(with_rest(v))), rhs, scale), floor=floor)
    norms = [jnp.sqrt(squared_norm(part)) for part in (direct, spillover, rhs)]
    ends = {side: mask.shape[0] for side, mask in core.items()}
    return LocalSteps(problem.users[: ends["user"]], problem.items[: ends["item"]], step, solution, *norms)


@partial(jax.jit, static_argnames=("model",))
def apply_steps(model: Recommender, params: Params, steps: LocalSteps, lost: tuple[jax.Array, jax.Array]) -> Params:
    """θ̂ + Σ δ over the batch, with the rows that are lost (see `rows_without_data`) set to zero.

    Rows are written one by one: a pass over the tables would cost more than the step where there are many of them.
    """
    rows, gone = {"user": steps.users, "item": steps.items}, {"user": lost[0], "item": lost[1]}

    def moved(name: str, side: Side) -> jax.Array:
        return params[name].at[rows[side]].add(steps.rows[name]).at[gone[side]].set(0, mode="drop")

    return params | {name: moved(name, side) for name, side in model.tables.items()}


# Rows without data are padded to so many at the least, so that a stream of requests for whole users compiles nothing new.
_LEAST_LOST = 1024


def rows_without_data(degrees: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """int32 numbers of the users and the items without an interaction (`degrees` int [num_users], [num_items]), padded."""

    def padded(counts: np.ndarray) -> np.ndarray:
        found = np.flatnonzero(counts == 0)
        out = np.full(capacity_of(len(found), least=_LEAST_LOST), BEYOND, np.int32)
        out[: len(found)] = found
        return out

    return padded(degrees[0]), padded(degrees[1])
