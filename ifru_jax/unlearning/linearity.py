"""How linear the step was: what the quadratic model of the objective promised, against what happened.

    predicted = −⟨∇L(θ̂), δ⟩ − ½ ⟨δ, H δ⟩,   actual = L(θ̂) − L(θ̂ + δ),   L = L(·; D_r, G_r),  H = ∇²L(θ̂)

δ is what really changed, rows set to zero included. Equal on a quadratic objective; elsewhere they differ by third-order terms, and
where the ratio leaves the neighbourhood of 1 the request was too large for one step. Costs a gradient, a product and two losses,
and so is no part of a timed request. `Report.predicted_decrease` is another number: it is of the model whose gradient at θ̂ is −b,
in which the gradient that early stopping left over counts nothing, and it knows no cleared rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.curvature import hessian_product
from ifru_jax.errors import DataError
from ifru_jax.graph import BipartiteGraph, Examples
from ifru_jax.models import Params, Recommender
from ifru_jax.training import Loss, Trained, objective
from ifru_jax.training.scores import automatic_chunk
from ifru_jax.unlearning.report import Report


@dataclass(frozen=True)
class Linearity:
    """Decreases of the retained objective, in its own units (a mean over N).

    Attributes:
      predicted: by the quadratic model at θ̂.
      actual: L(θ̂; D_r, G_r) − L(θ′; D_r, G_r); negative where the step made the retained objective worse.
    """

    predicted: float
    actual: float

    @property
    def ratio(self) -> float | None:
        """actual / predicted, 1 on a quadratic; None where nothing was predicted."""
        return self.actual / self.predicted if self.predicted else None


def linearity(before: Trained, after: Trained) -> Linearity:
    """Compares prediction and outcome of the step from `before` to `after`, which `forget` returned for it.

    Raises:
      DataError: the two are not one step apart.
    """
    if before.model != after.model or before.total != after.total or before.params.keys() != after.params.keys():
        raise DataError("the two models are not before and after one request: pass what was given to forget and what it returned.")
    predicted, actual = _decreases(
        before.model,
        before.loss,
        before.params,
        after.params,
        after.training_set.examples,
        after.training_set.graph,
        total=float(before.total),
        reg=before.config.reg,
    )
    return Linearity(float(np.asarray(predicted)), float(np.asarray(actual)))


def with_linearity(report: Report, before: Trained, after: Trained) -> Report:
    """The report with `actual_decrease` and `expected_decrease` filled in."""
    found = linearity(before, after)
    return replace(report, actual_decrease=found.actual, expected_decrease=found.predicted)


@partial(jax.jit, static_argnames=("model", "loss"))
def _decreases(
    model: Recommender,
    loss: Loss,
    params: Params,
    moved: Params,
    retained: Examples,
    graph: BipartiteGraph,
    *,
    total: float,
    reg: float,
) -> tuple[jax.Array, jax.Array]:
    chunk_size = automatic_chunk(model, params, retained.pairs, graph)

    def value(p: Params) -> jax.Array:
        return objective(model, loss, p, retained, graph, total=total, reg=reg, chunk_size=chunk_size)

    step = jax.tree.map(jnp.subtract, moved, params)
    start, gradient = jax.value_and_grad(value)(params)
    image = hessian_product(value, params, keep=False)(step)
    along, bend = _inner(gradient, step), _inner(step, image)
    return -along - 0.5 * bend, start - value(moved)


def _inner(a: Params, b: Params) -> jax.Array:
    return sum((jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)), start=jnp.zeros(()))
