"""Requests to graph models that see the rest of the graph as a constant, and to those that can't."""

from dataclasses import replace

import flax.linen as nn
import jax
import numpy as np
import pytest

from ifru_jax import ForgetRequest, IFRUConfig, TrainConfig, Trained, lightgcn
from ifru_jax.data.side_features import SideFeatures
from ifru_jax.graph import build_training_set, inner_products
from ifru_jax.influence import importance
from ifru_jax.models import FlaxRecommender
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.local_step import local_request

ENDPOINTS = IFRUConfig(scope=(), num_steps=5)
SIZE = 4


class Own(nn.Module):
    """LightGCN with one layer, written in ways that hide the propagation or read more of the graph."""

    way: str
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        init = nn.initializers.normal(0.1)
        users = self.param("user_embedding", init, (self.num_users, SIZE))
        items = self.param("item_embedding", init, (self.num_items, SIZE))
        if self.way == "checkpoint":
            received = jax.checkpoint(lambda g, v: g.to_users(v))(graph, items), graph.to_items(users)
        elif self.way == "scan":
            # A layer under `scan`: what is seen inside can't be taken out.
            received, _ = jax.lax.scan(
                lambda x, _: ((graph.to_users(items), graph.to_items(users)), None), (users, items), length=1
            )
        else:
            received = graph.to_users(items), graph.to_items(users)
        if self.way == "degrees":
            received = received[0] + 0 * graph.degrees()[0][:, None], received[1]
        return inner_products(users + received[0], items + received[1], pairs) / 4


def own(way):
    return FlaxRecommender(Own(way), ("user_embedding",), ("item_embedding",), num_hops=1)


@pytest.fixture(scope="module")
def trained(split):
    """One layer; trained enough for the curvature to be that of a model."""
    model = lightgcn(num_layers=1, embedding_size=SIZE, init_std=0.1)
    params = model.init(jax.random.key(0), split.train.num_users, split.train.num_items)
    state = Trained(model, params, build_training_set(split.train), len(split.train), TrainConfig(reg=1e-3))
    return prepare(state, config=ENDPOINTS)


def requests(data, count, seed=0):
    places = np.random.default_rng(seed).choice(len(data), count, replace=False)
    return [ForgetRequest(pairs=np.array([[data.users[z], data.items[z]]])) for z in places]


@pytest.mark.parametrize("way", ["plain", "checkpoint", "scan", "degrees"])
def test_a_model_that_cannot_be_followed_is_unlearned_on_all_its_scores_depend_on(trained, way):
    other = prepare(replace(trained, model=own(way)), config=ENDPOINTS)
    assert other.propagations.any == (way == "plain")
    request = requests(trained.interactions, 1)[0]
    expected, _ = forget(trained, request, config=ENDPOINTS)
    found, report = forget(other, request, config=ENDPOINTS)
    assert report.spillover == "local"
    for name, value in expected.params.items():
        change = np.abs(value - trained.params[name]).max()
        np.testing.assert_allclose(found.params[name], value, atol=1e-3 * float(change))


@pytest.mark.parametrize("layers", [1, 2])
def test_the_record_is_that_of_the_model_after_every_request(trained, layers):
    state = replace(trained, model=lightgcn(num_layers=layers, embedding_size=SIZE))
    state = prepare(state, config=ENDPOINTS)
    user = ForgetRequest(users=np.array([3]))
    for request in [*requests(state.interactions, 4), user]:
        state, _ = forget(state, request, config=ENDPOINTS)
        kept, fresh = state.propagations, state.with_propagations().propagations
        assert kept is not None
        for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(fresh), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    assert not np.any(state.params["user_embedding"][3])


