"""Fixtures and settings for all tests."""

import gc
import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

# Most of the time of the tests is compilation of tiny functions, each used a few times: let it be quick rather than its code fast.
# There is a worker for each core, and arrays are tiny: threads that share one operation cost more than they save.
# XLA ends the process at a flag it doesn't know, and other releases don't know the last one.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_multi_thread_eigen=false"
    + (" --xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else ""),
)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import pytest
from hypothesis import settings

# Shared machines stall now and then; a slow example is no failure.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


def pytest_collection_finish() -> None:
    """Tracing makes many objects, and what is loaded by now stays: looking through all of it again and again is not worth it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10000, 20, 50)


@pytest.fixture(autouse=True, scope="module")
def few_compiled_functions() -> Iterator[None]:
    """What a module compiled goes with it: each compiled function keeps memory mapped, of which a process has so much only."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the data sets that can't be in the repository; tests that need it are skipped without it."""
    folders = [os.environ.get("IFRU_JAX_DATA"), Path(__file__).parents[2] / "shared" / "data"]
    for folder in folders:
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("needs the data sets: set IFRU_JAX_DATA to their folder")


@pytest.fixture(scope="module")
def float64() -> Iterator[None]:
    """Double precision for all tests of a module; a module asks for it with `pytest.mark.usefixtures`."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(scope="session")
def dense_scores() -> Callable[..., jax.Array]:
    """Scores of every user with every item, [users, items]: LightGCN as matrix products, MF with no layer."""

    def scores(users: jax.Array, items: jax.Array, counts: jax.Array, num_layers: int) -> jax.Array:
        """`counts` [users, items]: how often each edge is in the graph."""
        degrees = counts.sum(1)[:, None] * counts.sum(0)[None, :]
        weights = counts / jnp.sqrt(jnp.where(degrees > 0, degrees, 1))
        adjacency = jnp.block([[jnp.zeros((len(users), len(users))), weights], [weights.T, jnp.zeros((len(items), len(items)))]])
        layer = jnp.concatenate([users, items])
        total = layer
        for _ in range(num_layers):
            layer = adjacency @ layer
            total = total + layer
        mean = total / (num_layers + 1)
        return mean[: len(users)] @ mean[len(users) :].T

    return scores
