"""The step θ' = θ̂ + f(H) b over the whole data, as pure functions of arrays.

    H  = ∇²L(θ̂; D_r, G_r) on the rows in scope
    H̃ = M^-½ H M^-½,  b̃ = M^-½ b,  δ = M^-½ f(H̃) b̃

Source: Zhang et al. (arXiv 2307.02147), eq. 7–11; the metric and the filter are ours (docs).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from ifru_jax.curvature import degrees_of, inverse_root_metric, node_degrees
from ifru_jax.graph import Batch, Examples
from ifru_jax.graph.inflow import Propagations
from ifru_jax.influence import Influence
from ifru_jax.models import Params, Recommender
from ifru_jax.models.tables import Rows, clear_rows
from ifru_jax.pytree import pytree
from ifru_jax.solvers import SPECTRUM_RATIO, Solution, conjugate_gradient, spectral_step
from ifru_jax.training import Objective
from ifru_jax.training.record import Record
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.report import Scope
from ifru_jax.unlearning.shared_weights import coordinates, free_parameters

Scalar = jax.Array | float


@pytree
class StepProblem:
    """What a step is computed from.

    Attributes:
      objective: L.
      params: θ̂.
      rhs: b.
      retained: D_r on G_r.
      scope: rows that may change, bool [num_users] and [num_items]; rows without data are left out of it.
      floor: least damping.
    """

    objective: Objective
    params: Params
    rhs: Params
    retained: Batch
    scope: Rows
    floor: Scalar


@dataclass(frozen=True, eq=False)
class Update:
    """The outcome of a step: what it makes of a model, and all that is told of how.

    Attributes:
      params: θ'.
      solution: of the solve.
      norm_step: ‖δ‖.
      influence: what is known of b.
      scope: rows that could change.
      propagations: those of θ' on G_r, where the step knows them.
      record: of the training as it would have been, where the step followed it.
      on_the_way: the propagations of its θ_k, where the step knows them.
      unresolved: whether a step along the training was tried and not taken.
    """

    params: Params
    solution: Solution
    norm_step: float
    influence: Influence
    scope: Scope
    propagations: Propagations | None = None
    record: Record | None = None
    on_the_way: tuple[Propagations, ...] = ()
    unresolved: bool = False


class ScaledProblem(NamedTuple):
    """H̃ and b̃, the problem in the metric of the damping, and the way back to parameters."""

    product: Callable[[Params], Params]
    rhs: Params
    to_params: Callable[[Params], Params]


@partial(jax.jit, static_argnums=0)
def solve_step(config: IFRUConfig, problem: StepProblem) -> tuple[Params, Solution]:
    """δ, zero outside the scope and at frozen parameters, and the solver's evidence (its solution lives in the damping metric)."""
    return damped_step(config, scaled(config, problem), floor=problem.floor)


def damped_step(config: IFRUConfig, problem: ScaledProblem, *, floor: Scalar) -> tuple[Params, Solution]:
    """δ = M^-½ f(H̃) b̃ by the solver of the configuration, with its evidence."""
    if config.solver == "lanczos":
        solve = spectral_step(num_steps=config.num_steps, filter=config.filter)
        solution = solve(problem.product, problem.rhs, floor=floor, damping=config.damping)
    else:
        # H + λI must be positive definite for CG, and the floor knows how negative H is; Gauss–Newton always is.
        least = floor if config.curvature == "gauss-newton" else 2 * SPECTRUM_RATIO[config.filter] * floor
        solve = conjugate_gradient(num_steps=config.num_steps, tolerance=config.tolerance)
        solution = solve(problem.product, problem.rhs, damping=least if config.damping is None else config.damping)
    return problem.to_params(solution.solution), solution


def scaled(config: IFRUConfig, problem: StepProblem) -> ScaledProblem:
    """H̃ and b̃ of the parameters that may change."""
    model, params, retained = problem.objective.model, problem.params, problem.retained
    chex.assert_trees_all_equal_shapes(problem.rhs, params)
    names = free_parameters(model, params, config)
    free = {name: params[name] for name in names}
    fixed = {name: value for name, value in params.items() if name not in free}
    unknowns = coordinates(model, free, config)
    lost, degrees = without_data(retained.examples), degrees_of(retained.examples)
    chex.assert_trees_all_equal_shapes(tuple(problem.scope), lost)
    inside = problem.scope[0] & ~lost[0], problem.scope[1] & ~lost[1]
    scale = inverse_root_metric(unknowns.reduce(free), model.tables, degrees, inside, exponent=config.metric_exponent)
    product = curvature_product(config, problem.objective.holding(fixed), free, retained)
    return scaled_problem(
        lambda z: unknowns.reduce(product(unknowns.expand(z))),
        unknowns.reduce({name: problem.rhs[name] for name in names}),
        scale,
        lambda z: unknowns.expand(z) | optax.tree.zeros_like(fixed),
    )


def scaled_problem(
    product: Callable[[Params], Params], rhs: Params, scale: Params, to_params: Callable[[Params], Params] = lambda v: v
) -> ScaledProblem:
    """H̃ = S H S and b̃ = S b with S = M^-½ as `scale`, shaped like the unknowns; `to_params` makes parameters of them."""
    chex.assert_trees_all_equal_shapes(rhs, scale)
    return ScaledProblem(
        product=lambda v: optax.tree.mul(scale, product(optax.tree.mul(scale, v))),
        rhs=optax.tree.mul(scale, rhs),
        to_params=lambda v: to_params(optax.tree.mul(scale, v)),
    )


def curvature_product(config: IFRUConfig, objective: Objective, params: Params, retained: Batch) -> Callable[[Params], Params]:
    """v ↦ H v, or G v where the configuration says so, at `params`."""
    kinds = {"hessian": objective.hessian_product, "gauss-newton": objective.gauss_newton_product}
    return kinds[config.curvature](params, retained)


@partial(jax.jit, static_argnums=0)
def moved(model: Recommender, params: Params, step: Params, retained: Examples) -> Params:
    """θ̂ + δ with rows of nodes without a retained interaction set to zero.

    L2-regularised retraining takes a row that no interaction holds to zero; one second-order step does not.
    """
    # What doesn't move stays to the bit; adding zero would turn −0 into 0.
    values = jax.tree.map(lambda value, change: jnp.where(change == 0, value, value + change), params, step)
    return clear_rows(model.tables, values, without_data(retained))


def without_data(retained: Examples) -> Rows:
    """bool [num_users], [num_items]: rows that no interaction counts for."""
    users, items = node_degrees(retained)
    return users == 0, items == 0
