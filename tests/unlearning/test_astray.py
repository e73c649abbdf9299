"""A step along the training that can't be right is not taken, and says so."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import IFRUConfig, Interactions, Status, Trained, mf
from ifru_jax.training import train
from ifru_jax.training.record import Record
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.along import along_training
from ifru_jax.unlearning.astray import LEAST, SLACK, ranks_worse, went_astray
from tests.unlearning.conftest import CONFIG, some


@pytest.fixture(scope="module")
def state(split):
    return prepare(train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), split, replace(CONFIG, record=3)))


def test_the_step_from_the_end_is_taken_instead(state, monkeypatch):
    request = some(state, 5)
    expected, _ = forget(state, request, config=IFRUConfig(follow=False))

    def far(*arguments, **options):
        found = along_training(*arguments, **options)
        return replace(found, delta=jax.tree.map(lambda d: 1e4 * d, found.delta))

    monkeypatch.setattr("ifru_jax.unlearning.whole.along_training", far)
    with pytest.warns(RuntimeWarning, match="went astray"):
        unlearned, report = forget(state, request)
    assert report.status is Status.UNRESOLVED
    assert unlearned.record is None
    for name, value in expected.params.items():
        np.testing.assert_array_equal(unlearned.params[name], value)


def test_through_all_of_the_training_at_once_is_tried_before(state, monkeypatch):
    request = some(state, 5)
    expected, alone = forget(state.with_record(state.record.in_one()), request)
    _, in_segments = forget(state, request)
    verdicts = iter([True, False])
    monkeypatch.setattr("ifru_jax.unlearning.whole.went_astray", lambda *arguments: next(verdicts))
    unlearned, report = forget(state, request)
    assert report.status is alone.status
    assert report.solve.num_products == alone.solve.num_products + in_segments.solve.num_products
    assert len(unlearned.record.segments) == 1
    jax.tree.map(np.testing.assert_array_equal, unlearned.params, expected.params)


def test_a_training_in_one_segment(state):
    segments = tuple(replace(one, steps=steps) for one, steps in zip(state.record.segments, (10.0, 20.0, 70.0), strict=True))
    whole = replace(state.record, segments=segments).in_one()
    (one,) = whole.segments
    assert (one.steps, whole.peak) == (100.0, None)
    for name, value in one.params.items():
        np.testing.assert_array_equal(value, segments[2].params[name])
        mean = sum(share * np.asarray(of.applied[name]) for share, of in zip((0.1, 0.2, 0.7), segments, strict=True))
        np.testing.assert_allclose(one.applied[name], mean, rtol=1e-6)
    (even,) = state.record.in_one().segments
    for name, value in even.params.items():
        np.testing.assert_array_equal(value, state.record.segments[1].params[name])


@pytest.mark.parametrize("share", [1e-4, 0.05])
def test_as_much_worse_as_a_share_of_the_data_may_cost(state, share):
    def astray(params):
        return went_astray(state.objective, state.params, params, state.batch, share)

    def further(by):
        return jax.tree.map(lambda value: (1 + by) * value, state.params)

    def rise(by):
        before, after = (float(state.objective(params, state.batch)) for params in (state.params, further(by)))
        return (after - before) / abs(before)

    allowed = max(SLACK * share, LEAST)
    found = {by: rise(by) for by in np.geomspace(0.01, 5, 30)}
    assert min(found.values()) < 0.9 * allowed < 1.1 * allowed < max(found.values())
    for by, risen in found.items():
        if abs(risen / allowed - 1) > 0.1:
            assert astray(further(by)) == (risen > allowed)


def test_what_is_no_number_is_astray(state):
    broken = jax.tree.map(lambda value: value.at[0].set(np.nan), state.params)
    assert went_astray(state.objective, state.params, broken, state.batch, 0.05)
    assert not went_astray(state.objective, state.params, state.params, state.batch, 1e-6)


def by_rank(size):
    """A record of so many validation pairs, ranked as their labels are."""
    users, items = np.divmod(np.arange(size), 10)
    labels = (items >= 5).astype(float)
    valid = Interactions(users, items, labels, size // 10, 10)
    good = {"user_embedding": jnp.ones((size // 10, 1)), "item_embedding": jnp.arange(10.0)[:, None] - 4.5}
    trained = Trained.of(mf(embedding_size=1), good, valid)
    return trained, Record((), 1, valid)


@pytest.mark.parametrize(("size", "allowed"), [(1000, 1000**-0.5), (40_000, 0.01)])
def test_a_ranking_may_fall_as_far_as_validation_tells(size, allowed):
    trained, record = by_rank(size)
    graphs = (trained.batch.graph,) * 2
    for flipped in range(0, size // 10, max(1, size // 400)):
        signs = jnp.where(jnp.arange(size // 10) < flipped, -1.0, 1.0)[:, None]
        worse = trained.params | {"user_embedding": signs}
        before, after = (_auc(params, record.valid) for params in (trained.params, worse))
        if abs((before - after) / allowed - 1) > 0.2:
            assert ranks_worse(trained.objective, trained.params, worse, graphs, record) == (before - after > allowed)
        # Upwards all is well.
        assert not ranks_worse(trained.objective, worse, trained.params, graphs, record)
    broken = trained.params | {"user_embedding": signs.at[0].set(np.nan)}
    assert ranks_worse(trained.objective, trained.params, broken, graphs, record)


def _auc(params, valid):
    scores = np.asarray(params["user_embedding"])[valid.users, 0] * np.asarray(params["item_embedding"])[valid.items, 0]
    above, below = scores[valid.labels > 0.5], np.sort(scores[valid.labels < 0.5])
    return np.mean(np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")) / 2 / len(below)


def test_few_pairs_say_nothing_of_a_ranking():
    trained, record = by_rank(990)
    worse = trained.params | {"user_embedding": -trained.params["user_embedding"]}
    assert not ranks_worse(trained.objective, trained.params, worse, (trained.batch.graph,) * 2, record)


def test_a_step_that_ranks_much_worse_is_not_taken(state, monkeypatch):
    monkeypatch.setattr("ifru_jax.unlearning.whole.ranks_worse", lambda *arguments: True)
    expected, _ = forget(state, some(state, 5), config=IFRUConfig(follow=False))
    with pytest.warns(RuntimeWarning, match="validation metric"):
        unlearned, report = forget(state, some(state, 5))
    assert report.status is Status.UNRESOLVED
    for name, value in expected.params.items():
        np.testing.assert_array_equal(unlearned.params[name], value)
