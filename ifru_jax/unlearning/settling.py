"""Shared weights once the rows have followed the record: the step from the end of the training, for them alone.

    w′ = w + S f(S H S) S r,   r = ∇_w L(θ̂; D, G) − ∇_w L(θ′; D_r, G_r),   H = ∇²_w L(θ′; D_r, G_r),   S = (n P_K)^½

with θ′ the rows as they were unlearned beside the shared weights w as they were trained, n the steps of the whole training, and f
the gradient flow for a time of 1/λ = min(1, c / |t_min|) trainings: as long as the most negative curvature allows
(`solvers.spectral`). The layers of a perceptron follow their rows in a fraction of a training, so that what moves them is what is
left at its end, and not the way there.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.graph import Batch, Change
from ifru_jax.models import Params
from ifru_jax.solvers import Solution, spectral_step
from ifru_jax.sparse import on_device
from ifru_jax.training import Objective
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Prepared
from ifru_jax.unlearning.shared_weights import coordinates, free_parameters
from ifru_jax.unlearning.step import scaled_problem


class Settled(NamedTuple):
    """How far shared weights move, and the evidence of the solve."""

    delta: Params
    solution: Solution


def settle(state: Prepared, objective: Objective, after: Params, change: Change) -> Settled | None:
    """δ of the shared weights that may change; None where there are none, as for a model that has no tables.

    Args:
      state: θ̂, the record of its training, and which shared weights may change by how many products.
      objective: L.
      after: θ′, its shared weights those of θ̂.
      change: D, G and D_r, G_r.
    """
    assert state.record is not None
    model, config, before = state.model, state.step, state.params
    names = [name for name in free_parameters(model, before, config) if name not in model.tables]
    if not model.tables or not names:
        return None
    applied = {name: state.record.segments[-1].applied[name] for name in names}
    steps = np.asarray(state.record.steps, jnp.result_type(float))
    return _settle(config, *on_device((objective, before, after, applied, steps, change.before.batch, change.after.batch)))


@partial(jax.jit, static_argnums=0)
def _settle(
    config: IFRUConfig,
    objective: Objective,
    before: Params,
    after: Params,
    applied: Params,
    steps: jax.Array | float,
    trained_on: Batch,
    retained: Batch,
) -> Settled:
    def apart(params: Params) -> tuple[Params, Objective]:
        free = {name: params[name] for name in applied}
        return free, objective.holding({name: value for name, value in params.items() if name not in free})

    (past, of_past), (here, of_here) = apart(before), apart(after)
    force = optax.tree.sub(of_past.gradient(past, trained_on), of_here.gradient(here, retained))
    scale = jax.tree.map(lambda p: jnp.sqrt(steps * p), applied)
    problem = scaled_problem(of_here.hessian_product(here, retained), force, scale)
    within = coordinates(objective.model, here, config)
    # Half of what the last segment gets: more settle nothing more (docs/step.md).
    solve = spectral_step(num_steps=(config.segment_steps + 1) // 2)
    # No longer than the training, to which the scale belongs.
    solution = solve(lambda z: within.reduce(problem.product(within.expand(z))), within.reduce(problem.rhs), floor=1.0)
    return Settled(problem.to_params(within.expand(solution.solution)), solution)
