"""The step of small requests, on problems of their own size; a batch of independent requests is one compiled call.

    δ_S = M^-½ f(H̃_SS) b̃_S,   S = rows in scope

b and H are summed over the interactions that depend on S alone. With no budget that is all that depends on S, and the result is
the step of the whole problem confined to S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.curvature import Degrees
from ifru_jax.data.interactions import Interactions
from ifru_jax.graph import Examples, TrainingSet
from ifru_jax.graph.local_problem import (
    Bucket,
    HostProblem,
    LocalProblem,
    bucket_for,
    empty_problem,
    extract_problem,
    stack_problems,
)
from ifru_jax.graph.neighbourhood import Nodes
from ifru_jax.influence.direct import direct_influence
from ifru_jax.influence.scope import importance, importance_scope
from ifru_jax.influence.spillover import gradient_change
from ifru_jax.models import Params, Recommender, Side
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


def local_request(data: TrainingSet, forgotten: np.ndarray, config: IFRUConfig, *, num_hops: int) -> LocalRequest:
    """Scope and interactions of a request (places int [f] among the interactions)."""
    interactions = data.interactions
    scope, left_out = importance_scope(interactions, forgotten, config.scope, max_nodes=config.max_nodes)
    scores = None
    if config.max_edges is not None:
        scores = importance(interactions, forgotten, num_hops=max(1, num_hops))[-1]
    problem = extract_problem(data, forgotten, scope, num_hops=num_hops, max_edges=config.max_edges, importance=scores)
    return LocalRequest(problem, scope, left_out)


def pack(requests: Sequence[LocalRequest], data: TrainingSet, *, num_hops: int, size: int = 1) -> LocalProblem:
    """The requests padded to one rung of the ladder and stacked, with empty ones up to `size`."""
    problems = [request.problem for request in requests]
    missing = [empty_problem()] * (size - len(problems))
    return stack_problems([*problems, *missing], data, _bucket(requests, data, num_hops))


def own_bucket(request: LocalRequest, data: TrainingSet, *, num_hops: int) -> Bucket:
    """The smallest rung of the ladder that holds the request."""
    return _bucket([request], data, num_hops)


def _bucket(requests: Sequence[LocalRequest], data: TrainingSet, num_hops: int) -> Bucket:
    interactions: Interactions = data.interactions
    sizes = {"num_users": interactions.num_users, "num_items": interactions.num_items}
    edges = len(data.positives) if num_hops else 0
    return bucket_for([request.problem for request in requests], num_edges=edges, **sizes)


def solve_local(trained: Trained, problems: LocalProblem, config: IFRUConfig, *, floor: float) -> LocalSteps:
    """The steps of all problems of a batch; nothing is changed yet."""
    return _solve_batch(
        trained.model,
        trained.loss,
        config,
        trained.params,
        problems,
        total=float(trained.total),
        reg=trained.config.reg,
        floor=floor,
    )


def solve_and_apply(
    trained: Trained, problems: LocalProblem, config: IFRUConfig, lost: tuple[np.ndarray, np.ndarray], *, floor: float
) -> tuple[Params, LocalSteps]:
    """θ' and the steps that led there, as one compiled function: half as many are compiled per bucket."""
    return _solve_and_apply(
        trained.model,
        trained.loss,
        config,
        trained.params,
        problems,
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
    lost: tuple[jax.Array, jax.Array],
    *,
    total: Scalar,
    reg: Scalar,
    floor: Scalar,
) -> tuple[Params, LocalSteps]:
    steps = _solve_batch(model, loss, config, params, problems, total=total, reg=reg, floor=floor)
    return apply_steps(model, params, steps, lost), steps


@partial(jax.jit, static_argnames=("model", "loss", "config"))
def _solve_batch(
    model: Recommender,
    loss: Loss,
    config: IFRUConfig,
    params: Params,
    problems: LocalProblem,
    *,
    total: Scalar,
    reg: Scalar,
    floor: Scalar,
) -> LocalSteps:
    return jax.vmap(lambda problem: _solve(model, loss, config, params, problem, total=total, reg=reg, floor=floor))(problems)


def _solve(model, loss, config, params, problem: LocalProblem, *, total, reg, floor) -> LocalSteps:
    rows = {"user": problem.users, "item": problem.items}
    core: dict[Side, jax.Array] = {"user": problem.core_users, "item": problem.core_items}
    sizes = {name: core[side].shape[0] for name, side in model.tables.items()}
    local = {name: params[name][rows[side]] for name, side in model.tables.items()}
    fixed = {name: value for name, value in params.items() if name not in model.tables}

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
    everything = local | fixed
    direct = core_of(direct_influence(model, loss, everything, forgotten, problem.before, total=total, remaining=remaining))
    spillover = jax.tree.map(jnp.zeros_like, direct)
    if model.num_hops and config.spillover != "none":
        spillover = core_of(gradient_change(model, loss, everything, retained, problem.before, problem.after, total=total))
    rhs = jax.tree.map(jnp.add, direct, spillover)

    chex.assert_equal_shape_prefix([problem.core_users, problem.user_degrees], 1)
    chex.assert_equal_shape_prefix([problem.core_items, problem.item_degrees], 1)
    degrees = Degrees(1 + problem.user_degrees, 1 + problem.item_degrees, jnp.asarray(total), problem.median_degree)
    scale = inverse_root_metric(model, core_of(local), degrees, core, exponent=config.metric_exponent)
    product = curvature_product(model, loss, config, local, retained, problem.after, total=total, reg=reg, fixed=fixed)
    step, solution = damped_step(config, scaled_problem(lambda v: core_of(product(with_rest(v))), rhs, scale), floor=floor)
    norms = [jnp.sqrt(squared_norm(part)) for part in (direct, spillover, rhs)]
    ends = {side: mask.shape[0] for side, mask in core.items()}
    return LocalSteps(problem.users[: ends["user"]], problem.items[: ends["item"]], step, solution, *norms)


@partial(jax.jit, static_argnames=("model",))
def apply_steps(model: Recommender, params: Params, steps: LocalSteps, lost: tuple[jax.Array, jax.Array]) -> Params:
    """θ̂ + Σ δ over the batch, with the rows that are `lost` (bool [num_users], [num_items]) set to zero."""
    rows, gone = {"user": steps.users, "item": steps.items}, {"user": lost[0], "item": lost[1]}

    def moved(name: str, side) -> jax.Array:
        value = params[name].at[rows[side]].add(steps.rows[name])
        return jnp.where(gone[side].reshape(-1, *[1] * (value.ndim - 1)), 0, value)

    return params | {name: moved(name, side) for name, side in model.tables.items()}
