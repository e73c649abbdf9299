"""Vectors as pytrees: inner products, norms and sums of them, leaf by leaf.

Nothing is flattened into one array: the leaves are tables, perhaps over several devices, and each would hold all of the vector.
Only numbers cross from leaf to leaf.
"""

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp


def dot(a: Any, b: Any) -> jax.Array:
    """⟨a, b⟩, a scalar."""
    return _summed(jax.tree.map(lambda x, y: jnp.tensordot(x, y, axes=x.ndim), a, b))


def dots(basis: Any, v: Any) -> jax.Array:
    """⟨q_j, v⟩ of m vectors with an axis [m] in front, [m]."""
    return _summed(jax.tree.map(lambda q, x: jnp.tensordot(q, x, axes=(tuple(range(1, q.ndim)), tuple(range(x.ndim)))), basis, v))


def combined(weights: jax.Array, basis: Any) -> Any:
    """Σ_j w_j q_j of m vectors with an axis [m] in front."""
    return jax.tree.map(lambda q: jnp.tensordot(weights, q, axes=1), basis)


def add_scaled(a: Any, weight: jax.Array | float, b: Any) -> Any:
    """a + w b."""
    return jax.tree.map(lambda x, y: x + weight * y, a, b)


def divided(a: Any, by: jax.Array) -> Any:
    """a / w, and a where w is not above 0; not by way of 1 / w, which overflows where the quotient doesn't."""
    return jax.tree.map(lambda x: x / jnp.where(by > 0, by, 1), a)


def norm(v: Any) -> jax.Array:
    """‖v‖, whatever its scale: squares overflow float32 from 2e19 on and vanish below 1e-23."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf), initial=0) for leaf in jax.tree.leaves(v)]))
    unit = divided(v, largest)
    return largest * jnp.sqrt(dot(unit, unit))


def all_finite(v: Any) -> jax.Array:
    """Whether every entry is, bool []."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(v)]))


def _summed(tree: Any) -> jax.Array:
    return reduce(jnp.add, jax.tree.leaves(tree))
