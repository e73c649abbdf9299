"""Scores of MF and LightGCN against matrix products, for every kind of pairs."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.errors import ModelError
from ifru_jax.graph import GridPairs, IndexPairs, SortedPairs, build_graph, inner_products
from ifru_jax.models import lightgcn, mf
from ifru_jax.sparse import build_edges

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, EDGES, PAIRS, WIDTH = 5, 4, 16, 8, 3

EDGE_LISTS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=EDGES)
PAIR_LISTS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), min_size=PAIRS, max_size=PAIRS)
SEEDS = st.integers(0, 2**32 - 1)
LAYERS = [0, 1, 2, 3]


@cache
def model(num_layers):
    return lightgcn(num_layers=num_layers, embedding_size=WIDTH) if num_layers else mf(embedding_size=WIDTH)


@partial(jax.jit, static_argnums=0)
def score(num_layers, params, pairs, graph):
    return model(num_layers).score(params, pairs, graph)


def pattern(pairs, capacity=EDGES, users=USERS, items=ITEMS):
    rows, cols = np.array(pairs, int).reshape(-1, 2).T
    return build_edges(rows, cols, num_rows=users, num_cols=items, capacity=capacity)


def tables(seed, users=USERS, items=ITEMS):
    rng = np.random.default_rng(seed)
    params = {"user_embedding": rng.normal(size=(users, WIDTH)), "item_embedding": rng.normal(size=(items, WIDTH))}
    return jax.tree.map(jnp.asarray, params)


def index_pairs(pairs):
    users, items = np.array(pairs, np.int32).reshape(-1, 2).T
    return IndexPairs(jnp.asarray(users), jnp.asarray(items))


def count_matrix(edges):
    counts = np.zeros((USERS, ITEMS))
    np.add.at(counts, tuple(np.array(edges, int).reshape(-1, 2).T), 1)
    return jnp.asarray(counts)


@pytest.mark.parametrize("num_layers", LAYERS)
@given(edges=EDGE_LISTS, pairs=PAIR_LISTS, seed=SEEDS)
@settings(max_examples=15)
def test_scores_equal_matrix_products(dense_scores, num_layers, edges, pairs, seed):
    params, graph = tables(seed), build_graph(pattern(edges)[0])
    matrix = np.asarray(dense_scores(params["user_embedding"], params["item_embedding"], count_matrix(edges), num_layers))
    users, items = np.array(pairs).T
    by_index = score(num_layers, params, index_pairs(pairs), graph)
    np.testing.assert_allclose(by_index, matrix[users, items], rtol=1e-11, atol=1e-12)

    sorted_pairs, order = pattern(pairs, capacity=PAIRS + 3)
    by_edge = np.asarray(score(num_layers, params, SortedPairs(sorted_pairs), graph))
    np.testing.assert_allclose(by_edge[:PAIRS], matrix[users, items][order], rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(by_edge[PAIRS:], 0)

    grid = GridPairs(jnp.array([4, 1, 1]), jnp.arange(ITEMS))
    by_grid = score(num_layers, params, grid, graph)
    np.testing.assert_allclose(by_grid, matrix[[4, 1, 1]].ravel(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(by_grid, matrix[grid.users, grid.items], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("num_layers", LAYERS)
@given(
    edges=EDGE_LISTS,
    pairs=PAIR_LISTS,
    seed=SEEDS,
    users=st.permutations(range(USERS + 2)),
    items=st.permutations(range(ITEMS + 2)),
)
@settings(max_examples=10)
def test_renumbered_rows_among_others_score_the_same(num_layers, edges, pairs, seed, users, items):
    """Rows are reached by number only: moved elsewhere in larger tables, with rows of no edge between, scores stay."""
    params, larger = tables(seed), tables(seed + 1, USERS + 2, ITEMS + 2)
    places = {"user_embedding": np.array(users[:USERS]), "item_embedding": np.array(items[:ITEMS])}
    moved = {name: larger[name].at[places[name]].set(params[name]) for name in params}

    def renumbered(of):
        return [(users[u], items[i]) for u, i in of]

    graph = build_graph(pattern(edges)[0])
    moved_graph = build_graph(pattern(renumbered(edges), users=USERS + 2, items=ITEMS + 2)[0])
    np.testing.assert_allclose(
        score(num_layers, moved, index_pairs(renumbered(pairs)), moved_graph),
        score(num_layers, params, index_pairs(pairs), graph),
        rtol=1e-11,
        atol=1e-12,
    )


@pytest.mark.parametrize("num_layers", LAYERS)
def test_fresh_parameters(num_layers):
    built = model(num_layers)
    params = built.init(jax.random.key(0), 1000, 500)
    assert {name: value.shape for name, value in params.items()} == {
        "user_embedding": (1000, WIDTH),
        "item_embedding": (500, WIDTH),
    }
    assert built.tables == {"user_embedding": "user", "item_embedding": "item"}
    assert built.num_hops == num_layers
    for value in params.values():
        assert abs(np.std(value) / 1e-2 - 1) < 0.1
    jax.tree.map(np.testing.assert_array_equal, params, built.init(jax.random.key(0), 1000, 500))
    assert not np.array_equal(params["user_embedding"], built.init(jax.random.key(1), 1000, 500)["user_embedding"])


def test_equal_choices_make_equal_models():
    """They are static arguments: equal ones must share what was compiled."""
    assert lightgcn(num_layers=2) == lightgcn(num_layers=2)
    assert hash(mf(embedding_size=8)) == hash(mf(embedding_size=8))
    assert mf(embedding_size=8) != mf(embedding_size=9)


def test_lightgcn_needs_a_layer():
    with pytest.raises(ModelError, match="num_layers is 0: LightGCN propagates at least once"):
        lightgcn(num_layers=0)


def test_float32_scores_are_float32():
    users, items = jnp.ones((USERS, WIDTH), jnp.float32), jnp.ones((ITEMS, WIDTH), jnp.float32)
    edges = pattern([(0, 0), (1, 0)])[0]
    for pairs in (SortedPairs(edges), index_pairs([(0, 0)]), GridPairs(jnp.arange(2), jnp.arange(3))):
        assert inner_products(users, items, pairs).dtype == np.float32
    params, graph = {"user_embedding": users, "item_embedding": items}, build_graph(edges, jnp.float32)
    assert all(score(n, params, SortedPairs(edges), graph).dtype == np.float32 for n in LAYERS)
