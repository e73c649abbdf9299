"""The two sparse operations in every form, on patterns of two sizes: microseconds within a compiled loop, and whether they repeat.

Forms are those of `sparse.kernels`, CSR products with cuSPARSE on a GPU, the fastest on tables that are read in bfloat16, and the
candidate of `hubs`.

A loop, because a call from Python takes longer than some of them. `copy` is what the memory does: bytes read and written by x + 1.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.device.hubs import HubEdges, hub_edges
from experiments.benchmark.device.workload import WIDTH, Workload, seconds
from ifru_jax.data.synthetic import synthetic
from ifru_jax.sparse import build_edges, edge_scores, kernels, propagate, propagate_back, read_in
from ifru_jax.sparse.edges import Edges
from ifru_jax.sparse.primitives import Kernels
from ifru_jax.sparse.reading import Reading

LOOP = 20
LARGE = 1_000_000, 100_000, 10_000_000
# Name, kernels, and what tables are read in.
FORMS: tuple[tuple[str, Kernels, Reading | None], ...] = (
    ("auto", "auto", None),
    ("portable", "portable", None),
    ("csr", "csr", None),
    ("sorted", "sorted", None),
    ("bfloat16", "auto", "bfloat16"),
)
_CUSPARSE = "jax_bcoo_cusparse_lowering"


def copied_per_second() -> float:
    """Bytes read and written in a second."""
    x = jnp.zeros(1 << 28 if jax.default_backend() != "cpu" else 1 << 24, jnp.float32)
    loop = jax.jit(lambda x: jax.lax.fori_loop(0, LOOP, lambda _, x: x + 1, x))
    return float(2 * x.nbytes * LOOP / np.median(seconds(lambda: loop(x))))


def sums(work: Workload) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures of every form of every operation."""
    yield "copy", {"value": copied_per_second() / 1e9, "unit": "GB/s"}
    train = work.split.train
    shapes = {"small": (train.users, train.items, train.num_users, train.num_items, WIDTH)}
    if jax.default_backend() != "cpu":
        large = synthetic(*LARGE)
        shapes["large"] = (large.users, large.items, large.num_users, large.num_items, 64)
    for size, (users, items, num_users, num_items, width) in shapes.items():
        edges, _ = build_edges(users, items, num_rows=num_users, num_cols=num_items)
        apart = hub_edges(np.asarray(edges.rows), np.asarray(edges.cols), num_rows=num_users, num_cols=num_items)
        rng = np.random.default_rng(0)
        w, x, y = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((len(users),), (num_items, width), (num_users, width)))
        runs: dict[str, tuple[Callable[..., jax.Array], Callable[..., jax.Array], jax.Array]] = {
            "propagate": (lambda edges, x, w=w: propagate(w, x, edges), lambda edges, x, w=w: edges.propagate(w, x), x),
            "propagate-back": (
                lambda edges, y, w=w: propagate_back(w, y, edges),
                lambda edges, y, w=w: edges.propagate_back(w, y),
                y,
            ),
            "scores": (lambda edges, x, y=y: edge_scores(y, x, edges), lambda edges, x, y=y: edges.edge_scores(y, x), x),
        }
        for operation, (run, with_hubs, start) in runs.items():
            expected = None
            for form, choice, dtype in FORMS:
                with kernels(choice), read_in(dtype), _cusparse(choice == "csr"):
                    try:
                        figure, result = _measured(run, edges, start)
                    except Exception as error:
                        if choice != "csr":
                            raise
                        # JAX has it off by itself, and no longer works on it.
                        warnings.warn(f"cuSPARSE isn't measured ({error}).", RuntimeWarning, stacklevel=2)
                        continue
                expected = result if expected is None else expected
                figure["difference"] = float(jnp.abs(result - expected).max() / jnp.abs(expected).max())
                yield f"{size}.{operation}.{form}", figure
            figure, result = _measured(with_hubs, apart, start)
            assert expected is not None
            yield (
                f"{size}.{operation}.hubs",
                figure | {"difference": float(jnp.abs(result - expected).max() / jnp.abs(expected).max())},
            )


@contextmanager
def _cusparse(wanted: bool) -> Iterator[None]:
    """JAX takes CSR products to cuSPARSE only where it is told to."""
    before = getattr(jax.config, _CUSPARSE)
    jax.config.update(_CUSPARSE, wanted)
    try:
        yield
    finally:
        jax.config.update(_CUSPARSE, before)


def _measured(run: Callable[..., jax.Array], edges: Edges | HubEdges, start: jax.Array) -> tuple[dict[str, Any], jax.Array]:
    once = jax.jit(lambda edges, x: run(edges, x))

    def chained(edges: Edges | HubEdges, x: jax.Array) -> jax.Array:
        # Every round waits for the one before.
        return jax.lax.fori_loop(0, LOOP, lambda _, x: x.at[0, 0].add(1e-30 * run(edges, x).reshape(-1)[0]), x)

    loop = jax.jit(chained)
    taken = 1e6 * seconds(lambda: loop(edges, start)) / LOOP
    results = [np.asarray(once(edges, start)) for _ in range(5)]
    same = all(np.array_equal(results[0], other) for other in results[1:])
    spread = [float(value) for value in np.percentile(taken, [10, 90])]
    return {"value": float(np.median(taken)), "unit": "µs", "spread": spread, "repeats": same}, jnp.asarray(results[0])
