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

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from ifru_jax.baselines.trained_method import TrainedMethod, all_rows, finish
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.graph import Batch, Change
from ifru_jax.influence import right_hand_side
from ifru_jax.models import Params
from ifru_jax.status import Status
from ifru_jax.training import Objective, Trained, squared_norm
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report, Solve


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
    """First-order unlearning as a `Method`; `Solve.damping` is 1/η."""

    config: GradientConfig = GradientConfig()

    def change(self, state: Trained, change: Change, clock: Clock) -> tuple[Trained, Report]:
        rhs, influence = right_hand_side(state.objective, state.params, change)
        clock.part("influence", rhs)
        rate, status, decrease = self.config.rate, Status.STEPS_SPENT, None
        if rate is None:
            curvature, squared = map(float, curvature_along(state.objective, state.params, rhs, change.after.batch))
            if not (abs(curvature) > 0 and squared > 0):
                raise NumericsError(
                    f"b has squared norm {squared} and curvature {curvature}: there is no step to take along it; give a rate."
                )
            rate, status = squared / abs(curvature), Status.STEPS_SPENT if curvature > 0 else Status.NEGATIVE_CURVATURE
            decrease = squared * rate - 0.5 * rate**2 * curvature
        params = _move(state.params, rate, rhs)
        clock.part("solve", params)
        solve = Solve(int(self.config.rate is None), damping=1 / rate, predicted_decrease=decrease)
        return finish(state, change, params, clock, status=status, influence=influence, scope=all_rows(state), solve=solve)


@jax.jit
def curvature_along(objective: Objective, params: Params, rhs: Params, retained: Batch) -> tuple[jax.Array, jax.Array]:
    """bᵀ H b and ‖b‖², for b = `rhs` and H of the retained objective."""
    return jnp.asarray(optax.tree.vdot(rhs, objective.hessian_product(params, retained)(rhs))), squared_norm(rhs)


_move = jax.jit(optax.tree.add_scale)
