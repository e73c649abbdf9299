"""What may be computed before any request comes: the least damping, from the spectrum of the whole problem, and what a model
propagates over the graph, where requests are confined.

    λ_floor = |t_min(H̃)| / c,   c as in `solvers.spectral`

1/λ stands for how long the model was trained, which is a property of the model, not of a request: a small request sees few
directions, and the spectrum on them alone would damp too little. The floor comes from m Lanczos steps on all rows, started from the
gradient of the loss; every request is damped at least that much, so that requests one by one add up to the same as all at once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from ifru_jax.errors import NumericsError
from ifru_jax.models import Params, Recommender
from ifru_jax.solvers import SPECTRUM_RATIO
from ifru_jax.training import Loss, Trained, objective
from ifru_jax.training.scores import automatic_chunk
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.influence_step import solve_part
from ifru_jax.unlearning.local_step import opened

# Lanczos steps to the most negative eigenvalue: more than a request takes, since every request relies on them.
SPECTRUM_STEPS = 20
# Where the whole problem is convex as far as Lanczos sees, this share of the largest Ritz value.
CONVEX_SHARE = 1e-3


def prepare(trained: Trained, *, config: IFRUConfig = IFRUConfig()) -> Trained:
    """The model with the scale of its damping and its propagations; `forget` does it itself if it was left out.

    Raises:
      NumericsError: the spectrum is not finite.
    """
    examples, graph = trained.training_set.examples, trained.training_set.graph
    data = trained.interactions
    gradient = _gradient(
        trained.model,
        trained.loss,
        trained.params,
        examples,
        graph,
        total=float(trained.total),
        reg=trained.config.reg,
        chunk_size=config.chunk_size,
    )
    everything = (jnp.ones(data.num_users, bool), jnp.ones(data.num_items, bool))
    _, solution = solve_part(
        trained.model,
        trained.loss,
        replace(config, solver="lanczos", damping=None, curvature="hessian", num_steps=SPECTRUM_STEPS, shared="update"),
        trained.params,
        gradient,
        examples,
        graph,
        everything,
        total=float(trained.total),
        reg=trained.config.reg,
        floor=1e-30,
    )
    values = jnp.asarray(solution.ritz_values)
    lowest, largest = float(jnp.nanmin(values)), float(jnp.nanmax(jnp.abs(values)))
    scale = max(-lowest, CONVEX_SHARE * largest)
    if not scale > 0:
        raise NumericsError(f"the spectrum of the Hessian reaches from {lowest} to {largest}: check the parameters.")
    return opened(replace(trained, damping_scale=scale, damping_exponent=config.metric_exponent), config)


def is_prepared(trained: Trained, config: IFRUConfig) -> bool:
    """Whether the spectrum is known in the metric of this configuration."""
    return trained.damping_scale is not None and trained.damping_exponent == config.metric_exponent


def damping_floor(trained: Trained, config: IFRUConfig) -> float:
    """λ_floor of a prepared model for the filter of this configuration."""
    assert trained.damping_scale is not None
    return trained.damping_scale / SPECTRUM_RATIO[config.filter]


@partial(jax.jit, static_argnames=("model", "loss", "chunk_size"))
def _gradient(model: Recommender, loss: Loss, params: Params, examples, graph, *, total, reg, chunk_size) -> Params:
    size = chunk_size or automatic_chunk(model, params, examples.pairs, graph)
    return jax.grad(lambda p: objective(model, loss, p, examples, graph, total=total, reg=reg, chunk_size=size))(params)
