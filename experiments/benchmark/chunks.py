"""Whether ten times more interactions need ten times more memory: a Hessian product of NeuMF, at once and in chunks.

The figure is what XLA reserves for temporaries when it compiles the product; nothing is run.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.figure import Figure
from ifru_jax.curvature import hessian_product
from ifru_jax.graph import Examples, build_edges, build_graph
from ifru_jax.models import neumf
from ifru_jax.training import bce, objective

USERS, ITEMS = 6000, 4000
SMALL, LARGE = 100_000, 1_000_000
CHUNK = 4096


def chunked_memory(*, target: float) -> dict[str, Figure]:
    """Temporaries of a product over a million interactions in units of those over a tenth of them, both in chunks of 4,096."""
    found = {(size, chunk): _megabytes(size, chunk) for size in (SMALL, LARGE) for chunk in (None, CHUNK)}
    details = {f"megabytes.{size}.{'whole' if chunk is None else 'chunked'}": value for (size, chunk), value in found.items()}
    growth = found[LARGE, CHUNK] / found[SMALL, CHUNK]
    return {"": Figure(growth, target, "times", (growth, growth), f"{SMALL} interactions", details, True)}


def _megabytes(size: int, chunk: int | None) -> float:
    model, rng = neumf(embedding_size=48), np.random.default_rng(0)
    pairs, _ = build_edges(rng.integers(0, USERS, size), rng.integers(0, ITEMS, size), num_rows=USERS, num_cols=ITEMS)
    examples = Examples(pairs, jnp.zeros(size), jnp.ones(size))
    nothing = np.zeros(0, np.int32)
    graph = build_graph(build_edges(nothing, nothing, num_rows=USERS, num_cols=ITEMS, capacity=1)[0])
    params = model.init(jax.random.key(0), USERS, ITEMS)

    def product(p, v, examples, graph):
        return hessian_product(
            lambda q: objective(model, bce, q, examples, graph, total=size, reg=1e-5, chunk_size=chunk), p, keep=chunk is None
        )(v)

    compiled = jax.jit(product).lower(params, params, examples, graph).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    return memory.temp_size_in_bytes / 1e6
