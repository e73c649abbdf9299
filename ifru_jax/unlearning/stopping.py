"""Where training would have stopped without what is forgotten.

    θ(τ) = θ + S f(τ S H S) τ S (−∇L(θ; D, G)),   S = (n P_K)^½,   n = Σ_k n_k
    τ*(θ, D) = argmax_τ of the validation metric of θ(τ)

Training stops where its validation metric is best. Without what is forgotten that is elsewhere: later, for instance, if it was
noise that training began to learn by heart. So from the unlearned θ′ the flow of the training goes on, by

    τ*(θ′, D_r) − τ*(θ̂, D) − 1/√n    of the length of the training, if that is more than nothing.

n validation pairs don't tell τ* any finer: what a few forgotten interactions move it by is no reason to train on. The difference,
since a flow without the scatter of minibatches peaks elsewhere than the training it stands for; both see the same
validation pairs, so that what is left is what the request changed. Where nothing is forgotten it is nothing. A metric that is the
share of some pairs counts for as much as it differs by more than its standard error. As along the record, shared weights are held.

All τ come from one Krylov space, see `solvers.spectral`. Where rows turn, as those that are divided by their length, much is too
far from linear for that: the flow goes on in short stages, each from where the one before ended. Without a large share of its data
a training may have lasted more than twice as long: a request for so much is followed as far, in stages as well. So is the one with
which requests that came one by one add up to so much.
"""

from collections.abc import Iterator
from itertools import pairwise
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
from ifru_jax.training.validation import both_labels, chance_of, valid_metric
from ifru_jax.unlearning.shared_weights import followers
from ifru_jax.unlearning.step import scaled_problem

# Where the metric is looked at, in lengths of the training; backwards only to see the top.
SHARES = np.array([-0.05, -0.025, 0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4])
# Where requests are for more than a share of LARGE: past dips of the metric, which early stopping has the patience for. One Krylov
# space is then good for LONGEST.
LARGE, LONGEST = 0.06, 0.2
# Where rows turn.
LONGEST_TURNING = 0.05
FURTHER = np.array([*SHARES, 0.6, 0.8, 1.0, 1.2])
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


class Stage(NamedTuple):
    """A part of the way on, over which the flow is taken to be that of one Krylov space.

    Attributes:
      begins, ends: lengths of the training.
      looks: where the metric is looked at in this stage.
      moved: θ(begins) − θ.
      flow: from there.
    """

    begins: float
    ends: float
    looks: np.ndarray
    moved: Params
    flow: Flow

    def at(self, share: float) -> Params:
        """θ(τ) − θ for a τ of this stage, of the parameters that follow."""
        return _further(self.moved, self.flow, on_device(share - self.begins))


def can_tell(objective: Objective, record: Record) -> bool:
    """Whether the validation pairs of a record are enough to judge parameters by."""
    return record.valid.total >= LEAST_PAIRS and both_labels(record.valid, compared=objective.loss.grouped)


class Peak(NamedTuple):
    """Where the validation metric is best on the way on.

    Attributes:
      share: τ*.
      only: the stage, where there is but one; more would be too much to hold, and are found again.
    """

    share: float
    only: Stage | None


def peak(objective: Objective, params: Params, record: Record, data: TrainingSet, looks: np.ndarray = SHARES) -> Peak | None:
    """τ* of parameters that stand for `data`, among these shares of the training; None where the validation pairs are too few."""
    if not can_tell(objective, record):
        return None
    pairs, values, only = Batch(record.pairs, data.graph), [], None
    for stage in stages(objective, params, record, data, looks):
        if len(stage.looks):
            since = on_device((stage.looks - stage.begins).astype(jnp.result_type(float)))
            values.append(on_host(_metrics(objective, params, stage.moved, stage.flow, since, pairs)))
        only = stage if stage.begins == 0 and stage.ends == looks[-1] else None
    return Peak(_top(looks, np.concatenate(values)), only)


