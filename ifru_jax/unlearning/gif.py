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

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ifru_jax.curvature import hessian_product
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.models import Params, Recommender
from ifru_jax.solvers import Solution, Status, lanczos, neumann_series, ritz
from ifru_jax.training import Trained
from ifru_jax.training.objectives import Loss, objective
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.ifru import right_hand_side
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.trained_method import TrainedMethod, begin, finish, solve_evidence

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
    spillover: str = "auto"

    def __post_init__(self) -> None:
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

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        clock = Clock()
        deletion = begin(state, request, clock)
        if isinstance(deletion, Report):
            return state, deletion
        influence = IFRUConfig(spillover="auto" if self.config.spillover == "auto" else "none")
        rhs, evidence = right_hand_side(state, deletion.retained, deletion.forgotten, influence)
        clock.part("influence", rhs)
        old = state.training_set
        at = (state.model, state.loss, state.params, rhs, old.examples, old.graph)
        scalars = {"total": float(state.total), "reg": state.config.reg}
        scale, damping, values = self.config.scale, self.config.damping, np.zeros(0)
        if scale is None or damping is None:
            values = np.asarray(spectrum(*at, **scalars, num_steps=SCALE_STEPS if damping is not None else DAMPING_STEPS))
            largest, lowest = np.nanmax(np.abs(values), initial=0.0), np.nanmin(values, initial=0.0)
            scale = (float(largest) or 1.0) if scale is None else scale
            damping = max(0.0, -float(lowest)) if damping is None else damping
            clock.part("spectrum")
        params, solution = gif_step(*at, **scalars, num_iterations=self.config.num_iterations, scale=scale, damping=damping)
        clock.part("solve", params)
        if int(solution.status) == Status.NOT_FINITE:
            raise NumericsError(
                f"{self.config.num_iterations} terms of the Neumann series are not finite, so nothing was changed: the Hessian is "
                "indefinite or the parameters are not finite; take fewer iterations, or damping=None."
            )
        status = Status(int(solution.status)).name
        data = state.interactions
        evidence |= {"scope_users": data.num_users, "scope_items": data.num_items, "status": status}
        evidence |= solve_evidence(solution)
        evidence |= {"ritz_values": tuple(float(t) for t in values if np.isfinite(t))}
        evidence["num_products"] += len(values)
        return finish(state, deletion, params, clock, **evidence)


@partial(jax.jit, static_argnames=("model", "loss", "num_steps"))
def spectrum(
    model: Recommender,
    loss: Loss,
    params: Params,
    rhs: Params,
    examples: Examples,
    graph: BipartiteGraph,
    *,
    total: jax.Array | float,
    reg: jax.Array | float,
    num_steps: int,
) -> jax.Array:
    """Ritz values [num_steps] of H in the Krylov space of b; the other arguments are those of `gif_step`."""
    product, b, _ = _flat_problem(model, loss, params, rhs, examples, graph, total=total, reg=reg)
    return ritz(lanczos(num_steps=num_steps)(product, b))[0]


@partial(jax.jit, static_argnames=("model", "loss"))
def gif_step(
    model: Recommender,
    loss: Loss,
    params: Params,
    rhs: Params,
    examples: Examples,
    graph: BipartiteGraph,
    *,
    total: jax.Array | float,
    reg: jax.Array | float,
    num_iterations: jax.Array | int,
    scale: jax.Array | float,
    damping: jax.Array | float,
) -> tuple[Params, Solution]:
    """θ̂ + δ and the evidence of the solve.

    Args:
      rhs: b.
      examples, graph: D and G, before the deletion.
      total: N.
      reg: λ₂.
      num_iterations, scale, damping: T, s, λ.
    """
    product, b, unravel = _flat_problem(model, loss, params, rhs, examples, graph, total=total, reg=reg)
    solution = neumann_series(num_steps=num_iterations)(product, b, scale=scale, damping=damping)
    return jax.tree.map(jnp.add, params, unravel(solution.solution)), solution


def _flat_problem(model, loss, params, rhs, examples, graph, *, total, reg):
    """v ↦ H v and b on flat vectors, and the way back to parameters."""
    hessian = hessian_product(lambda p: objective(model, loss, p, examples, graph, total=total, reg=reg), params)
    b, unravel = ravel_pytree(rhs)
    return lambda v: ravel_pytree(hessian(unravel(v)))[0], b, unravel
