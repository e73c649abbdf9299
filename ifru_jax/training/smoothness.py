"""Whether a pointwise loss has the curvature that its gradient implies.

    ∫_a^b ℓ″(s, y) ds = ℓ′(b, y) − ℓ′(a, y)

A gradient that jumps (hinge, absolute error) has no curvature where it is asked and changes all the same: a second-order step then
takes a curved loss for a straight one.

>>> check_smooth(lambda s, y: jnp.square(s - y), "squares")
>>> check_smooth(lambda s, y: jnp.maximum(0, 1 - (2 * y - 1) * s), "hinge")
Traceback (most recent call last):
    ...
ifru_jax.errors.ModelError: the gradient of hinge jumps: ...
"""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.errors import ModelError

# Logits between which the gradient is followed, and how finely.
_REACH, _POINTS = 4.0, 401


@lru_cache(maxsize=64)
def check_smooth(terms: Callable[[jax.Array, jax.Array], jax.Array], name: str) -> None:
    """Follows the gradient of ℓ (logits [n], labels [n]) → [n] for labels 0 and 1.

    Raises:
      ModelError: it is not the integral of the curvature.
    """
    # Off the places where labels and margins are, so that a jump is between two points.
    logits = jnp.linspace(-_REACH, _REACH, _POINTS) + 0.003
    for label in (0.0, 1.0):
        slope, curvature = _derivatives(terms, logits, jnp.full(logits.shape, label))
        change, bend = np.asarray(slope[-1] - slope[0]), np.trapezoid(np.asarray(curvature), np.asarray(logits))
        if np.isfinite(change) and np.isfinite(bend) and abs(change - bend) > 0.05 * float(np.ptp(slope)) + 1e-4:
            raise ModelError(
                f"the gradient of {name} jumps: from logit {-_REACH:g} to {_REACH:g} it changes by {change:.3g}, and its curvature "
                f"accounts for {bend:.3g}. A second-order step needs a loss that is twice differentiable: smooth it, such as "
                "softplus in place of a hinge."
            )


def _derivatives(
    terms: Callable[[jax.Array, jax.Array], jax.Array], logits: jax.Array, labels: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """ℓ′ and ℓ″ [n]."""

    def slope(s: jax.Array) -> jax.Array:
        return jax.grad(lambda x: jnp.sum(terms(x, labels)))(s)

    return jax.jvp(slope, (logits,), (jnp.ones_like(logits),))
