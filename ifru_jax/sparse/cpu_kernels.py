"""The two sparse operations on the CPU as loops over edges, called by XLA without a copy.

XLA has neither, and what it makes of gathers and segment sums is several times slower (docs/engine.md). The loops are compiled
by Numba (`numba_kernels`), which is optional: without it `available()` is False and the primitives do with what XLA has.
"""

import ctypes
import importlib.util
import platform
import sys
import threading
import warnings
from functools import cache
from types import ModuleType
from typing import Any

import jax

from ifru_jax.sparse.edges import Edges

_LOCK = threading.Lock()


def available() -> bool:
    """Whether Numba is here and works, and this machine's words are those that its handlers read."""
    with _LOCK:
        return _found()


@cache
def _found() -> bool:
    if sys.maxsize < 2**32 or sys.byteorder != "little" or platform.system() not in ("Linux", "Darwin"):
        return False
    if importlib.util.find_spec("numba") is None:
        return False
    try:
        _kernels()
    except Exception as error:  # whatever keeps Numba from compiling here, there are other kernels
        warnings.warn(f"Numba's kernels can't be loaded ({error}): slower ones are used.", RuntimeWarning, stacklevel=3)
        return False
    return True


def _kernels() -> ModuleType:
    """The module that imports Numba: a second that those who have no use for it need not wait for."""
    return importlib.import_module("ifru_jax.sparse.numba_kernels")


def spmm(weights: jax.Array, x: jax.Array, edges: Edges, *, transpose: bool) -> jax.Array:
    """Σ w_e x[col(e)] into rows, [num_rows, d], or with `transpose` Σ w_e x[row(e)] into columns, [num_cols, d].

    Args:
      weights: [e], float32 or float64; 0 at padding.
      x: [num_cols, d], or [num_rows, d] with `transpose`; of the same dtype.
      edges: the pattern.
      transpose: the direction.
    """
    pointers, sources = (edges.col_ptr, edges.col_rows) if transpose else (edges.row_ptr, edges.cols)
    order = (edges.col_order,) if transpose else ()
    result = jax.ShapeDtypeStruct((pointers.shape[0] - 1, x.shape[1]), x.dtype)
    return jax.ffi.ffi_call(_register(f"spmm_{x.dtype}")[0], result)(pointers, sources, weights, x, *order)


def sddmm(a: tuple[jax.Array, ...], b: tuple[jax.Array, ...], edges: Edges) -> jax.Array:
    """Σ_k ⟨a_k[row(e)], b_k[col(e)]⟩ at every edge, [e]; 0 at padding.

    Args:
      a: one or two arrays [num_rows, d], float32 or float64.
      b: as many [num_cols, d], of the same dtype.
      edges: the pattern.
    """
    result = jax.ShapeDtypeStruct(edges.rows.shape, a[0].dtype)
    factors = [factor for pair in zip(a, b, strict=True) for factor in pair]
    return jax.ffi.ffi_call(_register(f"sddmm_{a[0].dtype}")[0], result)(edges.rows, edges.cols, edges.mask, *factors)


def _register(name: str) -> tuple[str, Any]:
    """The name that XLA knows a kernel by; compiled when first asked for, and kept, since XLA holds its address."""
    # Threads may ask for the first time together, and XLA takes a name once.
    with _LOCK:
        return _registered(name)


@cache
def _registered(name: str) -> tuple[str, Any]:
    target, compiled = f"ifru_{name}", _kernels().compile_handler(name)
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    jax.ffi.register_ffi_target(target, capsule(compiled.address, None, None), platform="cpu")
    return target, compiled
