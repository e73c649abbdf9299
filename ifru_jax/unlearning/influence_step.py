"""The compiled parts of the step θ' = θ̂ + f(H) b, each a pure function of arrays.

    b  = direct + spillover
    H  = ∇²L(θ̂; D_r, G_r) on the rows in scope
    H̃ = M^-½ H M^-½,  b̃ = M^-½ b,  δ = M^-½ f(H̃) b̃

Source: Zhang et al. (arXiv 2307.02147), eq. 7–11; the metric and the filter are ours (docs).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ifru_jax.curvature import Degrees, degree_metric, degrees_of, gauss_newton_product, hessian_product, node_degrees
from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.influence.direct import direct_influence
from ifru_jax.influence.spillover import gradient_change
from ifru_jax.models import Params, Recommender, Side
from ifru_jax.solvers import (
    SPECTRUM_RATIO,
    Solution,
    conjugate_gradient,
    damping_path,
    lanczos,
    spectral_step,
)
from ifru_jax.training.losses import Loss
from ifru_jax.training.objectives import objective, squared_norm, summed_loss
from ifru_jax.training.scores import Scorer, automatic_chunk
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.shared_weights import coordinates, free_parameters

Scalar = jax.Array | float


@partial(jax.jit, static_argnames=("model", "loss"))
def direct_part(
    model: Recommender,
    loss: Loss,
    params: Params,
    forgotten: Examples,
    before: BipartiteGraph,
    *,
    total: Scalar,
    remaining: jax.Array | None = None,
) -> tuple[Params, jax.Array]:
    """Direct influence and its norm; the arguments are those of `direct_influence`."""
    direct = direct_influence(model, loss, params, forgotten, before, total=total, remaining=remaining)
    return direct, jnp.sqrt(squared_norm(direct))


@partial(jax.jit, static_argnames=("model", "loss", "chunk_size"))
def spillover_part(
    model: Recommender,
    loss: Loss,
    params: Params,
    retained: Examples,
    before: BipartiteGraph,
    after: BipartiteGraph,
    *,
    total: Scalar,
    chunk_size: int | None = None,
) -> tuple[Params, jax.Array]:
    """Spillover over the whole graph and its norm."""
    size = chunk_size or automatic_chunk(model, params, retained.pairs, after)
    spillover = gradient_change(model, loss, params, retained, before, after, total=total, chunk_size=size)
    return spillover, jnp.sqrt(squared_norm(spillover))


@partial(jax.jit, static_argnames=("model", "loss", "config"))
def solve_part(
    model: Recommender,
    loss: Loss,
    config: IFRUConfig,
    params: Params,
    rhs: Params,
    retained: Examples,
    after: BipartiteGraph,
    scope: tuple[jax.Array, jax.Array],
    *,
    total: Scalar,
    reg: Scalar,
    floor: Scalar,
) -> tuple[Params, Solution]:
    """δ, zero outside the scope and at frozen parameters, and the solver's evidence (its solution lives in the damping metric).

    Args:
      rhs: b.
      retained: D_r.
      after: G_r.
      scope: rows that may change, bool [num_users] and [num_items]; rows without data are left out of it.
      total: N.
      reg: λ₂.
      floor: least damping.
    """
    problem = _scaled(model, loss, config, params, rhs, retained, after, scope, total=total, reg=reg)
    return damped_step(config, problem, floor=floor)


def damped_step(config: IFRUConfig, problem: ScaledProblem, *, floor: Scalar) -> tuple[Params, Solution]:
    """δ = M^-½ f(H̃) b̃ by the solver of the configuration, with its evidence."""
    if config.solver == "lanczos":
        solve = spectral_step(num_steps=config.num_steps, filter=config.filter)
        solution = solve(problem.product, problem.rhs, floor=floor, damping=config.damping)
    else:
        solve = conjugate_gradient(num_steps=config.num_steps, tolerance=config.tolerance)
        solution = solve(problem.product, problem.rhs, damping=_cg_damping(config, floor))
    return problem.to_params(solution.solution), solution


@partial(jax.jit, static_argnames=("model", "loss", "config"))
def path_part(
    model: Recommender,
    loss: Loss,
    config: IFRUConfig,
    params: Params,
    rhs: Params,
    retained: Examples,
    after: BipartiteGraph,
    scope: tuple[jax.Array, jax.Array],
    dampings: jax.Array,
    *,
    total: Scalar,
    reg: Scalar,
) -> Params:
    """The steps for all λ in `dampings` [k], from one Krylov space: δ [k, …].

    The other arguments are those of `solve_part`.
    """
    problem = _scaled(model, loss, config, params, rhs, retained, after, scope, total=total, reg=reg)
    krylov = lanczos(num_steps=config.num_steps)(problem.product, problem.rhs)
    return jax.vmap(problem.to_params)(damping_path(krylov, dampings, filter=config.filter))


class ScaledProblem(NamedTuple):
    """H̃ and b̃, the problem in the metric of the damping, on flat vectors."""

    product: Callable[[jax.Array], jax.Array]
    rhs: jax.Array
    to_params: Callable[[jax.Array], Params]


def scaled_problem(
    product: Callable[[Params], Params], rhs: Params, scale: Params, to_params: Callable[[Params], Params] = lambda v: v
) -> ScaledProblem:
    """H̃ = S H S and b̃ = S b with S = M^-½ as `scale`, shaped like the unknowns; `to_params` makes parameters of them."""
    chex.assert_trees_all_equal_shapes(rhs, scale)
    flat, unravel = ravel_pytree(scale)
    return ScaledProblem(
        product=lambda v: flat * ravel_pytree(product(unravel(flat * v)))[0],
        rhs=flat * ravel_pytree(rhs)[0],
        to_params=lambda v: to_params(unravel(flat * v)),
    )


def _scaled(model, loss, config, params, rhs, retained, after, scope, *, total, reg) -> ScaledProblem:
    names = free_parameters(model, params, config)
    free = {name: params[name] for name in names}
    fixed = {name: value for name, value in params.items() if name not in free}
    unknowns = coordinates(model, free, config)
    lost = _without_data(retained)
    inside: dict[Side, jax.Array] = {"user": scope[0] & ~lost["user"], "item": scope[1] & ~lost["item"]}
    reduced = unknowns.reduce(free)
    scale = inverse_root_metric(model, reduced, degrees_of(retained), inside, exponent=config.metric_exponent)
    product = curvature_product(model, loss, config, free, retained, after, total=total, reg=reg, fixed=fixed)
    nothing = jax.tree.map(jnp.zeros_like, fixed)
    return scaled_problem(
        lambda z: unknowns.reduce(product(unknowns.expand(z))),
        unknowns.reduce({name: rhs[name] for name in names}),
        scale,
        lambda z: unknowns.expand(z) | nothing,
    )


@partial(jax.jit, static_argnames=("model",))
def update_part(model: Recommender, params: Params, step: Params, retained: Examples) -> Params:
    """θ̂ + δ with rows of nodes without a retained interaction set to zero.

    L2-regularised retraining takes a row that no interaction holds to zero; one second-order step does not.
    """
    lost = _without_data(retained)

    def added(value: jax.Array, change: jax.Array) -> jax.Array:
        # What doesn't move stays to the bit; adding zero would turn −0 into 0.
        return jnp.where(change == 0, value, value + change)

    def moved(name: str):
        values = jax.tree.map(added, params[name], step[name])
        if name not in model.tables:
            return values
        gone = lost[model.tables[name]].reshape(-1, *[1] * (params[name].ndim - 1))
        return jnp.where(gone, 0, values)

    return {name: moved(name) for name in params}


@jax.jit
def add_parts(direct: Params, spillover: Params) -> tuple[Params, jax.Array]:
    """b and its norm."""
    rhs = jax.tree.map(jnp.add, direct, spillover)
    return rhs, jnp.sqrt(squared_norm(rhs))


def _cg_damping(config: IFRUConfig, floor: Scalar) -> Scalar:
    """H + λI must be positive definite for CG, and the floor knows how negative H is; Gauss–Newton always is."""
    if config.damping is not None:
        return config.damping
    return floor if config.curvature == "gauss-newton" else 2 * SPECTRUM_RATIO[config.filter] * floor


def _without_data(retained: Examples) -> dict[Side, jax.Array]:
    users, items = node_degrees(retained)
    return {"user": users == 0, "item": items == 0}


def inverse_root_metric(
    model: Recommender, params: Params, degrees: Degrees, inside: dict[Side, jax.Array], *, exponent: float
) -> Params:
    """M^-½ on the rows that are `inside` (bool, per side), 0 on all others; shaped like the parameters."""
    metric = degree_metric(params, model.tables, degrees, exponent=exponent)

    def scale(name: str):
        if name not in model.tables:
            return jax.tree.map(lambda m, leaf: jnp.broadcast_to(jax.lax.rsqrt(m), leaf.shape), metric[name], params[name])
        rows = inside[model.tables[name]].reshape(metric[name].shape)
        return jnp.broadcast_to(jnp.where(rows, jax.lax.rsqrt(metric[name]), 0), params[name].shape)

    return {name: scale(name) for name in params}


def curvature_product(
    model: Recommender,
    loss: Loss,
    config: IFRUConfig,
    params: Params,
    retained: Examples,
    after: BipartiteGraph,
    *,
    total: Scalar,
    reg: Scalar,
    fixed: Params | None = None,
) -> Callable[[Params], Params]:
    """v ↦ H v, or G v where the configuration says so, at `params`, with the parameters that are `fixed` beside them.

    G leaves an auxiliary term of the objective out: nothing says that it is convex.
    """
    beside = fixed or {}
    chunk_size = config.chunk_size or automatic_chunk(model, params | beside, retained.pairs, after)
    keep = chunk_size is None  # with chunks the point is not to hold what the products share
    if config.curvature == "hessian":

        def summed(p: Params) -> jax.Array:
            return objective(model, loss, p | beside, retained, after, total=total, reg=reg, chunk_size=chunk_size)

        return hessian_product(summed, params, keep=keep)
    product = gauss_newton_product(
        lambda p: loss.outputs(Scorer(model, p | beside, after, chunk_size), retained),
        lambda outputs: summed_loss(loss, outputs, retained) / total,
        params,
        keep=keep,
    )
    return lambda v: jax.tree.map(lambda g, leaf: g + reg * leaf, product(v), v)
