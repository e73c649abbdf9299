"""Requests to graph models that see the rest of the graph as a constant, and to those that can't."""

from dataclasses import replace

import flax.linen as nn
import jax
import numpy as np
import pytest

from ifru_jax import FlaxRecommender, ForgetRequest, IFRUConfig, TrainConfig, Trained, lightgcn
from ifru_jax.data.side_features import SideFeatures
from ifru_jax.graph import Change, build_training_set, inner_products
from ifru_jax.influence import importance
from ifru_jax.unlearning import Prepared, forget, prepare
from ifru_jax.unlearning.local.request import local_requests

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
    return prepare(Trained.of(model, params, split.train, config=TrainConfig(reg=1e-3)), config=ENDPOINTS)


def with_model(state, model):
    """Another model with the same parameters; the damping is still known."""
    return replace(state, objective=replace(state.objective, model=model))


def afresh(state):
    """The same with a new record of its propagations."""
    return prepare(replace(state), config=ENDPOINTS)


def request_at(state, place, **options):
    """The problem of the interaction at a place."""
    change = Change.of(state.training_set, ForgetRequest(pairs=pair_at(state.interactions, place)))
    return local_requests(replace(state, step=replace(ENDPOINTS, **options)).with_propagations(state.propagations), change.alone)


def pair_at(data, place):
    return np.array([[data.users[place], data.items[place]]])


def requests(data, count, seed=0):
    places = np.random.default_rng(seed).choice(len(data), count, replace=False)
    return [ForgetRequest(pairs=pair_at(data, z)) for z in places]


@pytest.mark.parametrize("way", ["plain", "checkpoint", "scan", "degrees"])
def test_a_model_that_cannot_be_followed_is_unlearned_on_all_its_scores_depend_on(trained, way):
    other = prepare(with_model(trained, own(way)), config=ENDPOINTS)
    assert other.propagations.any == (way == "plain")
    request = requests(trained.interactions, 1)[0]
    expected, _ = forget(trained, request, config=ENDPOINTS)
    found, report = forget(other, request, config=ENDPOINTS)
    assert report.influence.spillover == "local"
    for name, value in expected.params.items():
        change = np.abs(value - trained.params[name]).max()
        np.testing.assert_allclose(found.params[name], value, atol=1e-3 * float(change))


@pytest.mark.parametrize("layers", [1, 2])
def test_the_record_is_that_of_the_model_after_every_request(trained, layers):
    state = prepare(with_model(trained, lightgcn(num_layers=layers, embedding_size=SIZE)), config=ENDPOINTS)
    user = ForgetRequest(users=np.array([3]))
    for request in [*requests(state.interactions, 4), user]:
        state, _ = forget(state, request, config=ENDPOINTS)
        kept, fresh = state.propagations, afresh(state).propagations
        assert kept is not None
        assert kept is not fresh
        for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(fresh), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    assert not np.any(state.params["user_embedding"][3])


def test_no_record_of_other_parameters_is_used(trained):
    assert trained.propagations is not None
    moved = trained.with_params(jax.tree.map(lambda x: x + 1, trained.params))
    assert not isinstance(moved, Prepared)
    request = requests(trained.interactions, 1)[0]
    kept, _ = forget(moved, request, config=ENDPOINTS)
    fresh, _ = forget(prepare(moved, config=ENDPOINTS), request, config=ENDPOINTS)
    for name, value in fresh.params.items():
        np.testing.assert_array_equal(kept.params[name], value)
    whole, _ = forget(trained, request, config=IFRUConfig())
    assert whole.propagations is None
    # Whoever changes the state: a record of what was before would hold it.
    assert with_model(trained, lightgcn(num_layers=2, embedding_size=SIZE)).propagations is None
    assert replace(trained, params=moved.params).propagations is None
    other = prepare(trained, config=replace(ENDPOINTS, metric_exponent=0.0))
    assert other.damping != trained.damping
    assert other.propagations is trained.propagations


def test_a_problem_has_the_edges_at_its_scope_and_no_others(trained):
    data = trained.interactions
    place = int(np.flatnonzero(data.labels > 0.5)[0])
    edges = request_at(trained, place).parts.edges[0]
    positive = data.labels > 0.5
    at_ends = positive & ((data.users == data.users[place]) | (data.items == data.items[place]))
    np.testing.assert_array_equal(edges, np.flatnonzero(at_ends))


@pytest.mark.parametrize("users", [None, 12])
def test_a_budget_keeps_what_a_sort_of_all_would(trained, users):
    """Nodes are opened in order of importance; the result is that of looking at every interaction."""
    if users is not None:  # much padding behind few interactions
        few = trained.interactions.select(trained.interactions.users < users)
        trained = afresh(replace(trained, training_set=build_training_set(few, capacities=(8 * len(few), None))))
    data = trained.interactions
    for place in range(0, len(data), len(data) // 10):
        scores = [s.astype(np.float32) for s in importance(trained.training_set, np.array([place]), num_hops=1)[-1]]
        near = (data.labels > 0.5) & ((data.users == data.users[place]) | (data.items == data.items[place]))
        for score, rows, own in zip(scores, (data.users, data.items), (data.users[place], data.items[place]), strict=True):
            score[~np.isin(np.arange(len(score)), [own, *rows[near]])] = 0
        everything = request_at(trained, place)
        for budget in (5, 40, 200):
            found = request_at(trained, place, max_edges=budget)
            held = without(everything.parts.chosen[0], place)
            users, items = data.users[held], data.items[held]
            far = (users != data.users[place]) & (items != data.items[place])
            best = held[np.lexsort((-np.maximum(scores[0][users], scores[1][items]), far))[:budget]]
            np.testing.assert_array_equal(without(found.parts.chosen[0], place), np.sort(best))
            assert found.left_out_edges(0) == max(0, len(held) - budget)


def without(places, gone):
    assert gone in places
    return places[places != gone]


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
    state = prepare(Trained.of(model, params, data, config=TrainConfig(reg=1e-3)), config=ENDPOINTS)
    after, _ = forget(state, ForgetRequest(users=np.array([3])), config=ENDPOINTS)
    taken, given = after.propagations.to_items[0].taken, after.propagations.to_users[0].given
    assert state.propagations.to_items[0].taken[3] > 1
    assert not np.any(taken[3])
    assert not np.any(given[3])
    for a, b in zip(jax.tree.leaves(after.propagations), jax.tree.leaves(afresh(after).propagations), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
