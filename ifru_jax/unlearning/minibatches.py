"""How far the gradients of a training's minibatches scatter.

    c_b = (1 − φ_b) / B_b,   φ_b = (B_b − 1) / (|D| − 1)
    c   = c_full (1 − p + p (1 + s / p)^−½)^−2,   p = 1 − e^{−λ},   λ = d B_last / |D| · epochs

A batch of B_b interactions out of |D|, drawn without replacement, has the mean of their gradients, which scatters about that of all
by c_b of their mean square. All batches of an epoch have B but the last, which has what is left over: few interactions scatter far,
and without what is forgotten they may be many more or fewer. c_full is what those of B add to the mean over an epoch, and the last
one adds s of that. So few may be left that a row with d interactions meets the last batch less than once in the epochs that Adam
remembers. Then its v is mostly c_full, and now and then far more. What counts is the mean of one over its root, by which Adam moves
the row, where a share p of the time has met the last batch.
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
        # Of groups B is a mean, and rounded; a batch may be all there is.
        some = (left > 0.5) & (full > 0)
        batches = jnp.where(some, full + 1, full)
        usual = jnp.where(full > 0, full / jnp.maximum(batches, 1) * _scatter(self.size, count), 0)
        last = jnp.where(some, _scatter(jnp.maximum(left, 1), count) / jnp.maximum(batches, 1), 0)
        # In the middle of a training Adam has seen half of it; what is large shows until it has faded twice.
        epochs = jnp.minimum(self.steps / 2, 2 * MEMORY) / jnp.maximum(batches, 1)
        met = -jnp.expm1(-degrees * left / count * epochs)
        some &= met > 0
        more = last / jnp.where(some, usual * met, 1)
        return usual * jnp.where(some, jnp.square(1 / (1 - met + met * jax.lax.rsqrt(1 + more))), 1)


def _share(size: jax.Array | float, count: jax.Array | float) -> jax.Array:
    return jnp.clip((size - 1) / jnp.maximum(count - 1, 1), 0, 1)


def _scatter(size: jax.Array | float, count: jax.Array | float) -> jax.Array:
    return (1 - _share(size, count)) / size
