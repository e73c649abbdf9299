"""The diagonal blocks of the Hessian, one d × d block per embedding row, and the preconditioner they make.

    B_v = ∂²L / ∂e_v²,    P⁻¹ = (|B_v| + λ)⁻¹ row by row

The k-th columns of all blocks of a table come from one Hessian-vector product with the k-th unit vector in every row of that
table. That is exact where rows of one table don't meet in a second derivative (matrix factorisation and all scores
of one user row and one item row); over a graph they do, and what they share is added up into the block. Source of the probing:
Curtis, Powell & Reid, "On the estimation of sparse Jacobian matrices" (IMA J. Appl. Math., 1974).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from ifru_jax.models import Params, Side


def diagonal_blocks(product: Callable[[Params], Params], params: Params, tables: Mapping[str, Side]) -> Params:
    """B_v of every row of every table, [rows, d, d].

    Args:
      product: v ↦ H v.
      params: for its structure; tables are [rows, d].
      tables: names of the tables.
    """
    nothing = jax.tree.map(jnp.zeros_like, params)

    def blocks(name: str) -> jax.Array:
        def columns(unit: jax.Array) -> jax.Array:
            probe = jnp.broadcast_to(unit, params[name].shape)
            return product(nothing | {name: probe})[name]

        stacked = jax.lax.map(columns, jnp.eye(params[name].shape[1], dtype=params[name].dtype))
        return jnp.moveaxis(stacked, 0, 2)

    return {name: blocks(name) for name in tables}


def block_jacobi(blocks: Params, *, damping: jax.Array | float) -> Callable[[Params], Params]:
    """v ↦ P⁻¹ v; parameters without a block (shared ones) are divided by λ.

    Args:
      blocks: of `diagonal_blocks`.
      damping: λ > 0. The absolute value of each block keeps P positive definite where H is not.
    """

    def inverse(block: jax.Array) -> jax.Array:
        symmetric = 0.5 * (block + jnp.swapaxes(block, 1, 2))
        values, vectors = jnp.linalg.eigh(symmetric)
        return (vectors / (jnp.abs(values) + damping)[:, None, :]) @ jnp.swapaxes(vectors, 1, 2)

    inverses = {name: inverse(block) for name, block in blocks.items()}

    def apply(v: Params) -> Params:
        rows = {name: jnp.einsum("rij,rj->ri", inverses[name], v[name]) for name in inverses}
        return jax.tree.map(lambda leaf: leaf / damping, v) | rows

    return apply
