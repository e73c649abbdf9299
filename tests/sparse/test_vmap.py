"""`vmap` of the primitives, a block-diagonal call, against a Python loop over dense twins."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.sparse import build_edges, kernels, propagate

pytestmark = pytest.mark.usefixtures("float64")

BATCH, ROWS, COLS, CAPACITY, WIDTH = 3, 4, 3, 8, 3

EDGE_LIST = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1)), max_size=CAPACITY)
BATCHES = st.lists(EDGE_LIST, min_size=BATCH, max_size=BATCH)
SEEDS = st.integers(0, 2**32 - 1)


def pattern(pairs):
    rows, cols = np.array(pairs, int).reshape(-1, 2).T
    return build_edges(rows, cols, num_rows=ROWS, num_cols=COLS, capacity=CAPACITY)[0]


def stacked(batch):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(pattern, batch))


def arrays(seed, *lead):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=(*lead, *s))) for s in [(CAPACITY,), (COLS, WIDTH), (ROWS, WIDTH)])


def all_outputs(operations, edges, w, x, y):
    up = operations.propagate(w, x, edges)
    return up, operations.propagate_back(w, y, edges), operations.edge_scores(y + up, x, edges)


def energy(operations, edges, w, x, y):
    return sum(jnp.sum(jnp.sin(out)) for out in all_outputs(operations, edges, w, x, y))


def assert_close(got, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11), got, expected)


def in_a_loop(function, axes, args, size):
    """What `vmap(function, axes)(*args)` means."""

    def entry(k):
        return [
            a if axis is None else jax.tree.map(lambda v, axis=axis: jnp.take(v, k, axis), a)
            for a, axis in zip(args, axes, strict=True)
        ]

    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(function(*entry(k)) for k in range(size)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def mapped(function, operations, axes, *args):
    return jax.vmap(partial(function, operations), axes)(*args)


# Axes of the pattern, the weights, the features of columns and of rows.
AXES = {
    "everything": (0, 0, 0, 0),
    "patterns": (0, None, None, None),
    "weights": (None, 0, None, None),
    "column features": (None, None, 0, None),
    "row features": (None, None, None, 0),
    "odd axes": (None, 1, 2, 1),
}


def arguments(axes, batch, seed):
    edges = stacked(batch) if axes[0] == 0 else pattern(batch[0])
    single, several = arrays(seed), arrays(seed, BATCH)
    values = [
        one if axis is None else jnp.moveaxis(many, 0, axis) for one, many, axis in zip(single, several, axes[1:], strict=True)
    ]
    return edges, *values


@partial(jax.jit, static_argnums=(0, 1, 2))
def looped(function, operations, axes, *args):
    return in_a_loop(partial(function, operations), axes, args, BATCH)


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
@given(batch=BATCHES, seed=SEEDS)
@settings(max_examples=5)
def test_any_argument_may_be_batched(sparse, dense, axes, batch, seed):
    args = arguments(axes, batch, seed)
    assert_close(mapped(all_outputs, sparse, axes, *args), looped(all_outputs, dense, axes, *args))


@given(batch=BATCHES, seed=SEEDS)
@settings(max_examples=5)
def test_portable_kernels(sparse, dense, batch, seed):
    axes = AXES["everything"]
    args = arguments(axes, batch, seed)
    with kernels("portable"):
        got = mapped(gradient, sparse, axes, *args)
    assert_close(got, looped(gradient, dense, axes, *args))


def gradient(operations, edges, w, x, y):
    return jax.grad(partial(energy, operations, edges), (0, 1, 2))(w, x, y)


def hessian_product(operations, edges, w, x, y):
    """Along the arguments themselves."""
    args = (w, x, y)
    return jax.linearize(jax.grad(partial(energy, operations, edges), (0, 1, 2)), *args)[1](*args)


@pytest.mark.parametrize(("derivative", "axes"), [(hessian_product, AXES["everything"]), (gradient, AXES["column features"])])
@given(batch=BATCHES, seed=SEEDS)
@settings(max_examples=5)
def test_vmap_of_a_derivative(sparse, dense, derivative, axes, batch, seed):
    args = arguments(axes, batch, seed)
    assert_close(mapped(derivative, sparse, axes, *args), looped(derivative, dense, axes, *args))


@partial(jax.jit, static_argnums=(0, 1, 2))
def derivatives_of_sum(mapping, operations, axes, edges, values):
    def total(values):
        return jnp.sum(mapping(energy, operations, axes, edges, *values))

    return jax.grad(total)(values), jax.jvp(jax.grad(total), (values,), (values,))[1]


@pytest.mark.parametrize("axes", [AXES["everything"], AXES["column features"]])
@given(batch=BATCHES, seed=SEEDS)
@settings(max_examples=5)
def test_derivative_of_a_vmap(sparse, dense, axes, batch, seed):
    edges, *values = arguments(axes, batch, seed)
    got = derivatives_of_sum(mapped, sparse, axes, edges, values)
    assert_close(got, derivatives_of_sum(looped, dense, axes, edges, values))


@partial(jax.jit, static_argnums=(0, 1, 2))
def nested(mapping, operations, axes, edges, w, x, y):
    over_patterns = partial(mapping, all_outputs, operations, axes)
    if mapping is looped:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(over_patterns(edges, w, one, y) for one in x))
    return jax.vmap(over_patterns, (None, None, 0, None))(edges, w, x, y)


@given(batch=BATCHES, seed=SEEDS)
@settings(max_examples=5)
def test_nested_vmap(sparse, dense, batch, seed):
    axes = (0, 0, None, None)
    args = stacked(batch), arrays(seed, BATCH)[0], arrays(seed, 2)[1], arrays(seed)[2]
    assert_close(nested(mapped, sparse, axes, *args), nested(looped, dense, axes, *args))


def test_a_mapped_call_is_one_call():
    """Block-diagonal: the batch is inside the kernel, not a loop around it."""
    edges, (w, x, _) = stacked([[(0, 0)]] * BATCH), arrays(0, BATCH)
    jaxpr = jax.make_jaxpr(jax.vmap(propagate))(w, x, edges)
    calls = [e for e in jaxpr.eqns if e.primitive.name == "ifru_propagate"]
    assert len(calls) == 1
    assert calls[0].outvars[0].aval.shape == (BATCH * ROWS, WIDTH)
