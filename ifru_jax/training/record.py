"""The record of a training: where it was, how long, and how far Adam let each parameter go.

    P = Σ g² · η / (√v̂ + ε) / Σ g²        per parameter, over the steps of a segment

A training of n steps is cut into segments. Of each it keeps the parameters θ_k in its middle, the number of its steps n_k, and the
preconditioner P_k that Adam really applied, weighted by the energy of the gradients: what a small lasting force on a parameter
would have been multiplied by. From these a request follows the training (`unlearning.along`) instead of guessing it from its end.

How long a training lasts is known when it is over. So boundaries are kept at every `stride` epochs, and where there are more than
twice as many as segments, every second is dropped and the stride doubles. Memory: three times the parameters per boundary.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ifru_jax.models import Params
from ifru_jax.pytree import pytree

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@pytree
class Segment:
    """Part of a training.

    Attributes:
      params: θ_k, in its middle.
      applied: P_k, shaped like the parameters.
      steps: n_k.
    """

    params: Params
    applied: Params
    steps: jax.Array | float


class Recording(NamedTuple):
    """Adam's state, with Σ g² η / (√v̂ + ε) and Σ g² since the beginning."""

    adam: Any
    applied: Params
    energy: Params


def recording_adam(learning_rate: jax.Array | float) -> optax.GradientTransformation:
    """Adam that keeps account of what it does; its updates are those of `optax.adam`."""
    adam = optax.adam(learning_rate, b1=BETA_1, b2=BETA_2, eps=EPSILON)

    def init(params: Any) -> Recording:
        zero = optax.tree.zeros_like(params)
        return Recording(adam.init(params), zero, zero)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Recording]:
        grads: Any = updates
        updates, inner = adam.update(grads, state.adam, params)
        moments: Any = inner
        count, squares = moments[0].count, moments[0].nu
        corrected = 1 - BETA_2**count

        def gain(applied: jax.Array, g: jax.Array, v: jax.Array) -> jax.Array:
            return applied + g * g * learning_rate / (jnp.sqrt(v / corrected) + EPSILON)

        applied = jax.tree.map(gain, state.applied, grads, squares)
        return updates, Recording(inner, applied, jax.tree.map(lambda e, g: e + g * g, state.energy, grads))

    return optax.GradientTransformation(init, update)


@dataclass(frozen=True)
class Boundary:
    """The training after so many epochs: parameters, and what was accumulated until then."""

    epoch: int
    params: Params
    applied: Params
    energy: Params


@dataclass
class Recorder:
    """Keeps boundaries while a training runs.

    Attributes:
      segments: K, how many are wanted.
    """

    segments: int
    stride: int = 1
    kept: list[Boundary] | None = None

    def add(self, boundary: Boundary) -> None:
        """Of the beginning, and of every epoch as it ends."""
        if self.kept is None:
            self.kept = []
        if boundary.epoch % self.stride:
            return
        self.kept.append(boundary)
        # The beginning, and two boundaries a segment: its end and its middle.
        while len(self.kept) > 4 * self.segments + 1:
            self.stride *= 2
            self.kept = [one for one in self.kept if one.epoch % self.stride == 0]

    def record(self, last: Boundary, steps_per_epoch: int) -> tuple[Segment, ...]:
        """The segments up to `last`, which training came back to: those of the best epoch."""
        known = [one for one in self.kept or [] if one.epoch < last.epoch] + [last]
        ends = [round(last.epoch * k / self.segments) for k in range(self.segments + 1)]
        bounds = list(dict.fromkeys(min(known, key=lambda one: abs(one.epoch - end)).epoch for end in ends))
        at = {one.epoch: one for one in known}
        found = []
        for low, high in pairwise(bounds):
            middle = at[min(at, key=lambda epoch: abs(epoch - (low + high) / 2))]
            applied, energy = (optax.tree.sub(getattr(at[high], name), getattr(at[low], name)) for name in ("applied", "energy"))
            mean = jax.tree.map(lambda a, e: a / jnp.maximum(e, jnp.finfo(e.dtype).tiny), applied, energy)
            found.append(Segment(middle.params, mean, float(steps_per_epoch * (high - low))))
        return tuple(found)
