"""Where training would have stopped without what is forgotten.

    θ(τ) = θ + S f(τ S H S) τ S (−∇L(θ; D, G)),   S = (n P_K)^½,   n = Σ_k n_k
    τ*(θ, D) = argmax_τ of the validation metric of θ(τ)

Training stops where its validation metric is best. Without what is forgotten that is elsewhere: later, for instance, if it was
noise that training began to learn by heart. So from the unlearned θ′ the flow of the training goes on, by

    τ*(θ′, D_r) − τ*(θ̂, D) − 1/√n    of the length of the training, if that is more than nothing.

n validation pairs don't tell τ* any finer: what a few forgotten interactions move it by is no reason to train on. The difference,
since a flow without the scatter of minibatches peaks elsewhere than the training it stands for; both see the same
validation pairs, so that what is left is what the request changed. Where nothing is forgotten it is nothing. All τ come from one
Krylov space, see `solvers.spectral`. As along the record, shared weights are held.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.graph import Batch, TrainingSet
from ifru_jax.models import Params
from ifru_jax.pytree import pytree
from ifru_jax.solvers import damping_path, lanczos
from ifru_jax.solvers.lanczos import Krylov
from ifru_jax.sparse import on_device, on_host
from ifru_jax.training import Objective
from ifru_jax.training.record import Record
from ifru_jax.training.validation import both_labels, valid_metric
from ifru_jax.unlearning.shared_weights import followers
from ifru_jax.unlearning.step import scaled_problem

# Where the metric is looked at, in lengths of the training; backwards only to see the top.
SHARES = np.array([-0.05, -0.025, 0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4])
# With fewer validation pairs the metric is a staircase.
LEAST_PAIRS = 1000
# The gradient is small and points along few directions; propagation adds stiff ones.
PRODUCTS = 6


@pytree
class Flow:
    """θ(τ) − θ for any τ, of the parameters that follow.

    Attributes:
      krylov: of S H S and −S ∇L.
      scale: S.
    """

    krylov: Krylov
    scale: Params

    def after(self, share: jax.Array | float) -> Params:
        """For τ of either sign; nothing for 0."""
        size = jnp.abs(share)
        steps = damping_path(self.krylov, jnp.reshape(1 / jnp.where(size > 0, size, 1), 1), filter="growing-flow")
        return jax.tree.map(lambda scale, step: scale * step[0] * jnp.sign(share), self.scale, steps)


class Peak(NamedTuple):
    """Where the validation metric is best along a flow."""

    share: float
    flow: Flow


def can_tell(objective: Objective, record: Record) -> bool:
    """Whether the validation pairs of a record are enough to judge parameters by."""
    return record.valid.total >= LEAST_PAIRS and both_labels(record.valid, compared=objective.loss.grouped)


def peak(objective: Objective, params: Params, record: Record, data: TrainingSet) -> Peak | None:
    """τ* of parameters that stand for `data`; None where the validation pairs are too few to tell."""
    if not can_tell(objective, record):
        return None
    pairs = Batch(record.pairs, data.graph)
    objective, steps, shares = on_device((objective, record.steps, SHARES.astype(jnp.result_type(float))))
    flow = _flow(objective, params, record.segments[-1].applied, steps, data.batch)
    return Peak(_top(SHARES, on_host(_metrics(objective, params, flow, shares, pairs))), flow)


def gone_on(objective: Objective, params: Params, record: Record, data: TrainingSet) -> tuple[Params, Record]:
    """The step from θ′ to where training on what is retained would have stopped, and the record of a training that long."""
    found = None if record.peak is None else peak(objective, params, record, data)
    share = 0.0 if found is None or record.peak is None else found.share - record.peak - record.valid.total**-0.5
    if found is None or not share > 0:
        return _nowhere(followers(objective.model, params)[0]), record
    return _after(found.flow, on_device(share)), record.longer(share)


@jax.jit
def _flow(objective: Objective, params: Params, applied: Params, steps: jax.Array, batch: Batch) -> Flow:
    (free, held), (applied, _) = (followers(objective.model, of) for of in (params, applied))
    objective = objective.holding(held)
    scale = jax.tree.map(lambda p: jnp.sqrt(steps * p), applied)
    force = optax.tree.scale(-1, objective.gradient(free, batch))
    problem = scaled_problem(objective.hessian_product(free, batch), force, scale)
    return Flow(lanczos(num_steps=PRODUCTS)(problem.product, problem.rhs), scale)


@jax.jit
def _metrics(objective: Objective, params: Params, flow: Flow, shares: jax.Array, pairs: Batch) -> jax.Array:
    """The validation metric at θ(τ) of each τ, [k]."""
    free, held = followers(objective.model, params)
    return jax.lax.map(lambda share: valid_metric(objective, optax.tree.add(free, flow.after(share)) | held, pairs), shares)


_after, _nowhere = jax.jit(Flow.after), jax.jit(optax.tree.zeros_like)


def _top(places: np.ndarray, values: np.ndarray) -> float:
    """Where values are largest, by the parabola through the largest and its neighbours."""
    best = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    if not 0 < best < len(places) - 1:
        return float(places[best])
    near = slice(best - 1, best + 2)
    curvature, incline, _ = np.polyfit(places[near], values[near] - values[best], 2)
    return float(np.clip(-incline / (2 * curvature), *places[near][[0, 2]])) if curvature < 0 else float(places[best])
