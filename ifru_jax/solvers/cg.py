"""Conjugate gradients for (H + λI) δ = b that notice negative curvature.

The Hessian of a bilinear model is indefinite, and plain CG on it diverges. This one stops at the first direction p with
pᵀ(H + λI)p ≤ 0 (to rounding) and returns the point reached before it, with the status saying so. b and the directions are kept at
unit length, so that no scale of H or b that a float holds overflows on the way. Source: Hestenes & Stiefel (1952); the test is
that of Steihaug, SIAM J. Numer. Anal. 20 (1983), without the trust region.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ifru_jax.solvers.lanczos import MatVec
from ifru_jax.solvers.result import UNRESOLVED_RESIDUAL, Solution, on_pytrees
from ifru_jax.solvers.vectors import norm
from ifru_jax.status import Status


def conjugate_gradient(*, num_steps: int = 100, tolerance: float = 1e-4) -> Callable[..., Solution]:
    """Builds `solve(product, b, damping=λ)`, b any pytree; at most `num_steps` products, until ‖residual‖ ≤ tolerance ‖b‖."""

    @on_pytrees
    def solve(matvec: MatVec, b: jax.Array, *, damping: jax.Array | float) -> Solution:
        damping = jnp.asarray(damping, b.dtype)
        length = norm(b)
        unit = b / jnp.where(length > 0, length, 1)

        def damped(v):
            return matvec(v) + damping * v

        def running(state):
            _, r, *_, steps, status = state
            return (status == Status.STEPS_SPENT) & (steps < num_steps) & (norm(r) > tolerance)

        def step(state):
            x, r, p, largest, squared, steps, _ = state
            size = norm(p)
            direction = p / size
            image = damped(direction)
            curvature = jnp.dot(direction, image)
            largest = jnp.maximum(largest, norm(image))
            finite = jnp.isfinite(curvature)
            # A curvature below the rounding of the product has no sign.
            positive = finite & (curvature > jnp.finfo(b.dtype).eps * largest)
            rate = jnp.where(positive, squared / size / jnp.where(positive, curvature, 1), 0)
            x = x + rate * direction
            residual = jnp.where(positive, r - rate * image, r)
            new_squared = jnp.dot(residual, residual)
            p = residual + new_squared / jnp.where(squared > 0, squared, 1) * p
            status = jnp.select([~finite, ~positive], [Status.NOT_FINITE, Status.NEGATIVE_CURVATURE], Status.STEPS_SPENT)
            return x, residual, p, largest, new_squared, steps + 1, status.astype(jnp.int32)

        zero = jnp.zeros((), b.dtype)
        start = (jnp.zeros_like(b), unit, unit, zero, jnp.dot(unit, unit), jnp.int32(0), jnp.int32(Status.STEPS_SPENT))
        x, r, *_, steps, status = jax.lax.while_loop(running, step, start)
        relative = norm(r)
        solution = length * x
        status = jnp.select(
            [
                ~jnp.all(jnp.isfinite(solution)),
                length == 0,
                (status == Status.STEPS_SPENT) & (relative <= tolerance),
                (status == Status.STEPS_SPENT) & (relative > UNRESOLVED_RESIDUAL),
            ],
            [Status.NOT_FINITE, Status.ZERO_RIGHT_HAND_SIDE, Status.CONVERGED, Status.UNRESOLVED],
            status,
        )
        finite = status != Status.NOT_FINITE
        # (H + λ) x = b − r, so bᵀx − ½ xᵀHx needs no product more.
        decrease = length * (length * 0.5 * (jnp.dot(x, unit + r) + jnp.dot(damping * x, x)))
        return Solution(
            solution=jnp.where(finite, solution, 0),
            status=status.astype(jnp.int32),
            num_steps=steps,
            residual=jnp.where(finite, relative, 0),
            damping=damping,
            ritz_values=jnp.full((num_steps,), jnp.inf, b.dtype),
            predicted_decrease=jnp.where(finite, decrease, 0),
        )

    return solve
