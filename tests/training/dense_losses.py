"""Losses that ship as sums over a matrix of pairs."""

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.training import Loss, bce, bpr, softmax


def rivals_of(labels: np.ndarray, groups: np.ndarray | None, counted: np.ndarray) -> np.ndarray:
    """bool [n, n]: whether z is a positive and z′ a negative of its group, and both count."""
    if groups is None:
        return np.zeros((len(labels), len(labels)), bool)
    positive = labels > 0.5
    return (groups[:, None] == groups) & (positive & counted)[:, None] & (~positive & counted)


def summed(loss: Loss, scores: jax.Array, labels: jax.Array, counted: jax.Array, rivals: jax.Array) -> jax.Array:
    """The sum of a loss over n interactions with these scores, those that are counted (bool [n])."""
    if loss is bce:
        return jnp.sum(jnp.where(counted, jnp.log1p(jnp.exp(scores)) - labels * scores, 0))
    margins = scores[None, :] - scores[:, None]
    if loss is bpr:
        return jnp.sum(jnp.where(rivals, jnp.log1p(jnp.exp(margins)), 0))
    assert loss is softmax
    return jnp.sum(jnp.log1p(jnp.sum(jnp.where(rivals, jnp.exp(margins), 0), axis=1)))
