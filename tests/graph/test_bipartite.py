"""Normalised weights against dense degrees."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.graph import build_graph, normalised_weights
from ifru_jax.sparse import build_edges, without_edges

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, CAPACITY = 5, 4, 16
EDGE_LISTS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=CAPACITY)
PRESENT = st.lists(st.booleans(), min_size=CAPACITY, max_size=CAPACITY)


def pattern(pairs):
    users, items = np.array(pairs, int).reshape(-1, 2).T
    return build_edges(users, items, num_rows=USERS, num_cols=ITEMS, capacity=CAPACITY)[0]


def dense_weights(edges, present):
    """Edge by edge; `present` [e] false at padding."""
    users, items = np.asarray(edges.rows), np.asarray(edges.cols)
    weights = np.zeros(CAPACITY)
    for e in np.flatnonzero(present):
        user_degree = sum(present[k] for k in range(CAPACITY) if users[k] == users[e])
        item_degree = sum(present[k] for k in range(CAPACITY) if items[k] == items[e])
        weights[e] = 1 / np.sqrt(user_degree * item_degree)
    return weights


@given(EDGE_LISTS)
@settings(max_examples=20)
def test_weights_of_a_graph(pairs):
    edges = pattern(pairs)
    np.testing.assert_allclose(build_graph(edges).weights, dense_weights(edges, np.asarray(edges.mask)), rtol=1e-12)


@given(EDGE_LISTS, PRESENT)
@settings(max_examples=20)
def test_absent_edges_count_in_no_degree(pairs, present):
    edges = pattern(pairs)
    graph = build_graph(edges).with_edges(jnp.asarray(present))
    expected = dense_weights(edges, np.array(present) & np.asarray(edges.mask))
    np.testing.assert_allclose(graph.weights, expected, rtol=1e-12)
    assert graph.edges is edges


@given(EDGE_LISTS, PRESENT)
@settings(max_examples=20)
def test_a_masked_graph_equals_a_smaller_graph(pairs, present):
    edges, keep = pattern(pairs), np.array(present)[: len(pairs)]
    masked = build_graph(edges).with_edges(jnp.asarray(present)).weights[: len(pairs)][keep]
    left = build_graph(without_edges(edges, np.flatnonzero(~keep), len(keep)))
    np.testing.assert_allclose(left.weights[: keep.sum()], masked, rtol=1e-12)


@given(EDGE_LISTS, st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_sums_over_neighbours(pairs, seed):
    graph, rng = build_graph(pattern(pairs)), np.random.default_rng(seed)
    adjacency = np.zeros((USERS, ITEMS))
    np.add.at(adjacency, (graph.edges.rows, graph.edges.cols), graph.weights)
    of_users, of_items = rng.normal(size=(USERS, 3)), rng.normal(size=(ITEMS, 3))
    np.testing.assert_allclose(graph.to_users(jnp.asarray(of_items)), adjacency @ of_items, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(graph.to_items(jnp.asarray(of_users)), adjacency.T @ of_users, rtol=1e-11, atol=1e-12)
    # The spectral norm of a normalised adjacency: no propagation amplifies.
    assert np.linalg.norm(adjacency, 2) <= 1 + 1e-12


def test_float32():
    edges = pattern([(0, 0), (0, 1), (3, 1)])
    weights = build_graph(edges, jnp.float32).weights
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[:3], [2**-0.5, 0.5, 2**-0.5], rtol=1e-6)
    assert normalised_weights(edges, jnp.zeros(CAPACITY, jnp.float32)).tolist() == [0] * CAPACITY
