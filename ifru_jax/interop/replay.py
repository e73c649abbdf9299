"""A record for a model that comes without one: its training is gone through again along the straight way to where it ended.

    θ(s) = s θ̂,   ds/dt = −⟨P_s ∇L(s θ̂), θ̂⟩ / ‖θ̂‖²,   P_s = η / (√v_s + ε) of Adam,  η of plain gradient descent

Of the source's training the end is known, and how its optimiser moves. The way to there is not; the straight one stands for it, and
the speed at which the flow of the training goes along it tells how long it was where. Adam's P follows from the squares of the
gradients there (`unlearning.preconditioner`), of batches of one size. Once it has arrived, it stays for a quarter as long again. A
request then follows this record (`unlearning.along`) in place of reading all off the end. The learning rate only says what a step
is: a slower training takes as many more. The price is that of some fifty gradients, once.

It is for tables alone: a network is nothing on the way from 0 to where it ended. How long it stays, and that there are three
segments, was chosen on ml-100k (docs/how-to/import.md).
"""

from dataclasses import dataclass, fields
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.errors import DataError, ModelError, check_kind, check_number, check_whole
from ifru_jax.graph import Batch
from ifru_jax.models import Params
from ifru_jax.training import Objective, Trained
from ifru_jax.training.record import EPSILON, Record, Segment
from ifru_jax.unlearning import Prepared, prepare
from ifru_jax.unlearning.preconditioner import gradient_and_energy, mean_square

SEGMENTS = 3
# Of the time on the way, how much is spent at its end.
STAY = 0.25
# Places s at which the speed is taken; between 0 and the first a training is as random as it began.
_PLACES = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
# Of the highest speed: where training settles, the flow never quite arrives.
_LEAST = 0.05
_FINE = 400

Optimiser = Literal["adam", "sgd"]


@dataclass(frozen=True)
class Replay:
    """How the source trained.

    Attributes:
      optimiser: "adam", or "sgd", plain gradient descent without momentum.
      learning_rate: of it.
      batch_size: positives per step, with their negatives; 1 where every one is a step.
    """

    optimiser: Optimiser
    learning_rate: float
    batch_size: int

    def __post_init__(self) -> None:
        if self.optimiser not in get_args(Optimiser):
            known = ", ".join(get_args(Optimiser))
            raise DataError(f"optimiser is {self.optimiser!r}: choose among {known}; of others no replay is known.")
        check_number(self, "learning_rate", "batch_size")
        check_whole(self, "batch_size")
        for one in fields(self)[1:]:
            if not getattr(self, one.name) > 0:
                raise DataError(f"{one.name} is {getattr(self, one.name)}: it must be positive.")


def replayed(trained: Trained, training: Replay) -> Prepared:
    """The same model, with a record for requests to follow.

    Args:
      trained: a model that came in.
      training: how its source trained.

    Raises:
      DataError: an exact model, or another kind of thing.
      ModelError: a model with other parameters than tables, or one that this objective on this data does not lead to.
    """
    check_kind("trained", trained, Trained, "give a model that came in with an objective; exact models need no record")
    check_kind("training", training, Replay, "say how its source trained by Replay(…)")
    if shared := shared_parameters(trained):
        raise ModelError(
            f"{trained.model!r} has parameters beside its tables ({shared[0]}, …), which are nothing on the straight way from 0 to "
            "where they ended: answer requests without a replay."
        )
    record = _record(trained, training)
    if record is None:
        raise ModelError(
            "the interactions pull the model nowhere on the way to where it is: look at the order of its rows, at the loss, and "
            "whether these are the interactions it was trained on."
        )
    return prepare(prepare(trained).with_record(record))


def replayed_if_it_can_be(trained: Trained, training: Replay | None) -> Prepared:
    """The model with a record, or without one where nothing is known of its training, or nothing leads to where it is."""
    record = None if training is None or shared_parameters(trained) else _record(trained, training)
    return prepare(trained) if record is None else prepare(prepare(trained).with_record(record))


def shared_parameters(trained: Trained) -> list[str]:
    """Names of those that are no tables."""
    return sorted(trained.params.keys() - trained.model.tables.keys())


def _record(trained: Trained, training: Replay) -> Record | None:
    """None where the flow never goes towards the model."""
    data = trained.interactions
    positives = len(data) if data.groups is None else len(np.unique(data.groups))
    batch = max(1, training.batch_size * len(data) // positives)
    numbers = {"batch_size": float(batch), "learning_rate": training.learning_rate}
    flow = partial(_flow, training.optimiser, trained.objective, trained.params, trained.batch, **numbers)
    speeds = np.array([float(flow(place=place)[1]) for place in _PLACES])
    if not speeds.max() > 0:
        return None
    places, steps = _on_the_way(speeds)
    segments = []
    for place in places:
        params = jax.tree.map(lambda value, place=place: place * value, trained.params)
        segments.append(Segment(params, flow(place=place)[0], steps / SEGMENTS))
    # Where it would have stopped is not asked: nothing is known of a validation.
    return Record(tuple(segments), batch, data.select(np.zeros(0, np.int64)), adaptive=training.optimiser == "adam")


def _on_the_way(speeds: np.ndarray) -> tuple[np.ndarray, float]:
    """Where the training is in the middle of each segment, and how many steps it takes in all."""
    way = np.linspace(_PLACES[0], 1, _FINE)
    speed = np.maximum(np.interp(way, _PLACES, speeds), _LEAST * speeds.max())
    times = np.concatenate([[0], np.cumsum(np.diff(way) * (1 / speed[1:] + 1 / speed[:-1]) / 2)])
    steps = (1 + STAY) * times[-1]
    middles = (np.arange(SEGMENTS) + 0.5) / SEGMENTS * steps
    return np.interp(middles, times, way), float(steps)


@partial(jax.jit, static_argnums=0)
def _flow(
    optimiser: Optimiser,
    objective: Objective,
    params: Params,
    batch: Batch,
    *,
    batch_size: float,
    learning_rate: float,
    place: jax.Array | float,
) -> tuple[Params, jax.Array]:
    """P at s θ̂, and ds/dt there."""
    there = optax.tree.scale(place, params)
    gradient, energy = gradient_and_energy(objective, there, batch, jax.random.key(0))
    # A step is of the mean over the interactions that there are, L is divided by N.
    interactions = jnp.sum(batch.examples.weights)
    count = objective.total / interactions
    if optimiser == "sgd":
        applied = jax.tree.map(lambda value: jnp.full_like(value, learning_rate * count), params)
    else:
        squares = mean_square(objective, energy, gradient, interactions, batch_size)

        def of(value: jax.Array, v: jax.Array) -> jax.Array:
            # What nothing ever pulled, such as rows without data, Adam let stand.
            known = learning_rate * count * jnp.where(v > 0, 1 / (jnp.sqrt(v) + EPSILON), 0)
            return jnp.broadcast_to(known, value.shape)

        applied = jax.tree.map(of, params, squares)
    pull = optax.tree.vdot(optax.tree.mul(applied, gradient), params)
    return applied, -jnp.asarray(pull) / jnp.asarray(optax.tree.vdot(params, params))
