"""Products with the Gauss–Newton matrix of a sum of losses over model outputs.

    G v = Jᵀ (ℓ″ ⊙ J v) + λ₂ v,   J = ∂s/∂θ,  ℓ″ = ∂²ℓ/∂s²

G leaves out the curvature of the model itself, so it is positive semi-definite wherever ℓ is convex. It is safe, and less
faithful than the Hessian (docs). Source: Schraudolph, "Fast curvature matrix-vector products" (Neural Computation, 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax

Tree = TypeVar("Tree")


def gauss_newton_product(
    outputs: Callable[[Tree], jax.Array], summed_loss: Callable[[jax.Array], jax.Array], at: Tree
) -> Callable[[Tree], Tree]:
    """v ↦ Jᵀ ∇²ℓ J v.

    Args:
      outputs: θ ↦ s, [n].
      summed_loss: s ↦ a scalar that is a sum of functions of one entry each, so that its Hessian is diagonal.
      at: θ.
    """
    scores, jacobian = jax.linearize(outputs, at)
    transpose = jax.linear_transpose(jacobian, at)
    slope = jax.grad(summed_loss)
    _, curvature = jax.linearize(slope, scores)

    def product(v: Tree) -> Tree:
        (result,) = transpose(curvature(jacobian(v)))
        return result

    return product
