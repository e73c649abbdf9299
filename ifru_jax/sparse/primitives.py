"""The two sparse operations everything is made of, closed under differentiation.

    propagate:    y[r]  = Σ_{e: row(e)=r} w_e x[col(e)]        (sparse × dense)
    edge scores:  s_e   = ⟨a[row(e)], b[col(e)]⟩               (sampled dense × dense)

Both are bilinear, and the derivative of each is the other: ∂propagate/∂x is the propagation back along the same edges,
∂propagate/∂w the edge scores, ∂scores/∂a a propagation with the incoming scores as weights. They are JAX primitives, so `jvp`,
`grad`, `linearize` and `vmap`, nested to any order, stay on these two kernels (a `vmap` becomes one block-diagonal call).
The product rule turns one inner product into a sum of two, so the second primitive is the sum Σ_k ⟨a_k, b_k⟩ at an edge: a
Hessian-vector product then gathers each row once, twice as wide, instead of twice.

Kernels: on CPU loops compiled by Numba (`cpu_kernels`), or where it is missing a CSR product and a chunked gather; on NVIDIA GPUs
by Triton (`gpu_kernels`); elsewhere a scatter and a gather, which are portable. `kernels` chooses others. Why, and how fast:
docs/engine.md. What each does is in `forms`; which rows are rounded as they are read, in `reading`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ifru_jax.errors import DataError
from ifru_jax.sparse import forms, gpu_kernels
from ifru_jax.sparse.edges import Edges
from ifru_jax.sparse.reading import reading, rounded

Kernels = Literal["auto", "csr", "portable", "sorted", "pallas"]
# Part of every jit cache's key: what was traced with one choice isn't reused for the other.
_kernels = jax.make_user_context("auto")

# XLA has neither CSR products nor complex numbers of other floats.
_FAST_DTYPES = (jnp.float32, jnp.float64)


@contextmanager
def kernels(choice: Kernels) -> Iterator[None]:
    """Within the block, functions run with these kernels, compiled anew where need be.

    Args:
      choice: "auto", the fastest here; "csr", products with a CSR matrix, which is what a CPU has without Numba and which
        cuSPARSE has on a GPU (under `jax_bcoo_cusparse_lowering`); "portable", without any special case; "sorted", the same without
        a scatter that adds, so that a result is the same each time whatever the device adds with; "pallas", the kernels of a GPU
        (elsewhere they are interpreted, which is for tests).

    Raises:
      DataError: another name.
    """
    if choice not in get_args(Kernels):
        raise DataError(f"kernels are {choice!r}: choose among {', '.join(get_args(Kernels))}.")
    with _kernels(choice):
        yield


def propagate(weights: jax.Array, x: jax.Array, edges: Edges) -> jax.Array:
    """`operations.propagate` on the pattern of one device."""
    return _propagate_p.bind(weights, x, *jax.tree.leaves(edges), transpose=False, **_chosen())


def propagate_back(weights: jax.Array, y: jax.Array, edges: Edges) -> jax.Array:
    """`operations.propagate_back` on the pattern of one device."""
    return _propagate_p.bind(weights, y, *jax.tree.leaves(edges), transpose=True, **_chosen())


def edge_scores(a: jax.Array, b: jax.Array, edges: Edges) -> jax.Array:
    """`operations.edge_scores` on the pattern of one device."""
    return _scores_p.bind(a, b, *jax.tree.leaves(edges), terms=1, **_chosen())


def _chosen():
    return {"blocks": 1, "kernels": _kernels.value, "reads": reading()}


# --- the primitives --------------------------------------------------------------------------------------------------

_propagate_p = Primitive("ifru_propagate")
_scores_p = Primitive("ifru_edge_scores")


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise TypeError(message)


@_propagate_p.def_abstract_eval
def _(weights, x, rows, cols, row_ptr, col_order, col_rows, col_ptr, mask, *, transpose, blocks, kernels, reads):
    source, target = (row_ptr, col_ptr) if transpose else (col_ptr, row_ptr)
    _check(weights.shape == rows.shape, f"propagate: weights {weights.shape} for edges {rows.shape}")
    _check(x.ndim == 2, f"propagate: features must be [nodes, d], got {x.shape}")
    _check(x.shape[0] == source.shape[0] - 1, f"propagate: {x.shape[0]} feature rows for {source.shape[0] - 1} nodes")
    _check(weights.dtype == x.dtype, f"propagate: weights are {weights.dtype}, features {x.dtype}")
    return ShapedArray((target.shape[0] - 1, x.shape[1]), x.dtype)


@_scores_p.def_abstract_eval
def _(*operands, terms, blocks, kernels, reads):
    edges = Edges(*operands[2 * terms :])
    for a, b in zip(operands[:terms], operands[terms : 2 * terms], strict=True):
        _check(a.ndim == 2 and b.ndim == 2 and a.shape[1] == b.shape[1], f"edge_scores: shapes {a.shape} and {b.shape}")
        expected = (edges.num_rows, edges.num_cols)
        _check((a.shape[0], b.shape[0]) == expected, f"edge_scores: {a.shape} and {b.shape} for {expected} nodes")
        _check(a.dtype == b.dtype, f"edge_scores: dtypes {a.dtype} and {b.dtype}")
    return ShapedArray(edges.rows.shape, operands[0].dtype)


def _register(primitive, forms, tables):
    """The forms of a primitive by the names of `kernels`, and "cpu"; `tables` says which operands are gathered from."""

    def lower(fast, *, interpret):
        def kernel(*operands, kernels, reads, **params):
            dtype = operands[0].dtype
            name = fast() if kernels == "auto" else kernels
            name = "portable" if dtype not in _FAST_DTYPES and name != "sorted" else name
            if reads is not None:
                # What has a narrow load of its own takes narrow tables; the others the same numbers as they were.
                narrow = name in ("portable", "sorted", "pallas")
                first, last = tables(params)
                gathered = (x.astype(reads) if narrow else rounded(x) for x in operands[first:last])
                operands = (*operands[:first], *gathered, *operands[last:])
            return forms[name](*operands, kernels=kernels, interpret=interpret, dtype=dtype, **params)

        return mlir.lower_fun(kernel, multiple_results=False)

    def on_cuda():
        return "pallas" if gpu_kernels.available() else "portable"

    mlir.register_lowering(primitive, lower(lambda: "portable", interpret=True))
    mlir.register_lowering(primitive, lower(lambda: "cpu", interpret=True), platform="cpu")
    mlir.register_lowering(primitive, lower(on_cuda, interpret=False), platform="cuda")
    primitive.def_impl(lambda *operands, **params: _call(primitive, operands, params))


def _call(primitive, operands, params):
    """Outside jit a primitive runs as a compiled call of its own; under `jax.disable_jit` too, for it has no other form."""
    with jax.disable_jit(False):
        return _compiled(primitive, **params)(*operands)


@cache
def _compiled(primitive, **params):
    return jax.jit(partial(primitive.bind, **params))


_register(
    _propagate_p,
    {
        "cpu": forms.propagate_cpu,
        "csr": forms.propagate_csr,
        "portable": forms.propagate_portable,
        "sorted": forms.propagate_sorted,
        "pallas": forms.propagate_pallas,
    },
    lambda params: (1, 2),
)
_register(
    _scores_p,
    {
        "cpu": forms.scores_cpu,
        "csr": forms.scores_csr,
        "portable": forms.scores_portable,
        "sorted": forms.scores_portable,
        "pallas": forms.scores_pallas,
    },
    lambda params: (0, 2 * params["terms"]),
)


# --- derivatives -----------------------------------------------------------------------------------------------------


def _propagate_jvp(primals, tangents, **params):
    weights, x, *edges = primals
    d_weights, d_x = tangents[:2]
    out = _propagate_p.bind(weights, x, *edges, **params)
    moved = [pair for pair in ((d_weights, x), (weights, d_x)) if not any(isinstance(factor, ad.Zero) for factor in pair)]
    if not moved:
        return out, ad.Zero.from_primal_value(out)  # pyright: ignore[reportAttributeAccessIssue]
    first, *second = (_propagate_p.bind(*pair, *edges, **params) for pair in moved)
    return out, sum(second, start=first)


def _propagate_transpose(ct, weights, x, *edges, transpose, **params):
    none = [None] * len(edges)
    if isinstance(ct, ad.Zero):
        return [None, None, *none]
    if ad.is_undefined_primal(x):
        back = _propagate_p.bind(weights, ct, *edges, transpose=not transpose, **params)
        return [None, back, *none]
    rows, cols = (x, ct) if transpose else (ct, x)
    return [_scores_p.bind(rows, cols, *edges, terms=1, **params), None, *none]


def _scores_jvp(primals, tangents, *, terms, **params):
    left, right, edges = primals[:terms], primals[terms : 2 * terms], primals[2 * terms :]
    d_left, d_right = tangents[:terms], tangents[terms : 2 * terms]
    out = _scores_p.bind(*primals, terms=terms, **params)
    pairs = [(d, b) for d, b in zip(d_left, right, strict=True) if not isinstance(d, ad.Zero)]
    pairs += [(a, d) for a, d in zip(left, d_right, strict=True) if not isinstance(d, ad.Zero)]
    if not pairs:
        return out, ad.Zero.from_primal_value(out)  # pyright: ignore[reportAttributeAccessIssue]
    factors = [a for a, _ in pairs] + [b for _, b in pairs]
    return out, _scores_p.bind(*factors, *edges, terms=len(pairs), **params)


def _scores_transpose(ct, *operands, terms, **params):
    left, right, edges = operands[:terms], operands[terms : 2 * terms], operands[2 * terms :]
    if isinstance(ct, ad.Zero):
        return [None] * len(operands)

    def back(factor, other, transpose):
        if not ad.is_undefined_primal(factor):
            return None
        return _propagate_p.bind(ct, other, *edges, transpose=transpose, **params)

    to_left = [back(a, b, False) for a, b in zip(left, right, strict=True)]
    to_right = [back(b, a, True) for a, b in zip(left, right, strict=True)]
    return [*to_left, *to_right, *[None] * len(edges)]


ad.primitive_jvps[_propagate_p] = _propagate_jvp
ad.primitive_jvps[_scores_p] = _scores_jvp
ad.primitive_transposes[_propagate_p] = _propagate_transpose
ad.primitive_transposes[_scores_p] = _scores_transpose


# --- vmap: one block-diagonal call -----------------------------------------------------------------------------------


def _batched(primitive, num_factors, out_rows):
    def batch(operands, dims, **params):
        size = next(x.shape[d] for x, d in zip(operands, dims, strict=True) if d is not None)
        front = [
            jnp.broadcast_to(x[None], (size, *x.shape)) if d is None else jnp.moveaxis(x, d, 0)
            for x, d in zip(operands, dims, strict=True)
        ]
        count = num_factors(**params)
        edges = Edges(*front[count:])
        factors = [x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]) for x in front[:count]]
        params["blocks"] *= size
        out = primitive.bind(*factors, *jax.tree.leaves(_block_diagonal(edges)), **params)
        return out.reshape(size, out_rows(edges, **params), *out.shape[1:]), 0

    return batch


def _block_diagonal(edges: Edges) -> Edges:
    """Batched patterns [b, …] as one pattern whose blocks don't touch."""
    size, capacity = edges.rows.shape
    block = jnp.arange(size, dtype=jnp.int32)[:, None]

    def pointers(ptr):
        starts = (ptr[:, :-1] + block * capacity).reshape(-1)
        return jnp.concatenate([starts, jnp.full((1,), size * capacity, jnp.int32)])

    return Edges(
        rows=(edges.rows + block * edges.num_rows).reshape(-1),
        cols=(edges.cols + block * edges.num_cols).reshape(-1),
        row_ptr=pointers(edges.row_ptr),
        col_order=(edges.col_order + block * capacity).reshape(-1),
        col_rows=(edges.col_rows + block * edges.num_rows).reshape(-1),
        col_ptr=pointers(edges.col_ptr),
        mask=edges.mask.reshape(-1),
    )


batching.primitive_batchers[_propagate_p] = _batched(
    _propagate_p, num_factors=lambda **_: 2, out_rows=lambda edges, transpose, **_: edges.num_cols if transpose else edges.num_rows
)
batching.primitive_batchers[_scores_p] = _batched(
    _scores_p, num_factors=lambda terms, **_: 2 * terms, out_rows=lambda edges, **_: edges.capacity
)