def test_no_record_of_other_parameters_is_used(trained):
    assert trained.propagations is not None
    moved = trained.with_params(jax.tree.map(lambda x: x + 1, trained.params))
    assert moved.propagations is None
    request = requests(trained.interactions, 1)[0]
    kept, _ = forget(moved, request, config=ENDPOINTS)
    fresh, _ = forget(moved.with_propagations(), request, config=ENDPOINTS)
    for name, value in fresh.params.items():
        np.testing.assert_array_equal(kept.params[name], value)
    whole, _ = forget(trained, request)
    assert whole.recorded is None
    # Whoever changes the state: a record of what was before would hold it.
    assert moved.recorded is None
    assert replace(trained, model=lightgcn(num_layers=2, embedding_size=SIZE)).recorded is None
    assert replace(trained, damping_scale=1.0).recorded is trained.recorded


def test_a_problem_has_the_edges_at_its_scope_and_no_others(trained):
    data = trained.interactions
    place = int(np.flatnonzero(data.labels > 0.5)[0])
    problem = local_request(trained, np.array([place]), ENDPOINTS).problem
    positive = data.labels > 0.5
    at_ends = positive & ((data.users == data.users[place]) | (data.items == data.items[place]))
    assert len(problem.edge_users) == at_ends.sum()


@pytest.mark.parametrize("users", [None, 12])
def test_a_budget_keeps_what_a_sort_of_all_would(trained, users):
    """Nodes are opened in order of importance; the result is that of looking at every interaction."""
    if users is not None:  # much padding behind few interactions
        few = trained.interactions.select(trained.interactions.users < users)
        trained = replace(trained, training_set=build_training_set(few, capacity=8 * len(few))).with_propagations()
    data = trained.interactions
    for place in range(0, len(data), len(data) // 10):
        scores = [s.astype(np.float32) for s in importance(data, np.array([place]), num_hops=1)[-1]]
        near = (data.labels > 0.5) & ((data.users == data.users[place]) | (data.items == data.items[place]))
        for score, rows, own in zip(scores, (data.users, data.items), (data.users[place], data.items[place]), strict=True):
            score[~np.isin(np.arange(len(score)), [own, *rows[near]])] = 0
        everything = local_request(trained, np.array([place]), ENDPOINTS).problem
        for budget in (5, 40, 200):
            found = local_request(trained, np.array([place]), replace(ENDPOINTS, max_edges=budget)).problem
            held = everything.chosen[~everything.forgotten]
            users, items = data.users[held], data.items[held]
            far = (users != data.users[place]) & (items != data.items[place])
            best = held[np.lexsort((-np.maximum(scores[0][users], scores[1][items]), far))[:budget]]
            np.testing.assert_array_equal(found.chosen[~found.forgotten], np.sort(best))
            assert found.left_out == max(0, len(held) - budget)


class WithFeatures(nn.Module):
    """Side features enter what is propagated."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        init = nn.initializers.normal(0.1)
        users = self.param("user_embedding", init, (self.num_users, 1)) + graph.user_features
        items = self.param("item_embedding", init, (self.num_items, 1))
        return inner_products(users + graph.to_users(items), items + graph.to_items(users), pairs)


def test_nothing_of_a_forgotten_user_stays_in_the_record(split):
    values = 1 + np.random.default_rng(0).random((split.train.num_users, 1))
    data = replace(split.train, user_features=SideFeatures(("age",), (1,), values))
    model = FlaxRecommender(WithFeatures(), ("user_embedding",), ("item_embedding",), num_hops=1, user_features=1)
    params = model.init(jax.random.key(0), data.num_users, data.num_items)
    state = prepare(Trained(model, params, build_training_set(data), len(data), TrainConfig(reg=1e-3)), config=ENDPOINTS)
    after, _ = forget(state, ForgetRequest(users=np.array([3])), config=ENDPOINTS)
    taken, given = after.propagations.to_items[0].taken, after.propagations.to_users[0].given
    assert state.propagations.to_items[0].taken[3] > 1
    assert not np.any(taken[3])
    assert not np.any(given[3])
    for a, b in zip(jax.tree.leaves(after.propagations), jax.tree.leaves(after.with_propagations().propagations), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
