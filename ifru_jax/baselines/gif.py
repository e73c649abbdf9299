"""GIF, the graph influence function, with H⁻¹ by the Neumann series.

    b  = (1/N) [ Σ_{z ∈ D_f} ∇ℓ(z; θ̂, G) + Σ_{z ∈ A} (∇ℓ(z; θ̂, G) − ∇ℓ(z; θ̂, G_r)) ]
    θ' = θ̂ + (1/s) Σ_{k=0}^{T} (I − (H + λI)/s)^k b,   H = ∇²L(θ̂; D, G)

A are the retained interactions whose score the deletion changes. A model without a graph has none, and GIF is the classical
influence function solved by LiSSA. Source: Wu et al., "GIF: A general graph unlearning strategy via influence function" (WWW 2023,
arXiv 2304.02835) and its public code: H is that of all training data on the graph before the deletion, the step is taken once.

What the paper leaves to tuning, and what is done here:

- s is searched per data set there; here it is the largest |Ritz value| of H in a small Krylov space of b, so that I − H/s contracts
  wherever H is positive. Neither labels nor validation data enter.
- T is 5 and λ is 0, the defaults of the code.
- H is indefinite for recommenders that stopped early, so the series converges for no s; the code does not treat that, and what
  keeps its answer finite is that T is small. The truncated series is returned as it stands; a residual above ‖b‖ is reported as
  DIVERGED, and a series that overflows raises. With `damping=None` λ is |t_min|, the most negative Ritz value, as the damping of
  Koh & Liang ("Understanding black-box predictions via influence functions", ICML 2017, §4.2) is meant: then it may run long.

Rows without data are set to zero, for which the paper has no rule.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import jax
import numpy as np
import optax

from ifru_jax.baselines.trained_method import TrainedMethod, all_rows, finish
from ifru_jax.errors import DataError, NumericsError, check_whole
from ifru_jax.graph import Batch, Change
from ifru_jax.influence import right_hand_side
from ifru_jax.models import Params
from ifru_jax.solvers import Solution, lanczos, neumann_series, ritz
from ifru_jax.status import Status
from ifru_jax.training import Objective, Trained
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report, Solve

# Lanczos steps to the largest eigenvalue, which is the first to converge, and to the most negative one.
SCALE_STEPS = 10
DAMPING_STEPS = 20


@dataclass(frozen=True)
class GIFConfig:
    """How GIF inverts the Hessian.

    Attributes:
      num_iterations: T.
      scale: s, of the Hessian of the mean loss; None takes the largest |Ritz value|.
      damping: λ; None takes the absolute value of the most negative Ritz value.
      spillover: "auto", or "none" for the classical influence function on a model with a graph.
    """

    num_iterations: int = 5
    scale: float | None = None
    damping: float | None = 0.0
    spillover: Literal["auto", "none"] = "auto"

    def __post_init__(self) -> None:
        check_whole(self, "num_iterations")
        if self.num_iterations < 0 or (self.damping is not None and not self.damping >= 0):
            raise DataError(
                f"num_iterations is {self.num_iterations} and damping {self.damping}: neither can be negative; damping may be None."
            )
        if self.scale is not None and not self.scale > 0:
            raise DataError(f"scale is {self.scale}: it must be positive, or None to take it from the spectrum.")
        if self.spillover not in ("auto", "none"):
            raise DataError(f"spillover is {self.spillover!r}: choose among auto, none.")


@dataclass(frozen=True)
class GIF(TrainedMethod):
    """GIF as a `Method`."""

    config: GIFConfig = GIFConfig()

    def change(self, state: Trained, change: Change, clock: Clock) -> tuple[Trained, Report]:
        rhs, influence = right_hand_side(state.objective, state.params, change, spillover=self.config.spillover)
        clock.part("influence", rhs)
        scale, damping, values = self.config.scale, self.config.damping, np.zeros(0)
        if scale is None or damping is None:
            steps = SCALE_STEPS if damping is not None else DAMPING_STEPS
            values = np.asarray(spectrum(state.objective, state.params, rhs, change.before.batch, num_steps=steps))
            found = values[np.isfinite(values)]
            largest, lowest = np.max(np.abs(found), initial=0.0), np.min(found, initial=0.0)
            scale = (float(largest) or 1.0) if scale is None else scale
            damping = max(0.0, -float(lowest)) if damping is None else damping
            clock.part("spectrum")
        options = {"num_iterations": self.config.num_iterations, "scale": scale, "damping": damping}
        params, solution = gif_step(state.objective, state.params, rhs, change.before.batch, **options)
        clock.part("solve", params)
        status = Status(int(solution.status))
        if status is Status.NOT_FINITE:
            raise NumericsError(
                f"{self.config.num_iterations} terms of the Neumann series are not finite, so nothing was changed: the Hessian is "
                "indefinite or the parameters are not finite; take fewer iterations, or damping=None."
            )
        solve = Solve.of(solution)
        ritz_values = tuple(float(t) for t in values if np.isfinite(t))
        solve = replace(solve, ritz_values=ritz_values, num_products=solve.num_products + len(values))
        return finish(state, change, params, clock, status=status, influence=influence, scope=all_rows(state), solve=solve)


@partial(jax.jit, static_argnames="num_steps")
def spectrum(objective: Objective, params: Params, rhs: Params, batch: Batch, *, num_steps: int) -> jax.Array:
    """Ritz values [num_steps] of H in the Krylov space of b; the other arguments are those of `gif_step`."""
    return ritz(lanczos(num_steps=num_steps)(objective.hessian_product(params, batch), rhs))[0]


@jax.jit
def gif_step(
    objective: Objective,
    params: Params,
    rhs: Params,
    batch: Batch,
    *,
    num_iterations: jax.Array | int,
    scale: jax.Array | float,
    damping: jax.Array | float,
) -> tuple[Params, Solution]:
    """θ̂ + δ and the evidence of the solve.

    Args:
      objective, params: L and θ̂.
      rhs: b.
      batch: D on G, before the deletion.
      num_iterations, scale, damping: T, s, λ.
    """
    product = objective.hessian_product(params, batch)
    solution = neumann_series(num_steps=num_iterations)(product, rhs, scale=scale, damping=damping)
    return optax.tree.add(params, solution.solution), solution
