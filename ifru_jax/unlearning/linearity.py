"""How linear the step was: what the quadratic model of the objective promised, against what happened.

    predicted = −⟨∇L(θ̂), δ⟩ − ½ ⟨δ, H δ⟩,   actual = L(θ̂) − L(θ̂ + δ),   L = L(·; D_r, G_r),  H = ∇²L(θ̂)

δ is what really changed, rows set to zero included. Equal on a quadratic objective; elsewhere they differ by third-order terms, and
where the ratio leaves the neighbourhood of 1 the request was too large for one step. Costs a gradient, a product and two losses,
and so is no part of a timed request. `Solve.predicted_decrease` is another number: it is of the model whose gradient at θ̂ is −b,
in which the gradient that early stopping left over counts nothing, and it knows no cleared rows.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import optax

from ifru_jax.errors import DataError
from ifru_jax.graph import Batch
from ifru_jax.models import Params
from ifru_jax.sparse import on_host
from ifru_jax.status import Status
from ifru_jax.training import Objective, Trained
from ifru_jax.unlearning.report import Linearity, Report

VALIDATED_SHARE = 0.2
"""Of all interactions: the largest request that was compared with retraining (docs/forget_sets.md)."""
VALIDATED_RATIO = (0.5, 2.0)
"""Of actual and predicted decrease, outside of which the quadratic model says little of what happened."""


def linearity(before: Trained, after: Trained) -> Linearity:
    """Compares prediction and outcome of the step from `before` to `after`, which `forget` returned for it.

    Raises:
      DataError: the two are not one step apart.
    """
    if before.model != after.model or before.total != after.total or before.params.keys() != after.params.keys():
        raise DataError("the two models are not before and after one request: pass what was given to forget and what it returned.")
    predicted, actual = _decreases(before.objective, before.params, after.params, after.batch)
    return Linearity(float(on_host(predicted)), float(on_host(actual)))


def beyond(report: Report, size: int) -> Report:
    """The report, whose status says to retrain where a request for part of `size` interactions is beyond what was validated."""
    share, ratio = (report.forgotten + report.corrected) / size, report.linearity.ratio if report.linearity else None
    mismatch = ratio is not None and not VALIDATED_RATIO[0] <= ratio <= VALIDATED_RATIO[1]
    if share <= VALIDATED_SHARE and not mismatch:
        return report
    return replace(report, status=max(report.status, Status.RETRAIN_INSTEAD))


def with_linearity(report: Report, before: Trained, after: Trained) -> Report:
    """The report with its `linearity` filled in."""
    return replace(report, linearity=linearity(before, after))


@jax.jit
def _decreases(objective: Objective, params: Params, moved: Params, retained: Batch) -> tuple[jax.Array, jax.Array]:
    def value(p: Params) -> jax.Array:
        return objective(p, retained)

    step = optax.tree.sub(moved, params)
    start, gradient = jax.value_and_grad(value)(params)
    image = jax.jvp(jax.grad(value), (params,), (step,))[1]
    along, bend = (jnp.asarray(optax.tree.vdot(of, step)) for of in (gradient, image))
    return -along - 0.5 * bend, start - value(moved)
