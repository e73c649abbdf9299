"""Neighbourhoods: what a deletion reaches, and subgraphs that score like the whole graph."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.graph.neighbourhood import HostGraph, Nodes, ball, endpoints, extract, stack
from ifru_jax.influence.spillover import local_params
from ifru_jax.models import lightgcn

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, PAIRS, BLOCKS, WIDTH = 6, 7, 14, 3, 2  # few enough that every bucket holds 16

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
    users, items = columns(pairs)
    nodes = Nodes(np.array(centre[:USERS]), np.array(centre[USERS:]))
    got = ball(nodes, users, items, radius)
    np.testing.assert_array_equal(np.concatenate([got.users, got.items]), distances(users, items, centre) <= radius)
    assert nodes.count == sum(centre)  # the centre itself is left as it was


@cache
def model(num_layers):
    return lightgcn(num_layers=num_layers, embedding_size=WIDTH)


@partial(jax.jit, static_argnums=0)
def local_scores(num_layers, params, batch):
    def scores(part, graph):
        return model(num_layers).score(local_params(model(num_layers), params, part), part.examples.pairs, graph)

    return jax.vmap(lambda part: (scores(part, part.before), scores(part, part.after)))(batch)


def counts(users, items, present):
    matrix = np.zeros((USERS, ITEMS))
    np.add.at(matrix, (users[present], items[present]), 1)
    return matrix


def weights(users, items, present):
    """Of each edge in the graph of those present, from dense degrees."""
    matrix = counts(users, items, present)
    degrees = matrix.sum(1)[users] * matrix.sum(0)[items]
    return np.where(present, 1 / np.sqrt(np.maximum(degrees, 1)), 0)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@given(
    EDGE_LISTS,
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), min_size=PAIRS, max_size=PAIRS),
    st.lists(st.integers(0, BLOCKS), min_size=PAIRS, max_size=PAIRS),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=15)
def test_a_neighbourhood_scores_like_the_whole_graph(dense_scores, num_layers, edges, removed, pairs, block, seed):
    """Also for isolated nodes, duplicates, blocks of nothing, and scored pairs that are no edges."""
    users, items = columns(edges)
    present = ~np.array(removed, bool)[: len(users)]
    everything = np.ones(len(users), bool)
    graph = HostGraph(users, items, USERS, ITEMS, weights(users, items, everything), weights(users, items, present))
    rng = np.random.default_rng(seed)
    params = {"user_embedding": rng.normal(size=(USERS, WIDTH)), "item_embedding": rng.normal(size=(ITEMS, WIDTH))}
    params = jax.tree.map(jnp.asarray, params)
    labels = rng.integers(0, 2, PAIRS).astype(np.float32)
    scored_users, scored_items = columns(pairs)
    chosen = [np.flatnonzero(np.array(block) == k) for k in range(BLOCKS)]
    parts = [extract(graph, scored_users, scored_items, c, num_hops=num_layers) for c in chosen]
    batch = stack(parts, graph, scored_users, scored_items, labels, dtype=jnp.float64)
    got = local_scores(num_layers, params, batch)

    tables = params["user_embedding"], params["item_embedding"]
    for scores, mask in zip(got, (everything, present), strict=True):
        expected = np.asarray(dense_scores(*tables, counts(users, items, mask), num_layers))
        for k, part in enumerate(chosen):
            counted = np.asarray(batch.examples.weights[k]) > 0
            local = batch.examples.pairs
            u = np.asarray(batch.users)[k][np.asarray(local.users)[k][counted]]
            i = np.asarray(batch.items)[k][np.asarray(local.items)[k][counted]]
            np.testing.assert_allclose(np.asarray(scores)[k][counted], expected[u, i], rtol=1e-10, atol=1e-12)
            rows = zip(u.tolist(), i.tolist(), np.asarray(batch.examples.labels)[k][counted].tolist(), strict=True)
            asked = zip(scored_users[part].tolist(), scored_items[part].tolist(), labels[part].tolist(), strict=True)
            assert sorted(rows) == sorted(asked)


def test_each_part_may_have_its_own_deletion():
    users, items = columns([(0, 0), (0, 1), (1, 1)])
    whole = weights(users, items, np.ones(3, bool))
    graphs = [HostGraph(users, items, USERS, ITEMS, whole, weights(users, items, np.arange(3) != gone)) for gone in (0, 2)]
    labels, chosen = np.ones(3, np.float32), np.arange(3)
    parts = [extract(graph, users, items, chosen, num_hops=1) for graph in graphs]
    batch = stack(parts, graphs, users, items, labels, dtype=jnp.float64)
    np.testing.assert_allclose(batch.before.weights[:, :3], [whole, whole])
    np.testing.assert_allclose(batch.after.weights[:, :3], [[0, 2**-0.5, 2**-0.5], [2**-0.5, 2**-0.5, 0]])
    with pytest.raises(ValueError, match="shorter"):
        stack(parts, graphs[:1], users, items, labels, dtype=jnp.float64)


def test_a_neighbourhood_is_no_larger_than_it_must_be():
    """A path u0 - i0 - u1 - i1 - u2: one layer needs the edges at the pair, two layers one edge more each way."""
    users, items = columns([(0, 0), (1, 0), (1, 1), (2, 1)])
    graph = HostGraph(users, items, USERS, ITEMS, np.ones(4), np.ones(4))
    one = extract(graph, users, items, np.array([0]), num_hops=1)
    assert (one.users.tolist(), one.items.tolist(), one.edges.tolist()) == ([0, 1], [0], [0, 1])
    two = extract(graph, users, items, np.array([0]), num_hops=2)
    assert (two.users.tolist(), two.items.tolist(), two.edges.tolist()) == ([0, 1], [0, 1], [0, 1, 2])


def test_the_number_of_parts_is_padded_with_parts_of_nothing():
    users, items = columns([(0, 0), (1, 1)])
    graph = HostGraph(users, items, USERS, ITEMS, np.ones(2), np.ones(2))
    parts = [extract(graph, users, items, np.array([0]), num_hops=1)] * 3
    batch = stack(parts, graph, users, items, np.ones(2, np.float32), dtype=jnp.float64)
    assert batch.users.shape[0] == 4
    assert batch.examples.weights.sum(axis=1).tolist() == [1, 1, 1, 0]
    assert not batch.before.edges.mask[3].any()


def test_endpoints():
    nodes = endpoints(np.array([1, 1]), np.array([0, 3]), num_users=3, num_items=4)
    assert nodes.users.tolist() == [False, True, False]
    assert nodes.items.tolist() == [True, False, False, True]
    assert nodes.count == 3
