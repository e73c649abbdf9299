"""Memory of a bulk request, and of one Hessian product.

The peak of a request is of a process of its own, so that nothing else is counted. Of a product it is what XLA reserves for
temporaries when it compiles; nothing is run. Do ten times more interactions need ten times more memory, at once and in chunks?
"""

import resource
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.figure import Figure
from experiments.benchmark.trained import setup_of
from ifru_jax.graph import Batch, Examples, SortedPairs, build_graph
from ifru_jax.models import neumf
from ifru_jax.sparse import build_edges
from ifru_jax.training import Objective, Trained, bce
from ifru_jax.unlearning import forget, prepare

USERS, ITEMS = 6000, 4000
SMALL, LARGE = 100_000, 1_000_000
CHUNK = 4096


def bulk_memory(layers: int, *, target: float) -> dict[str, Figure]:
    """Peak resident memory of forgetting 2 % of ml-1m with LightGCN, everything included: interpreter, data, compilation."""
    code = f"from experiments.benchmark.memory import run; run({layers})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    before, peak = (float(line) for line in done.stdout.split()[-2:])
    details = {"gigabytes.before": before}
    return {"": Figure(peak, target, "GB", (peak, peak), "nothing: the peak of the process", details, True)}


def run(layers: int) -> None:
    """Forgets and prints the peak before the request and at the end, in GB. Memory does not depend on what the parameters are."""
    setup = setup_of("ml-1m", "lightgcn", layers)
    model, train = setup.build(1e-2), setup.split.train
    params = model.init(jax.random.key(0), train.num_users, train.num_items)
    trained = prepare(Trained.of(model, params, train, config=setup.params.best.train))
    before = _peak()
    forget(trained, setup.request)
    sys.stdout.write(f"{before}\n{_peak()}\n")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def chunked_memory(*, target: float) -> dict[str, Figure]:
    """Temporaries of a product over a million interactions in units of those over a tenth of them, both in chunks of 4,096."""
    found = {(size, chunk): _megabytes(size, chunk) for size in (SMALL, LARGE) for chunk in (None, CHUNK)}
    details = {f"megabytes.{size}.{'whole' if chunk is None else 'chunked'}": value for (size, chunk), value in found.items()}
    growth = found[LARGE, CHUNK] / found[SMALL, CHUNK]
    return {"": Figure(growth, target, "times", (growth, growth), f"{SMALL} interactions", details, True)}


def _megabytes(size: int, chunk: int | None) -> float:
    model, rng = neumf(embedding_size=48), np.random.default_rng(0)
    pairs, _ = build_edges(rng.integers(0, USERS, size), rng.integers(0, ITEMS, size), num_rows=USERS, num_cols=ITEMS)
    examples = Examples(SortedPairs(pairs), jnp.zeros(size), jnp.ones(size))
    nothing = np.zeros(0, np.int32)
    graph = build_graph(build_edges(nothing, nothing, num_rows=USERS, num_cols=ITEMS, capacity=1)[0])
    params = model.init(jax.random.key(0), USERS, ITEMS)

    objective = Objective(model, bce, float(size), 1e-5, chunk)
    product = jax.jit(lambda objective, p, v, batch: objective.hessian_product(p, batch)(v))
    compiled = product.lower(objective, params, params, Batch(examples, graph)).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    return memory.temp_size_in_bytes / 1e6
