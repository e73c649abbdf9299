"""The loops of `cpu_kernels`, compiled by Numba, as handlers of XLA's typed foreign function interface.

    spmm:   y[r] = Σ_{e: row(e)=r} w_e x[col(e)]
    sddmm:  s_e  = Σ_k ⟨a_k[row(e)], b_k[col(e)]⟩

Work is shared out by edges, in a fixed number of parts, so that no sum depends on the number of threads.

A handler is given the address of an `XLA_FFI_CallFrame`; it and what it points to are read as arrays of 8-byte words
(`jaxlib/include/xla/ffi/api/c_api.h`; the layout is the same from version 0.1 to 0.5, fields are only ever appended).

Importing this module needs Numba; compiled code is kept on disk between processes, beside this module or in Numba's folder of the
user (`NUMBA_CACHE_DIR`).
"""

import importlib
import warnings
from functools import partial
from typing import Any

import numba
import numpy as np
from numba import carray, prange, types  # pyright: ignore[reportPrivateImportUsage]
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

# Parts that the edges are cut into. More even out rows of different length; each costs two binary searches.
PARTS = 64

# Words of the C structures.
FRAME_EXTENSION, FRAME_API, FRAME_NUM_ARGS, FRAME_ARGS, FRAME_RESULTS = 1, 2, 7, 9, 14
BUFFER_DATA, BUFFER_DIMS = 3, 5
EXTENSION_TYPE, EXTENSION_METADATA, METADATA_TYPE = 1, 3, 1
API_VERSION, METADATA_VERSION, METADATA_TRAITS = 4, 3, 4


def _threads_are_safe() -> bool:
    """XLA calls kernels from several threads, which Numba's own pool of threads does not stand; these two do."""
    for pool in ("tbbpool", "omppool"):
        try:
            importlib.import_module(f"numba.np.ufunc.{pool}")
        except ImportError:
            continue
        return True
    return False


def _can_keep() -> bool:
    """Whether there is a folder for compiled code: asked to use one, Numba refuses to go without."""
    try:
        numba.njit(cache=True)(_threads_are_safe)
    except RuntimeError:
        return False
    return True


KEEP = _can_keep()
inline = partial(numba.njit, nogil=True, cache=KEEP)
# NaN and infinity must come through, so that a solve sees them; only the order of a sum is free.
loop = partial(inline, parallel=_threads_are_safe(), fastmath={"reassoc", "contract", "nsz", "arcp"})


# --- loops -----------------------------------------------------------------------------------------------------------


@inline()
def first_row(pointers, part):
    """Row at which a part begins: parts have whole rows, and about equally many edges."""
    rows, edges = len(pointers) - 1, np.int64(pointers[-1])
    if part == PARTS:
        return rows
    target, low, high = edges * part // PARTS, 0, rows
    while low < high:
        middle = (low + high) // 2
        if pointers[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low


@loop()
def spmm(pointers, sources, weights, order, ordered, x, out):
    """out[r] = Σ w_e x[source(e)] over the edges of r; the weight of the e-th is weights[order[e]] if `ordered`."""
    for part in prange(PARTS):
        for row in range(first_row(pointers, part), first_row(pointers, part + 1)):
            edge, end = pointers[row], pointers[row + 1]
            if row == out.shape[0] - 1:
                while end > edge and weights[order[end - 1] if ordered else end - 1] == 0:  # padding stands there
                    end -= 1
            for k in range(x.shape[1]):
                out[row, k] = 0
            while edge + 4 <= end:  # four at a time load and store the sum once
                w0 = weights[order[edge] if ordered else edge]
                w1 = weights[order[edge + 1] if ordered else edge + 1]
                w2 = weights[order[edge + 2] if ordered else edge + 2]
                w3 = weights[order[edge + 3] if ordered else edge + 3]
                c0, c1, c2, c3 = sources[edge], sources[edge + 1], sources[edge + 2], sources[edge + 3]
                for k in range(x.shape[1]):
                    out[row, k] += w0 * x[c0, k] + w1 * x[c1, k] + w2 * x[c2, k] + w3 * x[c3, k]
                edge += 4
            while edge < end:
                w0, c0 = weights[order[edge] if ordered else edge], sources[edge]
                for k in range(x.shape[1]):
                    out[row, k] += w0 * x[c0, k]
                edge += 1


@loop()
def sddmm(rows, cols, mask, a, b, c, d, out):
    """out[e] = ⟨a[row(e)], b[col(e)]⟩ + ⟨c[row(e)], d[col(e)]⟩, 0 at padding; c and d may have no columns."""
    for part in prange(PARTS):
        edge, end = len(out) * part // PARTS, len(out) * (part + 1) // PARTS
        while edge < end:
            row, c0 = rows[edge], cols[edge]
            s0 = s1 = s2 = s3 = out.dtype.type(0)
            if edge + 4 <= end and rows[edge + 3] == row:  # four edges of a row load its vector once
                c1, c2, c3 = cols[edge + 1], cols[edge + 2], cols[edge + 3]
                for left, right in ((a, b), (c, d)):
                    for k in range(left.shape[1]):
                        value = left[row, k]
                        s0 += value * right[c0, k]
                        s1 += value * right[c1, k]
                        s2 += value * right[c2, k]
                        s3 += value * right[c3, k]
                out[edge] = s0 if mask[edge] else 0
                out[edge + 1] = s1 if mask[edge + 1] else 0
                out[edge + 2] = s2 if mask[edge + 2] else 0
                out[edge + 3] = s3 if mask[edge + 3] else 0
                edge += 4
            else:
                for left, right in ((a, b), (c, d)):
                    for k in range(left.shape[1]):
                        s0 += left[row, k] * right[c0, k]
                out[edge] = s0 if mask[edge] else 0
                edge += 1


# --- the frame -------------------------------------------------------------------------------------------------------


@intrinsic
def at(_, address, dtype):
    """The pointer to a dtype with this address."""
    pointer = types.CPointer(dtype.dtype)

    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, dtype), build


