"""Products with the Hessian of a scalar function, linearised once.

    H v = ∂/∂ε ∇L(θ + ε v)

`jax.linearize(jax.grad(L), θ)` runs the primal part once; each product then costs only the tangent part, but what the primal part
made is kept for it. Where that is too much memory, the primal part runs again for every product. Source: Pearlmutter,
"Fast exact multiplication by the Hessian" (Neural Computation, 1994), eq. 4.

>>> import jax.numpy as jnp
>>> product = hessian_product(lambda x: jnp.sum(x**3), jnp.array([1.0, 2.0]))
>>> product(jnp.array([1.0, 1.0]))
Array([ 6., 12.], dtype=float32)
"""

from collections.abc import Callable
from typing import TypeVar

import jax

Tree = TypeVar("Tree")


def hessian_product(function: Callable[[Tree], jax.Array], at: Tree, *, keep: bool = True) -> Callable[[Tree], Tree]:
    """v ↦ ∇²f(at) v, exact; `v` has the structure of `at`. Without `keep` nothing is kept between products."""
    gradient = jax.grad(function)
    if not keep:
        return lambda v: jax.jvp(gradient, (at,), (v,))[1]
    _, product = jax.linearize(gradient, at)
    return product
