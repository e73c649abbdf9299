"""The step δ = f(H) b by a spectral filter f, from one Krylov space.

    T = V diag(t) Vᵀ,   δ = ‖b‖ Qᵀ V f(t) Vᵀ e₁

Filters, none of which can blow up where the curvature t is negative:

    gradient flow   f(t) = (1 − e^{−|t|/λ}) / |t|                                  at most f(0) = 1/λ
    absolute        f(t) = 1 / (|t| + λ)                                           at most f(0) = 1/λ
    growing flow    f(t) = (1 − e^{−|t|/λ}) / |t| · e^{min(max(−t/λ, 0), 1)}       at most f(−λ) = (e − 1)/λ

Gradient flow under a lasting force b goes, after a time 1/λ, as far as (1 − e^{−t/λ}) / t times b. An early-stopped model is
such a flow that was stopped, and without D_f it would have felt b all the while. How long it was trained shows in its spectrum:
a direction with t < 0 is one that training was still escaping along when it stopped. Hence the rule, which consults no label:

    λ = max(|t_min| / c, λ_floor)

with t_min the most negative Ritz value, c = 2.5 for the gradient flow and 3 for the absolute filter (measured: docs/step.md).
Every λ can be read off the same space (`damping_path`). The growing flow is the true one, (1 − e^{−t/λ}) / t, down to t = −λ, and
less below; it is for times 1/λ that are known (`unlearning.along`), not for the rule. Source: |t| in place of t is the
"saddle-free" step of Dauphin et al. (NeurIPS 2014), §4; early stopping as the spectral filter 1 − e^{−tτ}: Ali, Kolter, Tibshirani
(AISTATS 2019), §3.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ifru_jax.solvers.lanczos import Krylov, MatVec, lanczos
from ifru_jax.solvers.result import UNRESOLVED_RESIDUAL, Solution
from ifru_jax.solvers.vectors import all_finite, combined
from ifru_jax.status import Status

FilterName = Literal["gradient-flow", "absolute", "growing-flow"]

# c of the damping rule, per filter; the last has none of its own.
SPECTRUM_RATIO: dict[FilterName, float] = {"gradient-flow": 2.5, "absolute": 3.0, "growing-flow": 2.5}


def gradient_flow(values: jax.Array, damping: jax.Array) -> jax.Array:
    """(1 − e^{−|t|/λ}) / |t|, continued by 1/λ at t = 0."""
    size = jnp.abs(values)
    ratio = size / damping
    flat = ratio == 0
    return jnp.where(flat, 1 / damping, -jnp.expm1(-ratio) / jnp.where(flat, 1, size))


def growing_flow(values: jax.Array, damping: jax.Array) -> jax.Array:
    """(1 − e^{−t/λ}) / t down to t = −λ, and e times the gradient flow below."""
    return gradient_flow(values, damping) * jnp.exp(jnp.clip(-values / damping, 0, 1))


def absolute(values: jax.Array, damping: jax.Array) -> jax.Array:
    """1 / (|t| + λ)."""
    return 1 / (jnp.abs(values) + damping)


FILTERS: dict[FilterName, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "gradient-flow": gradient_flow,
    "absolute": absolute,
    "growing-flow": growing_flow,
}


def spectral_step(
    *, num_steps: int = 20, filter: FilterName = "gradient-flow", tolerance: float | None = None
) -> Callable[..., Solution]:
    """Builds `solve(product, b, floor=…, damping=…, most=…)`, b any pytree.

    `most` is as in `lanczos`. `floor` is the least λ that the rule may choose, > 0; `damping` (float or None) overrides the rule.
    With a `tolerance`, which needs a `damping`, products end where the residual of the flow, β_m |y_m| / λ of a solution y in the
    Krylov space, is below that share of ‖y‖ (Hochbruck, Lubich and Selhofer, SIAM J. Sci. Comput. 19, 1998, §6.3).
    """

    decompose = spectral_step_with_space(num_steps=num_steps, filter=filter, tolerance=tolerance)

    def solve(matvec: MatVec, b: Any, **options: Any) -> Solution:
        return decompose(matvec, b, **options)[0]

    return solve


def spectral_step_with_space(
    *, num_steps: int, filter: FilterName, tolerance: float | None
) -> Callable[..., tuple[Solution, Callable[[], Any]]]:
    """The same, which also returns what gives H δ, out of the space and without another product."""

    def solve(
        matvec: MatVec, b: Any, *, floor: jax.Array, damping: jax.Array | None = None, most: jax.Array | None = None
    ) -> tuple[Solution, Callable[[], Any]]:
        def enough(krylov: Krylov) -> jax.Array:
            assert tolerance is not None
            assert damping is not None
            values, vectors = ritz(krylov)
            coefficients = vectors @ _weights(krylov, values, vectors, damping, filter)
            last = krylov.num_steps - 1
            # One product tells nothing of what a second would.
            small = krylov.off_diagonal[last] * jnp.abs(coefficients[last]) < tolerance * damping * jnp.linalg.norm(coefficients)
            return (krylov.num_steps > 1) & small

        krylov = lanczos(num_steps=num_steps, enough=None if tolerance is None else enough)(matvec, b, most)
        values, vectors = ritz(krylov)
        ratio = SPECTRUM_RATIO[filter]
        chosen = damping_from_spectrum(values, floor=floor, ratio=ratio) if damping is None else damping
        chosen = jnp.asarray(chosen, krylov.length.dtype)
        found = _solution(krylov, values, vectors, chosen, filter)

        def image() -> Any:
            return krylov.image(krylov.length * (vectors @ _weights(krylov, values, vectors, chosen, filter)))

        if tolerance is None:
            return found, image
        ended = (found.status == Status.STEPS_SPENT) | (found.status == Status.UNRESOLVED)
        status = jnp.where(ended & enough(krylov), Status.CONVERGED, found.status).astype(jnp.int32)
        return replace(found, status=status), image

    return solve


def ritz(krylov: Krylov) -> tuple[jax.Array, jax.Array]:
    """Ritz values [m] ascending (∞ last, for steps not taken) and vectors [m, m] in the basis, as columns."""
    matrix = krylov.matrix()
    matrix = jnp.where(jnp.isfinite(matrix), matrix, 0)
    # eigh is as exact as its largest entry allows, so T is brought to size one before anything of size one joins it.
    scale = jnp.max(jnp.abs(matrix))
    matrix = matrix / jnp.where(scale > 0, scale, 1)
    # Steps that were not taken form a block of their own; put far right, its eigenvalues sort last.
    beyond = 2 * jnp.sum(jnp.abs(matrix)) + 1
    values, vectors = _eigh(matrix + jnp.diag(jnp.where(krylov.active, 0, beyond)))
    return jnp.where(krylov.active, scale * values, jnp.inf), vectors


def _eigh(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Of one small matrix: a GPU does several at once in one kernel, and one alone in dozens that wait for the host."""

    def of_two(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
        values, vectors = jnp.linalg.eigh(jnp.stack([matrix, matrix]))
        return values[0], vectors[0]

    return jax.lax.platform_dependent(matrix, cuda=of_two, default=lambda matrix: tuple(jnp.linalg.eigh(matrix)))


def damping_from_spectrum(ritz_values: jax.Array, *, floor: jax.Array, ratio: float) -> jax.Array:
    """λ = max(|min(t_min, 0)| / ratio, floor); Ritz values [m], ∞ for steps not taken."""
    lowest = jnp.min(ritz_values, initial=0.0)
    return jnp.maximum(-lowest / ratio, floor)


def damping_path(krylov: Krylov, dampings: jax.Array, *, filter: FilterName = "gradient-flow") -> Any:
    """Solutions for k dampings from one Krylov space, with an axis [k] in front."""
    values, vectors = ritz(krylov)
    return jax.vmap(lambda damping: _solution(krylov, values, vectors, damping, filter).solution)(dampings)


def _weights(krylov: Krylov, values: jax.Array, vectors: jax.Array, damping: Any, filter: FilterName) -> jax.Array:
    """f(t) Vᵀ e₁, [m]."""
    known = jnp.where(krylov.active, values, 0)
    return jnp.where(krylov.active, FILTERS[filter](known, damping), 0) * vectors[0]


def _solution(krylov: Krylov, values: jax.Array, vectors: jax.Array, damping: jax.Array, filter: FilterName) -> Solution:
    length = krylov.length
    known = jnp.where(krylov.active, values, 0)
    weights = _weights(krylov, values, vectors, damping, filter)
    gains = jnp.where(krylov.active, FILTERS[filter](known, damping), 0)
    coefficients = vectors @ weights
    solution = combined(length * coefficients, krylov.basis)
    # bᵀδ − ½ δᵀHδ = ‖b‖² Σ v₀² f (1 − ½ t f), where no term is negative, since t f(t) ≤ 1.
    decrease = jnp.sum((length * vectors[0]) * (length * weights) * (1 - 0.5 * known * gains))
    tridiagonal = jnp.all(jnp.isfinite(krylov.diagonal)) & jnp.all(jnp.isfinite(krylov.off_diagonal))
    finite = tridiagonal & all_finite(solution) & jnp.isfinite(length) & jnp.isfinite(damping)
    last = jnp.maximum(krylov.num_steps - 1, 0)
    residual = krylov.off_diagonal[last] * jnp.abs(coefficients[last])
    status = jnp.select(
        [~finite, length == 0, krylov.off_diagonal[last] == 0, residual > UNRESOLVED_RESIDUAL],
        [Status.NOT_FINITE, Status.ZERO_RIGHT_HAND_SIDE, Status.SPACE_EXHAUSTED, Status.UNRESOLVED],
        Status.STEPS_SPENT,
    )
    return Solution(
        solution=jax.tree.map(lambda leaf: jnp.where(finite, leaf, 0), solution),
        status=status.astype(jnp.int32),
        num_steps=krylov.num_steps,
        residual=jnp.where(finite, residual, 0),
        damping=damping,
        ritz_values=values,
        predicted_decrease=jnp.where(finite, decrease, 0),
    )