@inline()
def words(address, count):
    """`count` words at an address."""
    return carray(at(address, numba.int64), count)  # pyright: ignore[reportCallIssue]  (Numba passes the first)


@inline()
def asked_for_metadata(frame):
    """At registration XLA asks which version of the interface a handler speaks: XLA's own, the layout is the same in all."""
    fields = words(frame, 5)
    if fields[FRAME_EXTENSION] == 0:
        return False
    extension = words(fields[FRAME_EXTENSION], 4)
    if np.int32(extension[EXTENSION_TYPE]) != METADATA_TYPE:
        return False
    words(extension[EXTENSION_METADATA], 5)[METADATA_VERSION] = words(fields[FRAME_API], 5)[API_VERSION]
    carray(at(extension[EXTENSION_METADATA] + 8 * METADATA_TRAITS, numba.uint32), 1)[0] = 0
    return True


@inline()
def buffer(frame, place, k):
    """The words of the k-th argument or result."""
    return words(words(words(frame, 15)[place], k + 1)[k], 6)


@inline()
def vector(frame, place, k, dtype):
    """The k-th argument or result as an array [n]."""
    found = buffer(frame, place, k)
    return carray(at(found[BUFFER_DATA], dtype), words(found[BUFFER_DIMS], 1)[0])


@inline()
def matrix(frame, place, k, dtype):
    """The k-th argument or result as an array [n, d]."""
    found = buffer(frame, place, k)
    shape = words(found[BUFFER_DIMS], 2)
    return carray(at(found[BUFFER_DATA], dtype), (shape[0], shape[1]))


@inline()
def run_spmm(frame, real):
    """pointers, sources, weights, x and, if the weights are in another order, their order → out."""
    pointers, sources = vector(frame, FRAME_ARGS, 0, numba.int32), vector(frame, FRAME_ARGS, 1, numba.int32)
    weights, x = vector(frame, FRAME_ARGS, 2, real), matrix(frame, FRAME_ARGS, 3, real)
    ordered = words(frame, 15)[FRAME_NUM_ARGS] > 4
    order = vector(frame, FRAME_ARGS, 4 if ordered else 1, numba.int32)
    spmm(pointers, sources, weights, order, ordered, x, matrix(frame, FRAME_RESULTS, 0, real))


@inline()
def run_sddmm(frame, real):
    """rows, cols, mask, a, b and, for a sum of two, c, d → out."""
    rows, cols = vector(frame, FRAME_ARGS, 0, numba.int32), vector(frame, FRAME_ARGS, 1, numba.int32)
    mask = vector(frame, FRAME_ARGS, 2, numba.uint8)
    a, b = matrix(frame, FRAME_ARGS, 3, real), matrix(frame, FRAME_ARGS, 4, real)
    out = vector(frame, FRAME_RESULTS, 0, real)
    if words(frame, 15)[FRAME_NUM_ARGS] == 5:
        c, d = carray(at(0, real), (0, 0)), carray(at(0, real), (0, 0))
    else:
        c, d = matrix(frame, FRAME_ARGS, 5, real), matrix(frame, FRAME_ARGS, 6, real)
    sddmm(rows, cols, mask, a, b, c, d, out)


# The handlers. Numba compiles a dtype at a time, and keeps on disk only functions that no other made.


def spmm_float32(frame):
    """Sums over edges, in float32."""
    if not asked_for_metadata(frame):
        run_spmm(frame, numba.float32)
    return 0


def spmm_float64(frame):
    """Sums over edges, in float64."""
    if not asked_for_metadata(frame):
        run_spmm(frame, numba.float64)
    return 0


def sddmm_float32(frame):
    """Products per edge, in float32."""
    if not asked_for_metadata(frame):
        run_sddmm(frame, numba.float32)
    return 0


def sddmm_float64(frame):
    """Products per edge, in float64."""
    if not asked_for_metadata(frame):
        run_sddmm(frame, numba.float64)
    return 0


HANDLERS = {handler.__name__: handler for handler in (spmm_float32, spmm_float64, sddmm_float32, sddmm_float64)}


def compile_handler(name: str) -> Any:
    """The handler as a C function; it is to be kept, for as long as its `address` is used."""
    numba.get_num_threads()  # starts the threads, which a function that comes from disk does not
    compiled = partial(numba.cfunc, types.int64(types.int64))
    try:
        return compiled(cache=KEEP)(HANDLERS[name])
    except OSError as error:
        warnings.warn(
            f"compiled kernels can't be kept on disk ({error}): every process compiles anew.", RuntimeWarning, stacklevel=4
        )
        for function in globals().values():
            if isinstance(function, Dispatcher):
                function._cache.disable()  # pyright: ignore[reportAttributeAccessIssue]
        return compiled()(HANDLERS[name])
