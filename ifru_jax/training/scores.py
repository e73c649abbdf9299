"""Scores of all interactions in bounded memory.

A model that makes activations for each pair (a perceptron over two embeddings) holds some thousand bytes per interaction while its
gradient is taken, and a Hessian product several times that. In chunks, one at a time and computed again on the way back, it holds
them for a chunk. The result is the same up to rounding. A model of inner products holds one number per pair and gains nothing.
"""

import math
from dataclasses import replace

import jax
import jax.extend.core
import jax.numpy as jnp

from ifru_jax.graph import Graph, GridPairs, IndexPairs, Pairs, SortedPairs
from ifru_jax.models import Params, Recommender

# A Hessian product over everything at once may hold this many bytes of activations; above, scores are taken in chunks.
MEMORY_BUDGET = 1 << 31
# What a product holds, in activations of one pass (measured at a perceptron: 3 to 4).
_PASSES = 4
# So few pairs are scored at once whatever the model, and need no estimate.
_FEW = 1 << 13
# Bytes of activations of one chunk.
_CHUNK_BYTES = 1 << 24


class PairScorer:
    """`score(pairs)` with fixed parameters and graph, by chunks where `chunk_size` is not None."""

    def __init__(self, model: Recommender, params: Params, graph: Graph, chunk_size: int | None = None) -> None:
        self._model, self._chunk_size = model, chunk_size
        self.num_users, self.num_items, self.graph = graph.num_users, graph.num_items, graph
        self.params, self.tables = params, model.tables

    def __call__(self, pairs: Pairs) -> jax.Array:
        size = self._chunk_size
        if size is None or isinstance(pairs, GridPairs) or pairs.users.shape[0] <= size:
            return self._model.score(self.params, pairs, self.graph)
        count = pairs.users.shape[0]
        missing = -count % size
        blocks = tuple(jnp.pad(rows, (0, missing)).reshape(-1, size) for rows in (pairs.users, pairs.items))

        def body(_: None, block: tuple[jax.Array, jax.Array]) -> tuple[None, jax.Array]:
            return None, self._model.score(self.params, IndexPairs(*block), self.graph)

        # Inside a scan nothing is shared with what was computed before, so nothing has to be kept from being shared.
        _, scores = jax.lax.scan(jax.checkpoint(body, prevent_cse=False), None, blocks)
        return scores.reshape(-1)[:count]


def automatic_chunk(model: Recommender, params: Params, pairs: Pairs, graph: Graph) -> int | None:
    """Pairs per chunk that keep a product within the budget, a power of two; None where all at once does."""
    count = pairs.users.shape[0]
    if count <= _FEW:
        return None
    per_pair = activation_bytes(model, params, pairs, graph)
    if count * per_pair * _PASSES <= MEMORY_BUDGET:
        return None
    return max(1024, 1 << int(math.log2(_CHUNK_BYTES / per_pair)))


def activation_bytes(model: Recommender, params: Params, pairs: Pairs, graph: Graph) -> float:
    """Bytes per pair that scoring makes, from a trace: those for two numbers of pairs, so that what doesn't grow drops out.

    The numbers are those at hand: a model may score many pairs by other means than few (windows that interactions share).
    """
    count = max(2, pairs.users.shape[0])
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (params, graph))
    trace = jax.make_jaxpr(lambda p, g, q: model.score(p, q, g))
    few, many = (_bytes_made(trace(*shapes, _resized(pairs, size)).jaxpr) for size in (count // 2, count))
    return (many - few) / (count - count // 2)


def _resized(pairs: Pairs, count: int) -> Pairs:
    """Shapes of `count` pairs of the same kind: a pattern is scored by other operations than a list."""
    length = pairs.users.shape[0]

    def resized(leaf: jax.Array) -> jax.ShapeDtypeStruct:
        # Pointers of a pattern have as many entries as there are nodes, whatever the number of pairs.
        return jax.ShapeDtypeStruct((count,) if leaf.shape == (length,) else leaf.shape, leaf.dtype)

    if isinstance(pairs, SortedPairs):
        edges = pairs.edges
        pointers = {name: jax.ShapeDtypeStruct(getattr(edges, name).shape, jnp.int32) for name in ("row_ptr", "col_ptr")}
        return SortedPairs(replace(jax.tree.map(resized, edges), **pointers))
    return jax.tree.map(resized, pairs)


def _bytes_made(jaxpr: jax.extend.core.Jaxpr) -> int:
    """Bytes of all floating arrays that the equations make, those of inner functions in place of their result."""
    total = 0
    for equation in jaxpr.eqns:
        values = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        inner = [value for value in values if isinstance(value, jax.extend.core.Jaxpr)]
        made: list = [] if inner else [out.aval for out in equation.outvars]
        total += sum(map(_bytes_made, inner))
        total += sum(array.size * array.dtype.itemsize for array in made if jnp.issubdtype(array.dtype, jnp.floating))
    return total
