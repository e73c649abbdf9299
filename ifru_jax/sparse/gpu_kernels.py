"""The two sparse operations on an NVIDIA GPU, as Pallas kernels that Triton compiles.

Edge scores: a program gathers the two rows of each of some edges, sums their products in registers and writes one number per edge,
where XLA writes the products of all columns first. Sums into rows: a program goes over the edges of one row in their order, so that
the result is the same each time; XLA adds with atomics, in whatever order they come, and is slower (docs/scale.md). It takes as
many at once as an average row has, and in batches of patterns more of a row that has many more. Only where few rows have most of
the edges would their programs be long: `kernels("portable")` is for that.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ifru_jax.sparse.edges import Edges

# Edges that a program holds at once, and columns.
SCORED, MOST_SUMMED, MOST_COLUMNS = 32, 64, 128


def available() -> bool:
    """Whether this JAX has what the kernels are written with."""
    try:
        from jax.experimental.pallas import triton
    except ImportError:
        return False
    return hasattr(triton, "load")


def sddmm(
    a: tuple[jax.Array, ...], b: tuple[jax.Array, ...], edges: Edges, *, dtype: jnp.dtype, interpret: bool = False
) -> jax.Array:
    """Σ_k ⟨a_k[row(e)], b_k[col(e)]⟩ at every edge, [e]; 0 at padding.

    Args:
      a: one or more arrays [num_rows, d_k], float32 or float64, or bfloat16 to be read as such.
      b: as many [num_cols, d_k], of the same dtype.
      edges: the pattern.
      dtype: what products are added up in.
      interpret: without a GPU, for tests.
    """
    from jax.experimental import pallas as pl

    size = edges.capacity
    if not size or not a[0].shape[1]:
        return jnp.zeros(size, dtype)
    shape = jax.ShapeDtypeStruct((size,), dtype)
    kernel = pl.pallas_call(
        partial(_score, capacity=size, terms=len(a)), out_shape=shape, grid=(-(-size // SCORED),), interpret=interpret, **_warps(2)
    )
    return jnp.where(edges.mask, kernel(edges.rows, edges.cols, *a, *b), 0)


def _score(rows_ref: Any, cols_ref: Any, *refs: Any, capacity: int, terms: int) -> None:
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    place = pl.program_id(0) * SCORED + jnp.arange(SCORED)
    inside = place < capacity
    rows, cols = (triton.load(ref.at[place], mask=inside, other=0) for ref in (rows_ref, cols_ref))
    total = jnp.zeros(SCORED, refs[-1].dtype)
    for a_ref, b_ref in zip(refs[:terms], refs[terms : 2 * terms], strict=True):
        for columns, known in _columns(a_ref.shape[1], SCORED):
            left = triton.load(a_ref.at[rows[:, None], columns[None, :]], mask=known, other=0.0)
            right = triton.load(b_ref.at[cols[:, None], columns[None, :]], mask=known, other=0.0)
            total += jnp.sum(left.astype(total.dtype) * right.astype(total.dtype), axis=1)
    triton.store(refs[-1].at[place], total, mask=inside)


def spmm(weights: jax.Array, x: jax.Array, edges: Edges, *, transpose: bool, blocks: int = 1, interpret: bool = False) -> jax.Array:
    """Σ w_e x[col(e)] into rows, [num_rows, d], or with `transpose` Σ w_e x[row(e)] into columns, [num_cols, d].

    Args:
      weights: [e], float32 or float64; 0 at padding.
      x: [num_cols, d], or [num_rows, d] with `transpose`; of the same dtype, or bfloat16 to be read as such.
      edges: the pattern.
      transpose: the direction.
      blocks: patterns that stand side by side in this one, each with its padding last.
      interpret: without a GPU, for tests.
    """
    from jax.experimental import pallas as pl

    pointers, sources = (edges.col_ptr, edges.col_rows) if transpose else (edges.row_ptr, edges.cols)
    count = pointers.shape[0] - 1
    if not edges.capacity or not x.shape[1]:
        return jnp.zeros((count, x.shape[1]), weights.dtype)
    if transpose:
        weights = weights[edges.col_order]
    # As many as an average row has; a warp has 32 lanes.
    block = min(MOST_SUMMED, max(8, 1 << (edges.capacity // count).bit_length()))
    # Of problems side by side some rows are much longer than the average; a loop more for them slows large patterns down.
    kernel = partial(_sum, at_once=(block, MOST_SUMMED if blocks > 1 else block), width=x.shape[1])
    shape = jax.ShapeDtypeStruct((count, x.shape[1]), weights.dtype)
    warps = 4 if block == MOST_SUMMED else 2
    call = pl.pallas_call(kernel, out_shape=shape, grid=(count,), interpret=interpret, **_warps(warps))
    return call(pointers[:-1], _ends(pointers, edges.mask, blocks), sources, weights, x)


def _ends(pointers: jax.Array, mask: jax.Array, blocks: int) -> jax.Array:
    """Where the edges of every row end, int32 [rows], without the padding: it all stands at the last row of its block."""
    masks = mask.reshape(blocks, -1)
    known = jnp.sum(masks, axis=1, dtype=jnp.int32) + jnp.arange(blocks, dtype=jnp.int32) * masks.shape[1]
    return jnp.minimum(pointers[1:].reshape(blocks, -1), known[:, None]).reshape(-1)


def _sum(
    starts_ref: Any,
    ends_ref: Any,
    sources_ref: Any,
    weights_ref: Any,
    x_ref: Any,
    out_ref: Any,
    *,
    at_once: tuple[int, int],
    width: int,
) -> None:
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    row, (block, longer) = pl.program_id(0), at_once
    start, end = starts_ref[row], ends_ref[row]
    for columns, _ in _columns(width, 1):

        def add(i: jax.Array, total: jax.Array, size: int, first: jax.Array, columns: jax.Array = columns) -> jax.Array:
            place = first + i * size + jnp.arange(size)
            inside = place < end
            sources = triton.load(sources_ref.at[place], mask=inside, other=0)
            weights = triton.load(weights_ref.at[place], mask=inside, other=0.0)
            known = inside[:, None] & (columns < width)[None, :]
            vectors = triton.load(x_ref.at[sources[:, None], columns[None, :]], mask=known, other=0.0)
            return total + jnp.sum(weights[:, None] * vectors.astype(weights.dtype), axis=0)

        total, first = jnp.zeros(columns.shape, out_ref.dtype), start
        if block < longer:
            many = (end - start) // longer
            total = jax.lax.fori_loop(0, many, partial(add, size=longer, first=start), total)
            first = start + many * longer
        total = jax.lax.fori_loop(0, (end - first + block - 1) // block, partial(add, size=block, first=first), total)
        triton.store(out_ref.at[row, columns], total, mask=columns < width)


def _columns(width: int, rows: int) -> list[tuple[jax.Array, jax.Array]]:
    """The columns in pieces of a power of two, with a mask [rows, columns] of those that exist."""
    size = min(MOST_COLUMNS, max(16, 1 << (width - 1).bit_length()))
    pieces = [start + jnp.arange(size) for start in range(0, width, size)]
    return [(piece, jnp.broadcast_to((piece < width)[None, :], (rows, size))) for piece in pieces]


def _warps(count: int) -> dict[str, Any]:
    from jax.experimental.pallas import triton

    return {"compiler_params": triton.CompilerParams(num_warps=count)}
