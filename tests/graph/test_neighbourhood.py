"""Neighbourhoods: what a change reaches, and subgraphs that score like the whole graph."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.data import Interactions
from ifru_jax.graph import Nodes
from ifru_jax.graph.changes import Changes
from ifru_jax.graph.neighbourhood import Neighbourhoods, neighbourhoods
from ifru_jax.graph.nodes import spread
from ifru_jax.graph.subgraph import Bucket, pad_subgraphs
from ifru_jax.models import lightgcn
from ifru_jax.models.tables import take_rows
from ifru_jax.ragged import Ragged
from ifru_jax.sparse import build_edges
from tests.graph.changes import Case, changes, count_matrix

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, PAIRS, BLOCKS, WIDTH = 6, 7, 16, 3, 2  # few enough that every bucket holds 16

EDGE_LISTS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=12)


def columns(pairs):
    return tuple(np.array(pairs, np.int32).reshape(-1, 2).T)


def distances(users, items, centre):
    """Edges from the centre to each node (users first), by breadth-first search in a dict."""
    neighbours = {node: set() for node in range(USERS + ITEMS)}
    for u, i in zip(users.tolist(), items.tolist(), strict=True):
        neighbours[u].add(USERS + i)
        neighbours[USERS + i].add(u)
    found = dict.fromkeys(np.flatnonzero(centre).tolist(), 0)
    frontier = list(found)
    while frontier:
        node = frontier.pop(0)
        fresh = sorted(neighbours[node] - found.keys())
        found |= dict.fromkeys(fresh, found[node] + 1)
        frontier += fresh
    return np.array([found.get(node, np.inf) for node in range(USERS + ITEMS)])


@given(EDGE_LISTS, st.lists(st.booleans(), min_size=USERS + ITEMS, max_size=USERS + ITEMS), st.integers(0, 4))
@settings(max_examples=50)
def test_a_ball_holds_what_is_within_its_radius(pairs, centre, radius):
    edges, _ = build_edges(*columns(pairs), num_rows=USERS, num_cols=ITEMS, capacity=16)
    users, items = np.asarray(edges.rows)[: len(pairs)], np.asarray(edges.cols)[: len(pairs)]
    nodes = Nodes(np.array(centre[:USERS]), np.array(centre[USERS:]))
    held, got = spread(edges, nodes, len(pairs), radius)
    far = distances(users, items, centre)
    np.testing.assert_array_equal(np.concatenate([got.users, got.items]), far <= radius)
    np.testing.assert_array_equal(held, np.flatnonzero(np.minimum(far[users], far[USERS + items]) <= radius - 1))
    assert nodes.count == sum(centre)  # the centre itself is left as it was


@cache
def model(num_layers):
    return lightgcn(num_layers=num_layers, embedding_size=WIDTH)


@partial(jax.jit, static_argnums=0)
def local_scores(num_layers, params, batch):
    def scores(part, side):
        rows = take_rows(model(num_layers).tables, params, (part.users, part.items))
        return model(num_layers).score(rows, side.examples.pairs, side.graph)

    return jax.vmap(lambda part: (scores(part, part.before), scores(part, part.after)))(batch)


def subgraphs(parts):
    """Of (change, chosen, number of hops), side by side."""
    found = Neighbourhoods.joined([neighbourhood(*part) for part in parts])
    return pad_subgraphs(Changes.joined([change.alone for change, *_ in parts]), found, Bucket.of(found))


def neighbourhood(change, chosen, num_hops):
    return neighbourhoods(change.alone, Ragged.of([chosen]), num_hops=num_hops)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@given(
    changes(USERS, ITEMS, PAIRS),
    st.lists(st.integers(0, BLOCKS), min_size=PAIRS, max_size=PAIRS),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=15)
def test_a_neighbourhood_scores_like_the_whole_graph(dense_scores, num_layers, case, block, seed):
    """Also for isolated nodes, duplicates, blocks of nothing, edges that come, and scored pairs that are no edges."""
    data, change = case.data, case.change()
    rng = np.random.default_rng(seed)
    params = {"user_embedding": rng.normal(size=(USERS, WIDTH)), "item_embedding": rng.normal(size=(ITEMS, WIDTH))}
    params = jax.tree.map(jnp.asarray, params)
    chosen = [np.flatnonzero(np.array(block)[: len(data)] == k) for k in range(BLOCKS)]
    batch = subgraphs([(change, c, num_layers) for c in chosen])
    got = local_scores(num_layers, params, batch)

    tables = params["user_embedding"], params["item_embedding"]
    kept = (np.ones(len(data), bool), ~case.gone)
    for scores, side, of, stays in zip(got, (batch.before, batch.after), (data, case.after), kept, strict=True):
        labels = data.labels if of is data else case.labels
        expected = np.asarray(dense_scores(*tables, count_matrix(of), num_layers))
        for k, part in enumerate(chosen):
            local, count = side.examples, len(part)
            u = np.asarray(batch.users)[k][np.asarray(local.pairs.users)[k]][:count]
            i = np.asarray(batch.items)[k][np.asarray(local.pairs.items)[k]][:count]
            np.testing.assert_allclose(np.asarray(scores)[k][:count], expected[u, i], rtol=1e-10, atol=1e-12)
            columns = (u, i, local.labels[k][:count], local.weights[k][:count])
            rows = zip(*(np.asarray(column).tolist() for column in columns), strict=True)
            asked = zip(*(column[part].tolist() for column in (data.users, data.items, labels, stays)), strict=True)
            assert sorted(rows) == sorted(asked)
            assert not np.any(local.weights[k][count:])


def edges_only(pairs, gone=()):
    """A graph of these edges, some of which are forgotten."""
    data = Interactions(*columns(pairs), np.ones(len(pairs)), USERS, ITEMS)
    return Case(data, np.isin(np.arange(len(pairs)), gone), data.labels).change()


def test_each_part_may_have_its_own_change():
    pairs, whole = [(0, 0), (0, 1), (1, 1)], [2**-0.5, 0.5, 2**-0.5]
    parts = [edges_only(pairs, [gone]) for gone in (0, 2)]
    other = Interactions(*columns([*pairs, (2, 0)]), np.array([1, 1, 1, 0]), USERS, ITEMS)
    comes = Case(other, np.zeros(4, bool), np.ones(4, np.float32)).change()
    batch = subgraphs([(change, np.arange(3), 1) for change in parts])
    assert batch.users.shape[0] == 2
    before, after = batch.before.graph.weights, batch.after.graph.weights
    np.testing.assert_allclose(before[:, :3], [whole, whole])
    np.testing.assert_allclose(after[:, :3], [[0, 2**-0.5, 2**-0.5], [2**-0.5, 2**-0.5, 0]])
    # The edge (2, 0) comes: item 0 has two.
    batch = subgraphs([(comes, np.arange(3), 1)])
    before, after = batch.before.graph.weights, batch.after.graph.weights
    np.testing.assert_allclose(before[0, :4], [*whole, 0])
    np.testing.assert_allclose(after[0, :4], [0.5, 0.5, 2**-0.5, 2**-0.5])


def test_a_neighbourhood_is_no_larger_than_it_must_be():
    """A path u0 - i0 - u1 - i1 - u2: one layer needs the edges at the pair, two layers one edge more each way."""
    change = edges_only([(0, 0), (1, 0), (1, 1), (2, 1)])
    one = neighbourhood(change, np.array([0]), 1)
    assert [of[0].tolist() for of in (one.users, one.items, one.edges)] == [[0, 1], [0], [0, 1]]
    two = neighbourhood(change, np.array([0]), 2)
    assert [of[0].tolist() for of in (two.users, two.items, two.edges)] == [[0, 1], [0, 1], [0, 1, 2]]


def test_endpoints():
    nodes = Nodes.of(np.array([1, 1]), np.array([0, 3]), (3, 4))
    assert nodes.users.tolist() == [False, True, False]
    assert nodes.items.tolist() == [True, False, False, True]
    assert nodes.count == 3
