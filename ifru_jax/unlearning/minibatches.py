"""How far the gradients of a training's minibatches scatter.

    c   = Σ_b c_b q_b / number of batches in an epoch,   c_b = (1 − φ_b) / B_b,   φ_b = (B_b − 1) / (|D| − 1)
    q_b = 1 for those of B;   1 − e^{−λ} for the last,   λ = d B_b / |D| · (epochs that Adam remembers)

A batch of B_b interactions out of |D|, drawn without replacement, has the mean of their gradients, which scatters about that of all
by c_b of their mean square. All batches of an epoch have B but the last, which has what is left over: few interactions scatter far,
and without what is forgotten they may be many more or fewer. So few may be left that a row with d interactions meets the last batch
less than once in what Adam remembers (λ < 1): its v is then mostly without.
"""

import math
from typing import Self

import jax
import jax.numpy as jnp

from ifru_jax.pytree import pytree
from ifru_jax.training.record import BETA_2, Record

# Steps that Adam remembers.
MEMORY = -1 / math.log(BETA_2)


@pytree
class Minibatches:
    """Of a training.

    Attributes:
      size: B, of all but the last of an epoch.
      steps: how many the training took.
    """

    size: jax.Array | float
    steps: jax.Array | float

    @classmethod
    def of(cls, record: Record) -> Self:
        """Of a training that was recorded."""
        return cls(record.batch_size, record.steps)

    def share(self, count: jax.Array | float) -> jax.Array:
        """φ of B out of so many interactions."""
        return _share(self.size, count)

    def scatter(self, count: jax.Array | float, degrees: jax.Array | float) -> jax.Array:
        """c, for rows with so many of the interactions, of any shape; there are `count` in all."""
        full = jnp.floor(count / self.size)
        left = count - full * self.size
        # Of groups B is a mean, and rounded.
        some = left > 0.5
        batches = full + some
        # In the middle of a training Adam has seen half of it.
        epochs = jnp.minimum(self.steps / 2, MEMORY) / batches
        met = -jnp.expm1(-degrees * left / count * epochs)
        last = jnp.where(some, _scatter(jnp.maximum(left, 1), count), 0)
        return (full * _scatter(self.size, count) + met * last) / batches


def _share(size: jax.Array | float, count: jax.Array | float) -> jax.Array:
    return jnp.clip((size - 1) / jnp.maximum(count - 1, 1), 0, 1)


def _scatter(size: jax.Array | float, count: jax.Array | float) -> jax.Array:
    return (1 - _share(size, count)) / size
