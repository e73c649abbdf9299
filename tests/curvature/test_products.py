"""Hessian and Gauss–Newton products against dense matrices at about twenty parameters."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from ifru_jax.curvature import gauss_newton_product, hessian_product
from ifru_jax.graph import Batch, Examples, SortedPairs, build_graph
from ifru_jax.models import lightgcn, mf
from ifru_jax.sparse import build_edges
from ifru_jax.training import Objective, bce

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, WIDTH, EDGES, PAIRS, TOTAL, REG = 4, 3, 3, 8, 12, 10.0, 0.03
SIZE = (USERS + ITEMS) * WIDTH

EDGE_LISTS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=EDGES)
PAIR_LISTS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), min_size=1, max_size=PAIRS)
SEEDS = st.integers(0, 2**32 - 1)
LAYERS = [0, 1, 2]


@cache
def model(num_layers):
    return lightgcn(num_layers=num_layers, embedding_size=WIDTH) if num_layers else mf(embedding_size=WIDTH)


def problem(edges, pairs, seed):
    """Parameters, examples and graph; the same as dense counts, pairs and labels."""
    rng = np.random.default_rng(seed)
    shapes = {"user_embedding": (USERS, WIDTH), "item_embedding": (ITEMS, WIDTH)}
    params = {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
    rows, cols = np.array(pairs).T
    pattern, _ = build_edges(rows, cols, num_rows=USERS, num_cols=ITEMS, capacity=PAIRS)
    labels, weights = rng.integers(0, 2, PAIRS), rng.integers(0, 3, PAIRS) * np.asarray(pattern.mask)
    examples = Examples(SortedPairs(pattern), jnp.asarray(labels, float), jnp.asarray(weights, float))
    users, items = np.array(edges, int).reshape(-1, 2).T
    graph = build_graph(build_edges(users, items, num_rows=USERS, num_cols=ITEMS, capacity=EDGES)[0])
    counts = np.zeros((USERS, ITEMS))
    np.add.at(counts, (users, items), 1)
    return params, examples, graph, jnp.asarray(counts)


@partial(jax.jit, static_argnums=0)
def hessian_columns(num_layers, params, examples, graph):
    """The product with every unit vector."""
    unravel = ravel_pytree(params)[1]
    objective = Objective(model(num_layers), bce, TOTAL, REG)
    product = hessian_product(lambda p: objective(p, Batch(examples, graph)), params)
    return jax.lax.map(lambda v: ravel_pytree(product(unravel(v)))[0], jnp.eye(SIZE))


@partial(jax.jit, static_argnums=0)
def gauss_newton_columns(num_layers, params, examples, graph):
    unravel = ravel_pytree(params)[1]
    product = gauss_newton_product(
        lambda p: model(num_layers).score(p, examples.pairs, graph),
        lambda s: jnp.sum(examples.weights * bce(s, examples.labels)) / TOTAL,
        params,
    )
    return jax.lax.map(lambda v: ravel_pytree(product(unravel(v)))[0], jnp.eye(SIZE))


@partial(jax.jit, static_argnums=(0, 1))
def dense_matrices(dense_scores, num_layers, params, examples, counts):
    """Hessian and Gauss–Newton matrix of the loss written with matrix products."""
    theta, unravel = ravel_pytree(params)

    def scores(theta):
        p = unravel(theta)
        matrix = dense_scores(p["user_embedding"], p["item_embedding"], counts, num_layers)
        return matrix[examples.pairs.users, examples.pairs.items]

    def loss(theta):
        s = scores(theta)
        losses = jnp.log1p(jnp.exp(s)) - examples.labels * s
        return jnp.sum(examples.weights * losses) / TOTAL + REG / 2 * jnp.sum(theta**2)

    jacobian, probability = jax.jacrev(scores)(theta), jax.nn.sigmoid(scores(theta))
    second = examples.weights * probability * (1 - probability) / TOTAL
    return jax.hessian(loss)(theta), jacobian.T @ (second[:, None] * jacobian)


@pytest.mark.parametrize("num_layers", LAYERS)
@given(edges=EDGE_LISTS, pairs=PAIR_LISTS, seed=SEEDS)
@settings(max_examples=10)
def test_products_equal_dense_matrices(dense_scores, num_layers, edges, pairs, seed):
    params, examples, graph, counts = problem(edges, pairs, seed)
    hessian, gauss_newton = dense_matrices(dense_scores, num_layers, params, examples, counts)
    np.testing.assert_allclose(hessian_columns(num_layers, params, examples, graph), hessian, atol=1e-10)
    got = gauss_newton_columns(num_layers, params, examples, graph)
    np.testing.assert_allclose(got, gauss_newton, atol=1e-10)
    np.testing.assert_allclose(got, got.T, atol=1e-12)
    assert np.linalg.eigvalsh(got).min() > -1e-12


def test_a_hessian_of_a_bilinear_model_is_indefinite():
    """What the solvers are for: one pair at scores near zero has curvature −|ℓ′| along p = −q."""
    params, examples, graph, _ = problem([], [(0, 0)], 0)
    params = jax.tree.map(lambda v: 0.1 * v, params)
    examples = Examples(examples.pairs, examples.labels, jnp.asarray(examples.pairs.edges.mask, float))
    assert np.linalg.eigvalsh(hessian_columns(0, params, examples, graph)).min() < -0.01


def test_both_agree_for_a_linear_model():
    """Logistic regression: the model has no curvature of its own."""
    rng = np.random.default_rng(0)
    features, labels, theta, v = (jnp.asarray(rng.normal(size=s)) for s in [(7, 4), (7,), (4,), (4,)])

    def summed(s):
        return jnp.sum(bce(s, labels))

    product = gauss_newton_product(lambda t: features @ t, summed, theta)
    exact = hessian_product(lambda t: summed(features @ t), theta)
    np.testing.assert_allclose(product(v), exact(v), rtol=1e-12)


def test_any_tree_of_parameters():
    at = {"a": jnp.array([1.0, 2.0]), "b": [jnp.array(3.0)]}
    product = hessian_product(lambda p: p["a"][0] ** 2 * p["b"][0] + p["a"][1] ** 3, at)
    got = product({"a": jnp.array([1.0, 1.0]), "b": [jnp.array(1.0)]})
    np.testing.assert_allclose(got["a"], [2 * 3 * 1 + 2 * 1 * 1, 6 * 2 * 1])
    np.testing.assert_allclose(got["b"][0], 2 * 1 * 1)
