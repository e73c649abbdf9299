"""What a solver returns: a solution and the evidence for it.

Under `jit` a solver can't raise, so it returns a status; on the host `check` turns a bad one into an error that says what to
do. Solvers work on flat vectors inside; `on_pytrees` makes them work on any pytree.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
from jax.flatten_util import ravel_pytree

from ifru_jax.errors import NumericsError
from ifru_jax.pytree import pytree
from ifru_jax.sparse.placement import on_host
from ifru_jax.status import Status

UNRESOLVED_RESIDUAL = 0.5
"""A solve that spent its steps and has more than this left answers little of what was asked. Of a diagonal H with curvatures from
1e-6 to 1, f(H) b is off by less than .2 where the residual is below .3, and by more than .35 where it is above 1; on the data of
the documented experiments it is .01 to .2."""


@pytree
class Solution:
    """A step δ and its evidence.

    Attributes:
      solution: δ, of the structure of b.
      status: int32, a `Status`.
      num_steps: int32, products with H.
      residual: relative to ‖b‖; for CG and the Neumann series ‖(H + λ)δ − b‖, for Lanczos the part of H δ that lies outside the
        Krylov space.
      damping: λ.
      ritz_values: float [m] ascending, eigenvalue estimates of H; ∞ for steps not taken (all of CG's); empty for series.
      predicted_decrease: bᵀδ − ½ δᵀHδ, how far the step should lower the quadratic model.
    """

    solution: Any
    status: jax.Array
    num_steps: jax.Array
    residual: jax.Array
    damping: jax.Array
    ritz_values: jax.Array
    predicted_decrease: jax.Array


def on_pytrees(solve: Callable[..., Solution]) -> Callable[..., Solution]:
    """`solve(product, b, …)` for a `b` of any structure and products on it, from one for flat vectors."""

    def solve_trees(product: Callable[[Any], Any], b: Any, **options: Any) -> Solution:
        flat, unravel = ravel_pytree(b)
        solution = solve(lambda v: ravel_pytree(product(unravel(v)))[0], flat, **options)
        return replace(solution, solution=unravel(solution.solution))

    return solve_trees


def check(solution: Solution) -> Status:
    """The status on the host.

    Raises:
      NumericsError: the solve met NaN or infinity.
    """
    status = Status(int(on_host(solution.status)))
    if status is Status.NOT_FINITE:
        raise NumericsError(status.message)
    return status
