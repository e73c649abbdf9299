"""Models with shared weights: rows follow the record with the weights held, and the weights settle after them."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import FlaxRecommender, ForgetRequest, IFRUConfig, TrainConfig, Trained, bce, lightgcn
from ifru_jax.training import Objective
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.along import SegmentSolve, along_training
from ifru_jax.unlearning.settling import settle
from ifru_jax.unlearning.shared_weights import followers, random_subspace
from tests.unlearning.test_shared_weights import REG, TOWER, interactions

pytestmark = pytest.mark.usefixtures("float64")

TABLES = ("user/embedding", "item/embedding")
# As many as there are weights, so that the Krylov space is all of them.
EXACT = IFRUConfig(segment_steps=38, early_steps=19, segment_tolerance=0.0, max_share=None)


class Baked(nn.Module):
    """The tower with weights that are no parameters."""

    num_users: int = 0
    num_items: int = 0
    weights: tuple = ()

    @nn.compact
    def __call__(self, pairs, graph):
        users = nn.Embed(self.num_users, 2, name="user")(pairs.users)
        items = nn.Embed(self.num_items, 2, name="item")(pairs.items)
        kernel, bias, top, last = (jnp.array(of) for of in self.weights)
        return (jnp.tanh(jnp.concatenate([users, items], axis=1) @ kernel + bias) @ top + last)[:, 0]


def params_of(seed, size=1.0):
    drawn = TOWER.init(jax.random.key(0), 5, 4)
    rng = np.random.default_rng(seed)
    return {name: jnp.asarray(size * rng.normal(size=value.shape)) for name, value in drawn.items()}


def segment_of(params, seed, steps):
    rng = np.random.default_rng(seed)
    applied = {name: jnp.asarray(0.05 * np.exp(rng.normal(size=value.shape))) for name, value in params.items()}
    return Segment(params, applied, steps)


def recorded(model, params, segments):
    data = interactions()
    trained = Trained.of(model, params, data, config=TrainConfig(reg=REG))
    return prepare(trained.with_record(Record(segments, 7, data)), config=EXACT)


@pytest.fixture
def state():
    """A trained tower with a record of three segments that no training went along."""
    params = params_of(1)
    near = [jax.tree.map(lambda a, b: a + 0.2 * b, params, params_of(seed)) for seed in (2, 3, 4)]
    return recorded(TOWER, params, tuple(segment_of(of, seed, 30.0 + seed) for seed, of in enumerate(near)))


def request_of(state):
    data = state.interactions
    return ForgetRequest(pairs=np.stack([data.users, data.items], axis=1)[[0, 5, 9]])


@pytest.mark.parametrize("shared", ["update", ("top",), "subspace"], ids=str)
def test_weights_settle_as_the_dense_twin_does(state, shared):
    """(46b), of matrices."""
    state = prepare(state, config=replace(EXACT, shared=shared, shared_rank=6))
    change = state.resolved(request_of(state))
    rows = {name: state.params[name] + 0.1 for name in TABLES}
    found = settle(state, state.objective, state.params | rows, change)

    weights = {name: value for name, value in state.params.items() if name not in TABLES}
    free = {name: value for name, value in weights.items() if shared != ("top",) or name.startswith("top/")}
    flat, unravel = ravel_pytree(free)

    def value(w, rows, batch):
        return Objective(TOWER, bce, float(len(state.interactions)), REG)(rows | weights | unravel(w), batch)

    before = {name: state.params[name] for name in TABLES}
    force = jax.grad(value)(flat, before, change.before.batch) - jax.grad(value)(flat, rows, change.after.batch)
    H = np.asarray(jax.hessian(value)(flat, rows, change.after.batch))
    S = np.sqrt(state.record.steps * ravel_pytree({name: state.record.segments[-1].applied[name] for name in free})[0])
    E = np.asarray(random_subspace(len(flat), 6, flat.dtype)) if shared == "subspace" else np.eye(len(flat))
    t, V = np.linalg.eigh(E.T @ (S[:, None] * H * S) @ E)
    damping = max(1.0, -t.min() / 2.5)
    gain = -np.expm1(-np.abs(t) / damping) / np.abs(t)
    expected = S * (E @ (V @ (gain * (V.T @ (E.T @ (S * force))))))
    np.testing.assert_allclose(ravel_pytree(found.delta)[0], expected, rtol=1e-7, atol=1e-10)
    assert np.any(expected != 0)


def test_rows_follow_as_those_of_a_model_without_weights_do():
    params = params_of(1)
    segment = segment_of(params, 5, 40.0)
    weights = ("hidden/kernel", "hidden/bias", "top/kernel", "top/bias")
    as_tuples = tuple(
        jax.tree.map(lambda x: tuple(map(tuple, x)) if x.ndim > 1 else tuple(x), [np.asarray(params[n]) for n in weights])
    )
    baked = FlaxRecommender(Baked(weights=as_tuples), *((name,) for name in TABLES))

    def followed(model):
        alone = {name: segment.params[name] for name in model.init(jax.random.key(0), 5, 4)}
        part = Segment(alone, {name: segment.applied[name] for name in alone}, segment.steps)
        state = recorded(model, alone, (part,))
        change = state.resolved(request_of(state))
        return along_training(state.objective, state.record, change, solve=SegmentSolve(18, 0.0))

    held, without = followed(TOWER), followed(baked)
    assert held.delta.keys() == without.delta.keys() == set(TABLES)
    for name in TABLES:
        np.testing.assert_allclose(held.delta[name], without.delta[name], atol=1e-10)
        for part in ("params", "applied"):
            a, b = (getattr(found.segments[0], part)[name] for found in (held, without))
            np.testing.assert_allclose(a, b, atol=1e-10)


def test_weights_take_half_the_products_of_the_last_segment(state):
    change = state.resolved(request_of(state))
    for most, taken in ((8, 4), (9, 5)):
        found = settle(prepare(state, config=replace(EXACT, segment_steps=most)), state.objective, state.params, change)
        assert int(found.solution.num_steps) == taken


@pytest.mark.parametrize("shared", ["update", "freeze", ("top",)], ids=str)
def test_a_request_follows_the_record_whatever_becomes_of_the_weights(state, shared):
    change = state.resolved(request_of(state))
    after, report = forget(state, request_of(state), config=replace(EXACT, shared=shared))
    along = along_training(state.objective, state.record, change, solve=SegmentSolve(19, 0.0))
    for name in TABLES:
        np.testing.assert_allclose(after.params[name], state.params[name] + along.delta[name], atol=1e-9)
    moves = {name for name in state.params if name not in TABLES and np.any(after.params[name] != state.params[name])}
    all_weights = {"hidden/kernel", "hidden/bias", "top/kernel", "top/bias"}
    assert moves == {"update": all_weights, "freeze": set(), ("top",): {"top/kernel", "top/bias"}}[shared]
    rows = state.params | {name: after.params[name] for name in TABLES}
    settled = settle(prepare(state, config=replace(EXACT, shared=shared)), state.objective, rows, change)
    for name in moves:
        np.testing.assert_allclose(after.params[name], state.params[name] + settled.delta[name], atol=1e-9)
    products = int(along.solution.num_steps) + (int(settled.solution.num_steps) if settled else 0)
    assert report.solve.num_products == products
    for mine, was in zip(after.record.segments, state.record.segments, strict=True):
        for name in all_weights:
            np.testing.assert_array_equal(mine.params[name], was.params[name])


@pytest.mark.parametrize("shared", ["update", "freeze"])
@pytest.mark.parametrize("scope", [None, ()])
def test_what_is_said_of_shared_weights_is_nothing_to_a_model_without(scope, shared):
    model, data = lightgcn(num_layers=1, embedding_size=2), interactions()
    params = model.init(jax.random.key(0), data.num_users, data.num_items)
    trained = Trained.of(model, params, data).with_record(Record((segment_of(params, 5, 40.0),), 7, data))
    assert prepare(trained, config=IFRUConfig(scope=scope, shared=shared)).follows


@pytest.mark.parametrize(("scope", "shared", "follows"), [(None, "freeze", True), ((), "freeze", False), ((), "update", False)])
def test_confined_requests_with_frozen_weights_start_from_the_end(state, scope, shared, follows):
    assert prepare(state, config=IFRUConfig(scope=scope, shared=shared)).follows == follows


def test_all_of_a_model_without_tables_follows():
    model = lightgcn(num_layers=1, embedding_size=2)
    params = model.init(jax.random.key(0), 3, 2)
    none = replace(model, user_tables=(), item_tables=(), shared=tuple(params))
    assert followers(none, params) == (params, {})
    assert [set(part) for part in followers(model, params)] == [set(params), set()]
