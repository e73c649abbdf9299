"""Rows of tables that are read in bfloat16: rounded once, whatever the kernels, and added up in the precision that they had."""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError
from ifru_jax.sparse import as_read, build_edges, edge_scores, kernels, propagate, propagate_back, read_in

FORMS = ("auto", "csr", "portable", "sorted", "pallas")
ROWS, COLS, WIDTH = 5, 4, 3


def narrow(values):
    return values.astype(jnp.bfloat16).astype(values.dtype)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("form", FORMS)
@given(pairs=st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1)), max_size=12), seed=st.integers(0, 99))
@settings(max_examples=5)
def test_what_is_gathered_is_rounded_and_nothing_else(form, pairs, seed):
    """Values and derivatives: coefficients of edges stay as they are, and so do sums."""
    rows, cols = np.array(pairs, int).reshape(-1, 2).T
    edges, _ = build_edges(rows, cols, num_rows=ROWS, num_cols=COLS, capacity=12)
    rng = np.random.default_rng(seed)
    w, x, y = (jnp.asarray(rng.normal(size=s)) for s in [(12,), (COLS, WIDTH), (ROWS, WIDTH)])
    w = jnp.where(edges.mask, w, 0)
    with kernels(form), read_in("bfloat16"):
        up, of_sum = jax.vjp(lambda w, x: propagate(w, x, edges), w, x)
        scores, of_scores = jax.vjp(lambda a, b: edge_scores(a, b, edges), y, x)
        got = up, of_sum(y), scores, of_scores(w)
    x, y = narrow(x), narrow(y)
    to_rows, to_cols = propagate(w, x, edges), propagate_back(w, y, edges)
    expected = to_rows, (edge_scores(y, x, edges), to_cols), edge_scores(y, x, edges), (to_rows, to_cols)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), got, expected)


@pytest.mark.parametrize("form", FORMS)
def test_long_sums_lose_nothing(form):
    """Of 4,096 ones a sum in bfloat16 would stop at 256."""
    size = 4096
    edges, _ = build_edges(np.zeros(size, int), np.arange(size) % 7, num_rows=1, num_cols=7)
    with kernels(form), read_in("bfloat16"):
        assert propagate(jnp.ones(edges.capacity), jnp.ones((7, 1)), edges)[0, 0] == size
        wide = edge_scores(jnp.ones((1, size)), jnp.ones((7, size)), edges)
    np.testing.assert_array_equal(wide[:size], size)


def test_rows_of_a_minibatch_are_rounded_alike():
    values = jnp.asarray(np.random.default_rng(0).normal(size=(9, 5)), jnp.float32)
    np.testing.assert_array_equal(as_read(values), values)
    with read_in("bfloat16"):
        found, slope = jax.jit(jax.value_and_grad(lambda v: as_read(v).sum()))(values)
        np.testing.assert_array_equal(jax.jit(as_read)(values), narrow(values))
    np.testing.assert_array_equal(slope, 1)
    assert found.dtype == jnp.float32


def test_another_precision_is_named():
    with pytest.raises(DataError, match="read in 'int8': choose 'bfloat16'"), read_in("int8"):  # type: ignore[arg-type]
        pass


def for_a_gpu():
    """Triton of JAX 0.12 asks which GPU it lowers for; before, it asked for none."""
    if not hasattr(jax.sharding, "AbstractDevice"):
        return nullcontext()
    card = jax.sharding.AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=132, platform="cuda")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=card))


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_kernels_of_a_gpu_are_made_without_one(dtype):
    """Triton takes them, narrow loads included; what they compute is tried where they are interpreted."""
    edges, _ = build_edges(np.array([0, 1, 1]), np.array([0, 0, 1]), num_rows=3, num_cols=2, capacity=8)
    w, x, y = jnp.ones(8, jnp.float32), jnp.ones((2, 48), jnp.float32), jnp.ones((3, 48), jnp.float32)
    for operation, arrays in ((propagate, (w, x)), (propagate_back, (w, y)), (edge_scores, (y, x))):
        with read_in(dtype), for_a_gpu():
            program = jax.jit(operation).trace(*arrays, edges).lower(lowering_platforms=("cuda",)).as_text()
        assert "gpu$xla.gpu.triton" in program
        assert ("bf16" in program) == (dtype is not None)