def stages(objective: Objective, params: Params, record: Record, data: TrainingSet, looks: np.ndarray = SHARES) -> Iterator[Stage]:
    """The flow on from parameters that stand for `data`, as far as the last look; each stage is found when it is asked for."""
    last = float(looks[-1])
    longest = LONGEST_TURNING if objective.model.turning else LONGEST if last > SHARES[-1] else SHARES[-1]
    bounds = np.linspace(0, last, 1 + round(last / longest)).round(9)
    moved, steps = _nowhere(followers(objective.model, params)[0]), on_device(record.steps)
    for begins, ends in pairwise(bounds.tolist()):
        inside = looks[((looks > begins) | (begins == 0)) & (looks <= ends)]
        flow = _flow(objective, params, moved, record.segments[-1].applied, steps, data.batch)
        yield (stage := Stage(begins, ends, inside, moved, flow))
        moved = stage.at(ends)


def gone_on(objective: Objective, params: Params, record: Record, data: TrainingSet, *, last: bool = True) -> tuple[Params, Record]:
    """The step from θ′ to where training on what is retained would have stopped, and the record of a training that long.

    Args:
      objective: of the training.
      params: θ′.
      record: of a training that ended there, and how much is pending with this request.
      data: what is retained.
      last: whether the request is carried out with this; what is pending waits for its last part.
    """
    looks = SHARES
    if last and record.pending > LARGE:
        looks, record = FURTHER, record.followed_far()
    found = None if record.peak is None else peak(objective, params, record, data, looks)
    share = 0.0 if found is None or record.peak is None else found.share - record.peak - record.valid.total**-0.5
    if found is None or not share > 0:
        return _nowhere(followers(objective.model, params)[0]), record
    there = found.only or _stage_of(share, stages(objective, params, record, data, looks))
    return there.at(share), record.longer(share)


def _stage_of(share: float, way: Iterator[Stage]) -> Stage:
    """The stage that a share of the training lies in; the last where all end before."""
    stage = next(way)
    while share > stage.ends and (later := next(way, None)):
        stage = later
    return stage


@jax.jit
def _flow(objective: Objective, params: Params, moved: Params, applied: Params, steps: jax.Array, batch: Batch) -> Flow:
    (free, held), (applied, _) = (followers(objective.model, of) for of in (params, applied))
    objective, here = objective.holding(held), optax.tree.add(free, moved)
    scale = jax.tree.map(lambda p: jnp.sqrt(steps * p), applied)
    force = optax.tree.scale(-1, objective.gradient(here, batch))
    problem = scaled_problem(objective.hessian_product(here, batch), force, scale)
    return Flow(lanczos(num_steps=PRODUCTS)(problem.product, problem.rhs), scale)


@jax.jit
def _metrics(objective: Objective, params: Params, moved: Params, flow: Flow, shares: jax.Array, pairs: Batch) -> jax.Array:
    """The validation metric at each of these shares of the training further on, [k], as far as it is told from that of `params`."""
    free, held = followers(objective.model, params)
    here, known = optax.tree.add(free, moved), valid_metric(objective, params, pairs)

    def told(share: jax.Array) -> jax.Array:
        there = optax.tree.add(here, flow.after(share)) | held
        value, chance = valid_metric(objective, there, pairs), chance_of(objective, there, params, pairs)
        surely = jnp.maximum(jnp.abs(value - known) - chance, 0)
        return jnp.where(chance > 0, known + jnp.sign(value - known) * surely, value)

    return jax.lax.map(told, shares)


@jax.jit
def _further(moved: Params, flow: Flow, share: jax.Array) -> Params:
    return optax.tree.add(moved, flow.after(share))


_nowhere = jax.jit(optax.tree.zeros_like)


def _top(places: np.ndarray, values: np.ndarray) -> float:
    """Where values are largest, by the parabola through the largest and its neighbours; of equals at the one nearest to 0."""
    finite = np.where(np.isfinite(values), values, -np.inf)
    best = min(np.flatnonzero(finite == finite.max()), key=lambda place: abs(places[place]))
    if not 0 < best < len(places) - 1:
        return float(places[best])
    near = slice(best - 1, best + 2)
    curvature, incline, _ = np.polyfit(places[near], values[near] - values[best], 2)
    return float(np.clip(-incline / (2 * curvature), *places[near][[0, 2]])) if curvature < 0 else float(places[best])
