"""A multilayer perceptron on pairs: h_0 = [a_u; b_i],  h_{k+1} = φ(W_kᵀ h_k + c_k).

The first layer is linear in a_u and b_i apart, W_0ᵀ [a_u; b_i] = W_aᵀ a_u + W_bᵀ b_i, so it is computed once per user and per item
and only its output is gathered for the pairs. Source: He et al., "Neural collaborative filtering" (WWW 2017), eq. 10.
"""

from typing import Literal, get_args

import flax.linen as nn
import jax

from ifru_jax.errors import ModelError
from ifru_jax.graph import Pairs, item_rows, user_rows

Activation = Literal["relu", "silu", "gelu", "tanh"]
"""By the names of the functions in `flax.linen`."""


def check_tower(hidden: tuple[int, ...], activation: str) -> None:
    """Refuses layers without units and activations that don't exist, with a ModelError."""
    if not hidden or min(hidden) < 1:
        raise ModelError(f"hidden is {hidden}: give the width of at least one layer, such as (64, 32).")
    if activation not in get_args(Activation):
        raise ModelError(f"activation is {activation!r}: choose among {', '.join(get_args(Activation))}.")


def tower_parameters(name: str, hidden: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the kernels of a tower that is a submodule of this name: they are shared, whatever their size."""
    return tuple(f"{name}/kernel_{k}" for k in range(len(hidden)))


class PairTower(nn.Module):
    """Hidden layers over a pair; ReLU is the papers' activation, smooth ones suit a second-order step better (it crosses no kink).

    With "relu" the Hessian is that of the linear pieces, which is exact wherever no unit is at 0.
    """

    hidden: tuple[int, ...]
    activation: str

    @nn.compact
    def __call__(self, user_vectors: jax.Array, item_vectors: jax.Array, pairs: Pairs) -> jax.Array:
        """[num_users, a], [num_items, b], n pairs → [n, hidden[-1]]."""
        init, phi = nn.initializers.lecun_normal(), getattr(nn, self.activation)
        split = user_vectors.shape[1]
        kernel = self.param("kernel_0", init, (split + item_vectors.shape[1], self.hidden[0]))
        bias = self.param("bias_0", nn.initializers.zeros, (self.hidden[0],))
        of_users, of_items = user_vectors @ kernel[:split], item_vectors @ kernel[split:]
        layer = phi(user_rows(of_users, pairs) + item_rows(of_items, pairs) + bias)
        for k, width in enumerate(self.hidden[1:], start=1):
            kernel = self.param(f"kernel_{k}", init, (layer.shape[1], width))
            layer = phi(layer @ kernel + self.param(f"bias_{k}", nn.initializers.zeros, (width,)))
        return layer
