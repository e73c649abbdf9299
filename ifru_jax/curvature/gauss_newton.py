"""Products with the Gauss–Newton matrix of a sum of losses over model outputs.

    G v = Jᵀ ℓ″ J v + λ₂ v,   J = ∂s/∂θ,  ℓ″ = ∂²ℓ/∂s²

ℓ″ is diagonal for a pointwise loss, Dᵀ diag D with D the differences of pairs for BPR, and one block per positive for a softmax. G
leaves out the curvature of the model itself, so it is positive semi-definite wherever ℓ is convex. It is safe, and less faithful
than the Hessian (docs). Source: Schraudolph, "Fast curvature matrix-vector products" (Neural Computation, 2002).
"""

from collections.abc import Callable
from typing import TypeVar

import jax

from ifru_jax.curvature.hessian import hessian_product

Tree = TypeVar("Tree")


def gauss_newton_product(
    outputs: Callable[[Tree], jax.Array], summed_loss: Callable[[jax.Array], jax.Array], at: Tree, *, keep: bool = True
) -> Callable[[Tree], Tree]:
    """v ↦ Jᵀ ∇²ℓ J v.

    Args:
      outputs: θ ↦ s, [n] or whatever arrays the loss takes.
      summed_loss: s ↦ a scalar; the product is positive semi-definite where it is convex.
      at: θ.
      keep: whether what J needs is kept between products; without, each computes it again.
    """
    if not keep:

        def again(v: Tree) -> Tree:
            scores, forward = jax.jvp(outputs, (at,), (v,))
            (result,) = jax.vjp(outputs, at)[1](hessian_product(summed_loss, scores, keep=False)(forward))
            return result

        return again
    scores, jacobian = jax.linearize(outputs, at)
    transpose = jax.linear_transpose(jacobian, at)
    curvature = hessian_product(summed_loss, scores)

    def product(v: Tree) -> Tree:
        (result,) = transpose(curvature(jacobian(v)))
        return result

    return product
