"""The truncated Neumann series for (H + λI) δ = b, known as LiSSA when its products are stochastic.

    δ_T = (1/s) Σ_{k=0}^{T} (I − (H + λI)/s)^k b,   computed as  h_0 = b,  h_{k+1} = b + h_k − (H + λI) h_k / s,  δ_T = h_T / s

It converges where every eigenvalue t of H + λI lies in (0, 2s). Along a negative t the term of order k grows like (1 + |t|/s)^k: no
scale s makes the series converge, only a truncation or a damping keeps it small. Truncated, it is the spectral filter
(1 − (1 − t/s)^{T+1}) / t, which is gradient flow for a time T/s. Source: Agarwal, Bullins, Hazan, "Second-order stochastic
optimization for machine learning in linear time" (JMLR 2017); with s and λ as Koh & Liang (ICML 2017), §3.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ifru_jax.solvers.lanczos import MatVec
from ifru_jax.solvers.result import Solution, on_pytrees
from ifru_jax.solvers.vectors import norm
from ifru_jax.status import Status


def neumann_series(*, num_steps: jax.Array | int = 100, tolerance: float = 1e-4) -> Callable[..., Solution]:
    """Builds `solve(product, b, scale=s, damping=λ)`, b any pytree, with T = `num_steps` products and one for the residual.

    `num_steps` may be traced, so that one compilation serves every T.

    A residual above ‖b‖, that of δ = 0, is reported as DIVERGED, and the solution returned as the series has it.
    """

    @on_pytrees
    def solve(matvec: MatVec, b: jax.Array, *, scale: jax.Array, damping: jax.Array) -> Solution:
        scale, damping = jnp.asarray(scale, b.dtype), jnp.asarray(damping, b.dtype)

        def damped(v: jax.Array) -> jax.Array:
            return matvec(v) + damping * v

        h = jax.lax.fori_loop(0, num_steps, lambda _, h: b + h - damped(h) / scale, b)
        solution = h / scale
        residual = b - damped(solution)
        length = norm(b)
        relative = norm(residual) / jnp.where(length > 0, length, 1)
        # As in conjugate gradients: (H + λ) δ = b − r, so bᵀδ − ½ δᵀHδ needs no product more.
        decrease = 0.5 * (jnp.dot(solution, b + residual) + damping * jnp.dot(solution, solution))
        # A solution whose square overflows is none that can be used, although each of its entries is finite.
        finite = jnp.all(jnp.isfinite(solution)) & jnp.isfinite(relative) & jnp.isfinite(decrease)
        status = jnp.select(
            [~finite, length == 0, relative <= tolerance, relative > 1],
            [Status.NOT_FINITE, Status.ZERO_RIGHT_HAND_SIDE, Status.CONVERGED, Status.DIVERGED],
            Status.STEPS_SPENT,
        )
        return Solution(
            solution=jnp.where(finite, solution, 0),
            status=status.astype(jnp.int32),
            num_steps=jnp.asarray(num_steps + 1, jnp.int32),
            residual=jnp.where(finite, relative, 0),
            damping=damping,
            ritz_values=jnp.zeros((0,), b.dtype),
            predicted_decrease=jnp.where(finite, decrease, 0),
        )

    return solve
