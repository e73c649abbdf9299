"""The choice of kernels, and what a Hessian-vector product is made of."""

import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax.curvature import hessian_product
from ifru_jax.graph import Batch, BipartiteGraph, Examples, SortedPairs, build_graph, normalised_weights
from ifru_jax.models import lightgcn
from ifru_jax.sparse import build_edges, cpu_kernels, edge_scores, kernels, propagate
from ifru_jax.training import Objective, bce

EDGES, _ = build_edges(np.array([0, 1, 1]), np.array([0, 0, 1]), num_rows=2, num_cols=2, capacity=4)
W, X = jnp.arange(1.0, 5.0), jnp.arange(6.0).reshape(2, 3)


def equations(jaxpr):
    """All of a jaxpr, those of inner functions included."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def chosen(function, *args):
    return {e.params["kernels"] for e in equations(jax.make_jaxpr(function)(*args).jaxpr) if "kernels" in e.params}


def test_the_choice_reaches_functions_compiled_before():
    """Jit caches know the choice: a function traced with one is traced anew for the other, inner ones too."""
    inner = jax.jit(propagate)
    outer = jax.jit(lambda w, x, edges: inner(w, x, edges))

    def uses_csr():
        return "scatter" not in outer.lower(W, X, EDGES).as_text()

    assert chosen(outer, W, X, EDGES) == {"auto"}
    assert uses_csr() == (jax.default_backend() == "cpu")
    with kernels("portable"):
        assert chosen(outer, W, X, EDGES) == {"portable"}
        assert chosen(normalised_weights, EDGES, W) == {"portable"}
        assert not uses_csr()
        with kernels("auto"):
            assert chosen(outer, W, X, EDGES) == {"auto"}
        portable = outer(W, X, EDGES)
    assert chosen(outer, W, X, EDGES) == {"auto"}
    np.testing.assert_allclose(portable, outer(W, X, EDGES), rtol=1e-6)


def test_numba_is_used_where_it_is_and_done_without_where_it_is_not(monkeypatch):
    pytest.importorskip("numba")
    if jax.default_backend() == "cpu" and sys.platform in ("linux", "darwin"):
        assert cpu_kernels.available()
        assert "ifru_spmm_float32" in jax.jit(propagate).lower(W, X, EDGES).as_text()

    def broken():
        raise RuntimeError("no compiler")

    cpu_kernels._found.cache_clear()
    monkeypatch.setattr(cpu_kernels, "_kernels", broken)
    with pytest.warns(RuntimeWarning, match=r"can't be loaded \(no compiler\): slower ones"):
        assert not cpu_kernels.available()
    without = jax.jit(lambda w, x, edges: propagate(w, x, edges) + 0)
    assert "ifru_spmm" not in without.lower(W, X, EDGES).as_text()
    cpu_kernels._found.cache_clear()


def test_the_choice_ends_with_its_block():
    with pytest.raises(RuntimeError, match="inside"), kernels("portable"):
        raise RuntimeError("inside")
    assert chosen(propagate, W, X, EDGES) == {"auto"}


def test_without_jit():
    expected = propagate(W, X, EDGES), edge_scores(X, X, EDGES), jax.grad(lambda x: propagate(W, x, EDGES).sum())(X)
    with jax.disable_jit():
        got = propagate(W, X, EDGES), edge_scores(X, X, EDGES), jax.grad(lambda x: propagate(W, x, EDGES).sum())(X)
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = jax.jit(propagate)(W.astype(dtype), X.astype(dtype), EDGES)
        scores = jax.jit(edge_scores)(X.astype(dtype), X.astype(dtype), EDGES)
    assert out.dtype == scores.dtype == dtype
    np.testing.assert_array_equal(out.astype(np.float32), propagate(W, X, EDGES))
    np.testing.assert_array_equal(scores.astype(np.float32), edge_scores(X, X, EDGES))


NUM_USERS, NUM_ITEMS, NUM_EDGES, NUM_EXAMPLES = 10, 7, 41, 59


def loss_of(num_layers):
    """A LightGCN objective whose numbers of edges and of examples occur nowhere else as a size."""
    rng = np.random.default_rng(0)

    def pattern(size):
        users, items = rng.integers(0, NUM_USERS, size), rng.integers(0, NUM_ITEMS, size)
        return build_edges(users, items, num_rows=NUM_USERS, num_cols=NUM_ITEMS)[0]

    model = lightgcn(num_layers=num_layers, embedding_size=2)
    examples = Examples(SortedPairs(pattern(NUM_EXAMPLES)), jnp.ones(NUM_EXAMPLES), jnp.ones(NUM_EXAMPLES))
    graph: BipartiteGraph = build_graph(pattern(NUM_EDGES))
    params = model.init(jax.random.key(0), NUM_USERS, NUM_ITEMS)
    objective = Objective(model, bce, NUM_EXAMPLES, 1e-3)
    return lambda p: objective(p, Batch(examples, graph)), params


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_a_hessian_product_touches_edges_only_through_the_primitives(num_layers):
    loss, params = loss_of(num_layers)
    whole = jax.make_jaxpr(lambda p, v: hessian_product(loss, p)(v))(params, params)
    names = {e.primitive.name for e in equations(whole.jaxpr)}
    assert {"ifru_propagate", "ifru_edge_scores"} <= names
    over_edges = {
        e.primitive.name
        for e in equations(whole.jaxpr)
        if any({NUM_EDGES, NUM_EXAMPLES} & set(getattr(v.aval, "shape", ())) for v in [*e.invars, *e.outvars])
    }
    moving = {n for n in over_edges if any(part in n for part in ("gather", "scatter", "sort", "slice", "dot", "cumsum"))}
    assert not moving


@pytest.mark.parametrize("num_layers", [1, 2])
def test_a_linearised_product_gathers_each_row_once(num_layers):
    """One edge score of two terms; two propagations a layer forwards and back, and four for the gradient of the score."""
    loss, params = loss_of(num_layers)
    product = hessian_product(loss, params)
    calls = [e for e in equations(jax.make_jaxpr(product)(params).jaxpr) if e.primitive.name.startswith("ifru_")]
    scores = [e.params["terms"] for e in calls if e.primitive.name == "ifru_edge_scores"]
    assert scores == [2]
    assert len(calls) - len(scores) == 2 * num_layers + 4 + 2 * num_layers
