"""What a solver returns: a solution and the evidence for it.

Under `jit` a solver can't raise, so it returns a status; on the host `check` turns a bad one into an error that says what to
do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import partial

import jax
import numpy as np

from ifru_jax.errors import NumericsError


class Status(IntEnum):
    """How a solve ended."""

    CONVERGED = 0
    """The residual is below the tolerance."""
    STEPS_SPENT = 1
    """All steps were taken; the residual says how far that is from the limit."""
    SPACE_EXHAUSTED = 2
    """Lanczos broke down (β → 0): the Krylov space is invariant, the answer in it exact."""
    NEGATIVE_CURVATURE = 3
    """Conjugate gradients met pᵀHp ≤ 0 and stopped at the last point before it."""
    ZERO_RIGHT_HAND_SIDE = 4
    """b = 0: the solution is 0."""
    NOT_FINITE = 5
    """NaN or infinity in the right-hand side or in a product; the solution is 0."""
    DIVERGED = 6
    """The residual grew beyond that of the zero step: a series that does not converge, on negative curvature for instance."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["solution", "status", "num_steps", "residual", "damping", "ritz_values", "predicted_decrease"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Solution:
    """A step δ and its evidence.

    Attributes:
      solution: float [p], δ.
      status: int32, a `Status`.
      num_steps: int32, products with H.
      residual: relative to ‖b‖; for CG and the Neumann series ‖(H + λ)δ − b‖, for Lanczos the part of H δ that lies outside the
        Krylov space.
      damping: λ.
      ritz_values: float [m] ascending, eigenvalue estimates of H; NaN for steps not taken (all of CG's); empty for series.
      predicted_decrease: bᵀδ − ½ δᵀHδ, how far the step should lower the quadratic model.
    """

    solution: jax.Array
    status: jax.Array
    num_steps: jax.Array
    residual: jax.Array
    damping: jax.Array
    ritz_values: jax.Array
    predicted_decrease: jax.Array


def check(solution: Solution) -> Status:
    """The status on the host.

    Raises:
      NumericsError: the solve met NaN or infinity.
    """
    status = Status(int(np.asarray(solution.status)))
    if status is Status.NOT_FINITE:
        raise NumericsError(
            "the Hessian product or the influence is not finite, so no step was taken: check that the parameters are finite "
            "and that the loss is twice differentiable at them; with float32 overflow, enable jax_enable_x64."
        )
    return status
