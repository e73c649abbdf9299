"""direct + spillover = the difference of the two full gradients, on whole graphs and on neighbourhoods."""

from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.data.interactions import Interactions
from ifru_jax.graph import build_training_set, inner_products
from ifru_jax.graph.neighbourhood import HostGraph, extract, stack
from ifru_jax.influence import (
    affected_interactions,
    direct_influence,
    gradient_change,
    neighbourhood_spillover,
)
from ifru_jax.influence.spillover import blocks, scatter_rows
from ifru_jax.models import FlaxRecommender, lightgcn, mf
from ifru_jax.training.objectives import bce

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, CAPACITY, WIDTH, BLOCK_SIZE, NUM_BLOCKS = 6, 5, 16, 2, 4, 4

ROW = st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.booleans(), st.booleans())
SEEDS = st.integers(0, 2**32 - 1)
LAYERS = [0, 1, 2, 3]


@st.composite
def requests(draw):
    """Interactions with duplicates and isolated nodes, and those to forget; often a whole user or item is among them."""
    rows = draw(st.lists(ROW, min_size=1, max_size=CAPACITY))
    users, items, labels, forgotten = (np.array(column) for column in zip(*rows, strict=True))
    whole_user, whole_item = draw(st.integers(-1, USERS - 1)), draw(st.integers(-1, ITEMS - 1))
    forgotten = forgotten | (users == whole_user) | (items == whole_item)
    order = np.lexsort((items, users))  # the order of a training set, so that masks fit both
    return Interactions(users[order], items[order], labels[order], USERS, ITEMS), forgotten[order]


