"""Conjugate gradients for (H + λI) δ = b that notice negative curvature.

The Hessian of a bilinear model is indefinite, and plain CG on it diverges. This one stops at the first direction p with
pᵀ(H + λI)p ≤ 0 and returns the point reached before it, with the status saying so. Source: Hestenes & Stiefel (1952); the test is
that of Steihaug, SIAM J. Numer. Anal. 20 (1983), without the trust region.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ifru_jax.solvers.lanczos import MatVec
from ifru_jax.solvers.result import Solution, Status


def conjugate_gradient(*, num_steps: int = 100, tolerance: float = 1e-4) -> Callable[..., Solution]:
    """Builds `solve(matvec, b, damping=λ)`; at most `num_steps` products, until ‖residual‖ ≤ tolerance ‖b‖."""

    def solve(matvec: MatVec, b: jax.Array, *, damping: jax.Array) -> Solution:
        damping = jnp.asarray(damping, b.dtype)
        length = jnp.linalg.norm(b)

        def damped(v):
            return matvec(v) + damping * v

        def running(state):
            _, _, _, squared, steps, status = state
            return (status == Status.STEPS_SPENT) & (steps < num_steps) & (jnp.sqrt(squared) > tolerance * length)

        def step(state):
            x, r, p, squared, steps, _ = state
            image = damped(p)
            curvature = jnp.dot(p, image)
            finite = jnp.isfinite(curvature)
            positive = finite & (curvature > 0)
            rate = jnp.where(positive, squared / jnp.where(positive, curvature, 1), 0)
            x = x + rate * p
            residual = jnp.where(positive, r - rate * image, r)
            new_squared = jnp.dot(residual, residual)
            p = residual + new_squared / squared * p
            status = jnp.select(
                [~finite, ~positive], [Status.NOT_FINITE, Status.NEGATIVE_CURVATURE], Status.STEPS_SPENT
            ).astype(jnp.int32)
            return x, residual, p, new_squared, steps + 1, status

        start = (jnp.zeros_like(b), b, b, jnp.dot(b, b), jnp.int32(0), jnp.int32(Status.STEPS_SPENT))
        x, r, _, squared, steps, status = jax.lax.while_loop(running, step, start)
        relative = jnp.sqrt(squared) / jnp.where(length > 0, length, 1)
        status = jnp.select(
            [~jnp.isfinite(length), length == 0, (status == Status.STEPS_SPENT) & (relative <= tolerance)],
            [Status.NOT_FINITE, Status.ZERO_RIGHT_HAND_SIDE, Status.CONVERGED],
            status,
        )
        finite = status != Status.NOT_FINITE
        x = jnp.where(finite, x, 0)
        # (H + λ) x = b − r, so the curvature along x needs no product more.
        curvature = jnp.dot(x, b - r) - damping * jnp.dot(x, x)
        return Solution(
            solution=x,
            status=status.astype(jnp.int32),
            num_steps=steps,
            residual=jnp.where(length > 0, relative, 0),
            damping=damping,
            ritz_values=jnp.full((num_steps,), jnp.nan, b.dtype),
            predicted_decrease=jnp.where(finite, jnp.dot(b, x) - 0.5 * curvature, 0),
        )

    return solve
