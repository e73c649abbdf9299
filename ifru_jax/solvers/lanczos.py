"""Lanczos tridiagonalisation: H ≈ Qᵀ T Q on the Krylov space of (H, b).

    β_{j+1} q_{j+1} = H q_j − α_j q_j − β_j q_{j−1},   q_0 = b / ‖b‖

with each new vector orthogonalised against all before it. One pass serves every damping (see `spectral`). Source: Lanczos (J.
Res. Natl. Bur. Stand., 1950); full reorthogonalisation after Golub & Van Loan, "Matrix Computations", §10.3.

This differs from `matfree.decomp.tridiag_sym` in one point that we need: when the space is exhausted (β → 0, the rule for
requests that touch few parameters) it stops and says so, where matfree divides by β; it also allows more steps than there are
parameters.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ifru_jax.pytree import pytree

MatVec = Callable[[jax.Array], jax.Array]


@pytree
class Krylov:
    """A Krylov space and H in it.

    Attributes:
      basis: float [m, p], orthonormal rows q_j; zero rows after a breakdown.
      diagonal: float [m], α.
      off_diagonal: float [m], β; entry j couples q_j with q_{j+1}, the last one leads out of the space.
      length: ‖b‖.
      num_steps: int32, rows of the basis in use, 0 if b = 0.
    """

    basis: jax.Array
    diagonal: jax.Array
    off_diagonal: jax.Array
    length: jax.Array
    num_steps: jax.Array

    @property
    def active(self) -> jax.Array:
        """bool [m], the steps that were taken."""
        return jnp.arange(self.diagonal.shape[0]) < self.num_steps

    def matrix(self) -> jax.Array:
        """T, float [m, m]; steps that were not taken have rows and columns of zeros."""
        coupled = jnp.where(self.active[1:], self.off_diagonal[:-1], 0)
        return jnp.diag(self.diagonal) + jnp.diag(coupled, 1) + jnp.diag(coupled, -1)


def norm(v: jax.Array) -> jax.Array:
    """‖v‖ of a float [p], whatever its scale: squares overflow float32 from 2e19 on and vanish below 1e-23."""
    largest = jnp.max(jnp.abs(v), initial=0)
    return largest * jnp.linalg.norm(v / jnp.where(largest > 0, largest, 1))


def lanczos(
    *, num_steps: int, enough: Callable[[Krylov], jax.Array] | None = None
) -> Callable[[Callable[[Any], Any], Any], Krylov]:
    """Builds `decompose(product, b)`; b is any pytree of p numbers, the space is flat.

    Args:
      num_steps: products at the most; fewer where the space is exhausted.
      enough: says of the space so far, a bool [], whether it will do; None goes on.
    """

    def decompose(product: Callable[[Any], Any], b: Any) -> Krylov:
        b, unravel = ravel_pytree(b)
        dtype = b.dtype
        tiny = jnp.finfo(dtype).eps
        length = norm(b)
        first = jnp.where(length > 0, b / jnp.where(length > 0, length, 1), 0)

        def step(state):
            basis, diagonal, off_diagonal, q, _, j, size = state
            basis = basis.at[j].set(q)
            image = ravel_pytree(product(unravel(q)))[0]
            scale = norm(image)
            unit = image / jnp.where(scale > 0, scale, 1)
            alpha = jnp.dot(q, unit)
            before = jnp.where(j > 0, off_diagonal[jnp.maximum(j - 1, 0)], 0) / jnp.where(scale > 0, scale, 1)
            rest = unit - alpha * q - before * basis[jnp.maximum(j - 1, 0)]
            rest = rest - basis.T @ (basis @ rest)
            beta = jnp.linalg.norm(rest)
            # No ‖H q‖ exceeds ‖H‖; below the rounding of that, what is left of the image is noise.
            size = jnp.maximum(size, scale)
            diagonal = diagonal.at[j].set(scale * alpha)
            alive = scale * beta > 10 * tiny * size
            off_diagonal = off_diagonal.at[j].set(jnp.where(alive, scale * beta, 0))
            q = jnp.where(alive, rest / jnp.where(beta > 0, beta, 1), 0)
            return basis, diagonal, off_diagonal, q, alive, j + 1, size

        def goes_on(state):
            basis, diagonal, off_diagonal, _, alive, taken, _ = state
            more = alive & (taken < num_steps)
            return more if enough is None else more & ~((taken > 0) & enough(Krylov(basis, diagonal, off_diagonal, length, taken)))

        zeros = jnp.zeros((num_steps,), dtype)
        start = (
            jnp.zeros((num_steps, b.shape[0]), dtype), zeros, zeros, first, length > 0, jnp.int32(0), jnp.zeros((), dtype)
        )  # fmt: skip
        # An exhausted space asks for no product more, however many steps were allowed.
        basis, diagonal, off_diagonal, _, _, taken, _ = jax.lax.while_loop(goes_on, step, start)
        return Krylov(basis, diagonal, off_diagonal, length, taken)

    return decompose