class Weighted(nn.Module):
    """One layer of propagation with shared parameters: a scale of the layer, and a bias."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        init = nn.initializers.normal(1.0)
        users = self.param("user_embedding", init, (self.num_users, WIDTH))
        items = self.param("item_embedding", init, (self.num_items, WIDTH))
        scale, bias = self.param("scale", init, (WIDTH,)), self.param("bias", init, ())
        users, items = users + scale * graph.to_users(items), items + scale * graph.to_items(users)
        return inner_products(users, items, pairs) + bias


@cache
def model(num_layers):
    if num_layers == "shared":
        return FlaxRecommender(Weighted(), ("user_embedding",), ("item_embedding",), num_hops=1)
    return lightgcn(num_layers=num_layers, embedding_size=WIDTH) if num_layers else mf(embedding_size=WIDTH)


def parameters(num_layers, seed):
    rng = np.random.default_rng(seed)
    shapes = {"user_embedding": (USERS, WIDTH), "item_embedding": (ITEMS, WIDTH)}
    if num_layers == "shared":
        shapes |= {"scale": (WIDTH,), "bias": ()}
    return {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}


def count_matrix(data):
    counts = np.zeros((USERS, ITEMS))
    positive = data.labels > 0.5
    np.add.at(counts, (data.users[positive], data.items[positive]), 1)
    return jnp.asarray(counts)


def padded(data):
    """Users, items, labels and a count for each, at the capacity."""
    fill = CAPACITY - len(data)
    columns = (np.pad(column, (0, fill)) for column in (data.users, data.items, data.labels.astype(float)))
    return *columns, (np.arange(CAPACITY) < len(data)).astype(float)


@partial(jax.jit, static_argnums=(0, 1))
def dense_gradient(dense_scores, num_layers, params, columns, counts, total):
    """∇ of the mean loss written with matrix products."""
    users, items, labels, weights = columns

    def loss(p):
        tables = p["user_embedding"], p["item_embedding"]
        if num_layers == "shared":
            degrees = counts.sum(1)[:, None] * counts.sum(0)[None, :]
            adjacency = counts / jnp.sqrt(jnp.where(degrees > 0, degrees, 1))
            left, right = tables[0] + p["scale"] * (adjacency @ tables[1]), tables[1] + p["scale"] * (adjacency.T @ tables[0])
            scores = left @ right.T + p["bias"]
        else:
            scores = dense_scores(*tables, counts, num_layers)
        s = scores[users, items]
        return jnp.sum(weights * (jnp.log1p(jnp.exp(s)) - labels * s)) / total

    return jax.grad(loss)(params)


direct = jax.jit(direct_influence, static_argnums=(0, 1))
whole_graph = jax.jit(gradient_change, static_argnums=(0, 1))
by_neighbourhood = jax.jit(neighbourhood_spillover, static_argnums=(0, 1))
scatter = jax.jit(scatter_rows, static_argnums=0)


def assert_close(got, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10, rtol=1e-10), got, expected)


def add(a, b):
    return jax.tree.map(jnp.add, a, b)


def sides(num_layers, data, forgotten):
    """The training set with and without, and the forgotten as examples of the same capacity."""
    before = build_training_set(data, capacity=CAPACITY, graph_capacity=CAPACITY)
    gone = build_training_set(data.select(forgotten), capacity=CAPACITY, graph_capacity=CAPACITY)
    return before, before.without(forgotten), gone.examples


@pytest.mark.parametrize("num_layers", [*LAYERS, "shared"])
@given(request=requests(), seed=SEEDS)
@settings(max_examples=15)
def test_direct_and_spillover_are_the_difference_of_two_gradients(dense_scores, num_layers, request, seed):
    data, forgotten = request
    params, total = parameters(num_layers, seed), float(len(data))
    retained = data.select(~forgotten)
    expected = jax.tree.map(
        jnp.subtract,
        dense_gradient(dense_scores, num_layers, params, padded(data), count_matrix(data), total),
        dense_gradient(dense_scores, num_layers, params, padded(retained), count_matrix(retained), total),
    )
    before, after, gone = sides(num_layers, data, forgotten)
    first = direct(model(num_layers), bce, params, gone, before.graph, total=total)
    change = whole_graph(model(num_layers), bce, params, after.examples, before.graph, after.graph, total=total)
    assert_close(add(first, change), expected)
    if num_layers == 0:
        jax.tree.map(lambda v: np.testing.assert_array_equal(v, 0), change)


@pytest.mark.parametrize("num_layers", [1, 2, 3, "shared"])
@given(request=requests(), seed=SEEDS)
@settings(max_examples=15)
def test_neighbourhoods_add_up_to_the_whole_graph(num_layers, request, seed):
    data, forgotten = request
    chosen = model(num_layers)
    params, total = parameters(num_layers, seed), float(len(data))
    before, after, _ = sides(num_layers, data, forgotten)
    expected = whole_graph(chosen, bce, params, after.examples, before.graph, after.graph, total=total)

    num_edges = len(before.positives)
    present = np.pad(~forgotten[before.positives], (0, CAPACITY - num_edges))
    changed = before.graph.with_edges(jnp.asarray(present))
    graph = HostGraph(
        users=data.users[before.positives],
        items=data.items[before.positives],
        before=np.asarray(before.graph.weights)[:num_edges],
        after=np.asarray(changed.weights)[:num_edges],
        num_users=USERS,
        num_items=ITEMS,
    )
    affected = np.flatnonzero(affected_interactions(data, forgotten, num_hops=chosen.num_hops))
    parts = blocks(graph, data, affected, num_hops=chosen.num_hops, block_size=BLOCK_SIZE)
    assert sorted(np.concatenate([p.chosen for p in parts]) if parts else []) == affected.tolist()
    assert all(0 < len(p.chosen) <= BLOCK_SIZE for p in parts)
    # Blocks of nothing bring the batch to one size, and must add nothing.
    nothing = extract(graph, data.users, data.items, np.zeros(0, int), num_hops=chosen.num_hops)
    parts += [nothing] * (NUM_BLOCKS - len(parts))
    batch = stack(parts, graph, data.users, data.items, data.labels, dtype=jnp.float64)
    local = by_neighbourhood(chosen, bce, params, batch, total=total)
    assert_close(scatter(chosen, params, batch, local), expected)


def changed_interactions(dense_scores, num_layers, data, forgotten, seed):
    """bool [n]: retained interactions whose score the deletion changes."""
    counts = count_matrix(data), count_matrix(data.select(~forgotten))
    changes = np.zeros(len(data))
    for k in range(2):  # a change is zero by chance for no two draws of the parameters
        params = parameters(num_layers, (seed, k))
        scores = [dense_scores(params["user_embedding"], params["item_embedding"], c, num_layers) for c in counts]
        changes = np.maximum(changes, np.abs(np.asarray(scores[0] - scores[1]))[data.users, data.items])
    return ~forgotten & (changes > 1e-12)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@given(request=requests(), seed=SEEDS)
@settings(max_examples=20)
def test_every_interaction_whose_score_changes_is_affected(dense_scores, num_layers, request, seed):
    data, forgotten = request
    affected = affected_interactions(data, forgotten, num_hops=num_layers)
    assert affected[changed_interactions(dense_scores, num_layers, data, forgotten, seed)].all()
    assert not affected[forgotten].any()


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@given(request=requests(), seed=SEEDS)
@settings(max_examples=20)
def test_no_other_is_affected_in_a_graph_without_duplicates(dense_scores, num_layers, request, seed):
    """With duplicates it may be: an edge that stands twice and alone weighs 1, before and after one of the two goes."""
    data, forgotten = request
    _, first = np.unique(np.stack([data.users, data.items]), axis=1, return_index=True)
    data, forgotten = data.select(first), forgotten[first]
    np.testing.assert_array_equal(
        affected_interactions(data, forgotten, num_hops=num_layers),
        changed_interactions(dense_scores, num_layers, data, forgotten, seed),
    )


@given(request=requests())
@settings(max_examples=20)
def test_nothing_is_affected_without_a_graph_or_a_removed_edge(request):
    data, forgotten = request
    assert not affected_interactions(data, forgotten, num_hops=0).any()
    negatives = forgotten & (data.labels < 0.5)
    assert not affected_interactions(data, negatives, num_hops=3).any()


def test_one_deletion_reaches_as_far_as_there_are_layers():
    """A path u0 - i0 - u1 - i1 - u2 - i2 whose first edge goes."""
    users, items = np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2])
    data = Interactions(users, items, np.ones(5), 3, 3)
    reached = [affected_interactions(data, np.arange(5) == 0, num_hops=n).tolist() for n in (1, 2, 3)]
    assert reached[0] == [False, True, True, False, False]
    assert reached[1] == [False, True, True, True, False]
    assert reached[2] == [False, True, True, True, True]
