"""The two sparse operations by each kernel, as plain functions of arrays that `primitives` lowers to.

    propagate_*   y[r] = Σ_{e: row(e)=r} w_e x[col(e)], or back along the same edges
    scores_*      s_e  = Σ_k ⟨a_k[row(e)], b_k[col(e)]⟩

They take the parameters of the primitives by name, and leave those that they don't need. Why, and how fast: docs/engine.md.
"""

import jax
import jax.numpy as jnp

from ifru_jax.sparse import cpu_kernels, gpu_kernels
from ifru_jax.sparse.edges import Edges

# Edges scored at once on CPU: two gathered blocks of 4,096 × 48 floats stay in a core's cache.
_CHUNK = 4096


def propagate_cpu(weights, x, *operands, transpose, **_):
    """By Numba on the cores of a processor; without it as `propagate_csr`."""
    if cpu_kernels.available():
        edges = Edges(*operands)
        return cpu_kernels.spmm(jnp.where(edges.mask, weights, 0), x, edges, transpose=transpose)
    return propagate_csr(weights, x, *operands, transpose=transpose)


def propagate_csr(weights, x, *operands, transpose, **_):
    """As a product of a sparse matrix, cuSPARSE on a GPU."""
    edges = Edges(*operands)
    weights = jnp.where(edges.mask, weights, 0)
    from jax.experimental import sparse  # a quarter of a second that those with Numba don't wait for

    if transpose:
        weights = weights.at[edges.col_order].get(mode="promise_in_bounds")
        matrix = sparse.BCSR((weights, edges.col_rows, edges.col_ptr), shape=(edges.num_cols, edges.num_rows))
    else:
        matrix = sparse.BCSR((weights, edges.cols, edges.row_ptr), shape=(edges.num_rows, edges.num_cols))
    return matrix @ x


def propagate_portable(weights, x, *operands, transpose, **_):
    """By adding the terms of the edges to zeros, anywhere."""
    edges = Edges(*operands)
    terms, targets, size = _terms_of_sum(weights, x, edges, transpose)
    zeros = jnp.zeros((size, x.shape[1]), terms.dtype)
    return zeros.at[targets].add(terms, mode="promise_in_bounds", indices_are_sorted=True)


def propagate_sorted(weights, x, *operands, transpose, **_):
    """Running sums that start anew at every target, and of each the last; nothing is added where others add, too."""
    edges = Edges(*operands)
    terms, targets, size = _terms_of_sum(weights, x, edges, transpose)
    pointers = edges.col_ptr if transpose else edges.row_ptr
    if not len(terms):
        return jnp.zeros((size, x.shape[1]), terms.dtype)
    begins = jnp.append(True, targets[1:] != targets[:-1])[:, None]

    def joined(first, second):
        return first[0] | second[0], jnp.where(second[0], second[1], first[1] + second[1])

    _, running = jax.lax.associative_scan(joined, (begins, terms))
    last = running.at[jnp.maximum(pointers[1:] - 1, 0)].get(mode="promise_in_bounds")
    return jnp.where((pointers[1:] > pointers[:-1])[:, None], last, 0)


def _terms_of_sum(weights, x, edges, transpose):
    """w_e x[source(e)] in the order of the targets, [e, d], the targets, [e], and how many there are."""
    weights = jnp.where(edges.mask, weights, 0)
    if transpose:
        sources, targets, size = edges.col_rows, edges.cols[edges.col_order], edges.num_cols
        weights = weights[edges.col_order]
    else:
        sources, targets, size = edges.cols, edges.rows, edges.num_rows
    # Patterns hold no place outside their tables: a check of each would cost a third on a GPU.
    return x.at[sources].get(mode="promise_in_bounds").astype(weights.dtype) * weights[:, None], targets, size


def propagate_pallas(weights, x, *operands, transpose, blocks, interpret, **_):
    """By our kernels for GPUs."""
    edges = Edges(*operands)
    weights = jnp.where(edges.mask, weights, 0)
    return gpu_kernels.spmm(weights, x, edges, transpose=transpose, blocks=blocks, interpret=interpret)


def _terms(operands, terms):
    """The factors side by side, [num_rows, Σ d] and [num_cols, Σ d]: a sum of inner products is one inner product."""
    left, right = operands[:terms], operands[terms : 2 * terms]
    if terms == 1:
        return left[0], right[0], Edges(*operands[2:])
    return jnp.concatenate(left, axis=1), jnp.concatenate(right, axis=1), Edges(*operands[2 * terms :])


def scores_cpu(*operands, terms, **_):
    """By Numba on the cores of a processor; without it as `scores_csr`."""
    if cpu_kernels.available():
        left, right, edges = operands[:terms], operands[terms : 2 * terms], Edges(*operands[2 * terms :])
        if terms > 2 or len({factor.shape[1] for factor in left}) > 1:
            left, right = (jnp.concatenate(left, axis=1),), (jnp.concatenate(right, axis=1),)
        return cpu_kernels.sddmm(left, right, edges)
    return scores_csr(*operands, terms=terms)


def scores_csr(*operands, terms, **_):
    """What goes beside CSR products, which have no form for scores."""
    return _scores_chunked(*_terms(operands, terms))


def _scores_chunked(a, b, edges):
    """In blocks that fit the cache, two floats at a time.

    XLA's CPU gather moves one element per step; pairs of floats viewed as one complex number halve the steps, and
    Re(ā·b) is the sum of the two products.
    """
    a, b = jnp.conj(_pair_up(a)), _pair_up(b)
    blocks, rest = divmod(edges.capacity, _CHUNK)

    def block(start, size):
        rows = jax.lax.dynamic_slice(edges.rows, (start,), (size,))
        cols = jax.lax.dynamic_slice(edges.cols, (start,), (size,))
        left, right = a.at[rows].get(mode="promise_in_bounds"), b.at[cols].get(mode="promise_in_bounds")
        return jnp.real(left * right).sum(axis=1)

    scores = jnp.zeros((edges.capacity,), jnp.real(a).dtype)

    def body(i, scores):
        return jax.lax.dynamic_update_slice(scores, block(i * _CHUNK, _CHUNK), (i * _CHUNK,))

    if blocks:
        scores = jax.lax.fori_loop(0, blocks, body, scores)
    if rest:
        scores = jax.lax.dynamic_update_slice(scores, block(blocks * _CHUNK, rest), (blocks * _CHUNK,))
    return jnp.where(edges.mask, scores, 0)


def _pair_up(x):
    if x.shape[1] % 2:
        x = jnp.pad(x, ((0, 0), (0, 1)))
    half = x.shape[1] // 2
    return jax.lax.complex(x[:, :half], x[:, half:])


def scores_portable(*operands, terms, dtype, **_):
    """By gathering both ends of every edge, anywhere."""
    a, b, edges = _terms(operands, terms)
    return jnp.where(edges.mask, (a[edges.rows].astype(dtype) * b[edges.cols].astype(dtype)).sum(axis=1), 0)


def scores_pallas(*operands, terms, dtype, interpret, **_):
    """By our kernels for GPUs."""
    left, right, edges = operands[:terms], operands[terms : 2 * terms], Edges(*operands[2 * terms :])
    return gpu_kernels.sddmm(left, right, edges, dtype=dtype, interpret=interpret)
