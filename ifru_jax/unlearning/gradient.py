"""First-order unlearning: one step along the influence on the gradient.

    θ' = θ̂ + η b,   b = direct + spillover,   η = ‖b‖² / |bᵀ H b|,   H = ∇²L(θ̂; D_r, G_r)

Source: Warnecke et al., "Machine unlearning of features and labels" (NDSS 2023, arXiv 2108.11577), the first-order update
Δ = −τ Σ(∇ℓ(z̃) − ∇ℓ(z)), where a deleted z has no replacement z̃. The paper calls τ the unlearning rate, a small constant, and
leaves it to be set. Here η is that of steepest descent: an exact line search along b on the quadratic model of the retained
objective, which takes one Hessian-vector product and neither validation nor test data. Where the curvature along b is negative its
absolute value counts, and the report says NEGATIVE_CURVATURE.

b includes the spillover, which the paper, written for models without a graph, does not know; without it edges that are gone would
be forgotten by halves. Rows without data are set to zero, for which the paper has no rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from ifru_jax.curvature import hessian_product
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.models import Params, Recommender
from ifru_jax.solvers import Status
from ifru_jax.training import Trained
from ifru_jax.training.objectives import Loss, objective, squared_norm
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.ifru import right_hand_side
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.trained_method import TrainedMethod, begin, finish


@dataclass(frozen=True)
class GradientConfig:
    """The size of the step.

    Attributes:
      rate: η; None takes it from the curvature along b.
    """

    rate: float | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not self.rate > 0:
            raise DataError(f"rate is {self.rate}: it must be positive, or None to take it from the curvature.")


@dataclass(frozen=True)
class Gradient(TrainedMethod):
    """First-order unlearning as a `Method`; `Report.damping` is 1/η."""

    config: GradientConfig = GradientConfig()

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        clock = Clock()
        deletion = begin(state, request, clock)
        if isinstance(deletion, Report):
            return state, deletion
        rhs, evidence = right_hand_side(state, deletion.retained, deletion.forgotten, IFRUConfig())
        clock.part("influence", rhs)
        if self.config.rate is None:
            curvature, squared = (float(x) for x in curvature_along(
                state.model, state.loss, state.params, rhs, deletion.retained.examples, deletion.retained.graph,
                total=float(state.total), reg=state.config.reg,
            ))  # fmt: skip
            if not (abs(curvature) > 0 and squared > 0):
                raise NumericsError(
                    f"b has squared norm {squared} and curvature {curvature}: there is no step to take along it; give a rate."
                )
            rate, status = squared / abs(curvature), Status.STEPS_SPENT if curvature > 0 else Status.NEGATIVE_CURVATURE
            decrease = squared * rate - 0.5 * rate**2 * curvature
        else:
            rate, status, decrease = self.config.rate, Status.STEPS_SPENT, 0.0
        params = _move(state.params, rhs, rate)
        clock.part("solve", params)
        data = state.interactions
        evidence |= {"scope_users": data.num_users, "scope_items": data.num_items}
        evidence |= {"status": status.name, "num_products": int(self.config.rate is None)}
        return finish(state, deletion, params, clock, **evidence, damping=1 / rate, predicted_decrease=decrease)


@partial(jax.jit, static_argnames=("model", "loss"))
def curvature_along(
    model: Recommender,
    loss: Loss,
    params: Params,
    rhs: Params,
    retained: Examples,
    after: BipartiteGraph,
    *,
    total: jax.Array | float,
    reg: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """bᵀ H b and ‖b‖², for b = `rhs` and H of the retained objective."""
    product = hessian_product(lambda p: objective(model, loss, p, retained, after, total=total, reg=reg), params)
    parts = jax.tree.map(jnp.vdot, rhs, product(rhs))
    return sum(jax.tree.leaves(parts), start=jnp.zeros(())), squared_norm(rhs)


@jax.jit
def _move(params: Params, rhs: Params, rate: jax.Array | float) -> Params:
    return jax.tree.map(lambda p, b: p + rate * b, params, rhs)
