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

from ifru_jax.pytree import pytree
from ifru_jax.solvers.vectors import add_scaled, combined, divided, dot, dots, norm

MatVec = Callable[[Any], Any]


@pytree
class Krylov:
    """A Krylov space and H in it.

    Attributes:
      basis: of the structure of b, with an axis [m] in front: orthonormal vectors q_j; zero after a breakdown.
      diagonal: float [m], α.
      off_diagonal: float [m], β; entry j couples q_j with q_{j+1}, the last one leads out of the space.
      length: ‖b‖.
      num_steps: int32, rows of the basis in use, 0 if b = 0.
      following: of the structure of b: the vector that the last entry of `off_diagonal` leads to; zero after a breakdown.
    """

    basis: Any
    diagonal: jax.Array
    off_diagonal: jax.Array
    length: jax.Array
    num_steps: jax.Array
    following: Any

    @property
    def active(self) -> jax.Array:
        """bool [m], the steps that were taken."""
        return jnp.arange(self.diagonal.shape[0], dtype=self.num_steps.dtype) < self.num_steps

    def image(self, coefficients: jax.Array) -> Any:
        """H v of a vector v = Σ_j c_j q_j in the space, without a product: Qᵀ T c + β_m c_m q_{m+1}."""
        last = jnp.maximum(self.num_steps - 1, 0)
        inside = combined(self.matrix() @ coefficients, self.basis)
        return add_scaled(inside, self.off_diagonal[last] * coefficients[last], self.following)

    def matrix(self) -> jax.Array:
        """T, float [m, m]; steps that were not taken have rows and columns of zeros."""
        coupled = jnp.where(self.active[1:], self.off_diagonal[:-1], 0)
        return jnp.diag(self.diagonal) + jnp.diag(coupled, 1) + jnp.diag(coupled, -1)


def lanczos(*, num_steps: int, enough: Callable[[Krylov], jax.Array] | None = None) -> Callable[..., Krylov]:
    """Builds `decompose(product, b, most=None)`; b is any pytree, whose leaves stay apart and where they are, on any devices.

    `most`, int32 [] or None, takes fewer products than there is room for: what is compiled doesn't depend on it.

    Args:
      num_steps: products at the most; fewer where the space is exhausted.
      enough: says of the space so far, a bool [], whether it will do; None goes on.
    """

    def decompose(product: MatVec, b: Any, most: jax.Array | None = None) -> Krylov:
        allowed = num_steps if most is None else jnp.minimum(most, num_steps)
        length = norm(b)
        dtype = length.dtype
        tiny = jnp.finfo(dtype).eps
        first = _flat(jax.tree.map(lambda leaf: jnp.where(length > 0, leaf, 0), divided(b, length)))

        def shaped(flat: Any) -> Any:
            return jax.tree.map(lambda leaf, like: leaf.reshape(*leaf.shape[:-1], *like.shape), flat, b)

        def step(state):
            basis, diagonal, off_diagonal, q, _, j, size = state
            basis = jax.tree.map(lambda kept, new: kept.at[j].set(new), basis, q)
            image = _flat(product(shaped(q)))
            scale = norm(image)
            unit = divided(image, scale)
            alpha = dot(q, unit)
            before = jnp.where(j > 0, off_diagonal[jnp.maximum(j - 1, 0)], 0) / jnp.where(scale > 0, scale, 1)
            previous = jax.tree.map(lambda kept: kept[jnp.maximum(j - 1, 0)], basis)
            rest = add_scaled(add_scaled(unit, -alpha, q), -before, previous)
            rest = add_scaled(rest, -1, combined(dots(basis, rest), basis))
            beta = jnp.sqrt(dot(rest, rest))
            # No ‖H q‖ exceeds ‖H‖; below the rounding of that, what is left of the image is noise.
            size = jnp.maximum(size, scale)
            diagonal = diagonal.at[j].set(scale * alpha)
            alive = scale * beta > 10 * tiny * size
            off_diagonal = off_diagonal.at[j].set(jnp.where(alive, scale * beta, 0))
            q = jax.tree.map(lambda leaf: jnp.where(alive, leaf, 0), divided(rest, beta))
            return basis, diagonal, off_diagonal, q, alive, j + 1, size

        def goes_on(state):
            basis, diagonal, off_diagonal, q, alive, taken, _ = state
            more = alive & (taken < allowed)
            if enough is None:
                return more
            return more & ~((taken > 0) & enough(Krylov(basis, diagonal, off_diagonal, length, taken, q)))

        # Of matrices, each leaf one: with other views of them XLA writes every vector into copies of the whole basis.
        basis = jax.tree.map(lambda leaf: jnp.zeros((num_steps, leaf.size), leaf.dtype), b)
        zeros = jnp.zeros((num_steps,), dtype)
        start = (basis, zeros, zeros, first, length > 0, jnp.int32(0), jnp.zeros((), dtype))
        # An exhausted space asks for no product more, however many steps were allowed.
        basis, diagonal, off_diagonal, following, _, taken, _ = jax.lax.while_loop(goes_on, step, start)
        return Krylov(shaped(basis), diagonal, off_diagonal, length, taken, shaped(following))

    return decompose


def _flat(v: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.reshape(-1), v)
