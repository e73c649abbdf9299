"""Retraining: the yardstick must not remember either."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, Trained, bce, mf, retrain
from ifru_jax.baselines import Retrain
from ifru_jax.baselines.retrain import next_key
from ifru_jax.training import Objective, fit_params, train
from ifru_jax.training.validation import surviving
from ifru_jax.unlearning import prepare
from tests.unlearning.conftest import CONFIG


def test_it_trains_anew_on_what_is_left_and_names_nobody(split):
    method = Retrain(mf(embedding_size=6, init_std=0.1), CONFIG)
    state = method.fit(jax.random.key(0), split)
    after, report = method.forget(state, ForgetRequest(users=np.array([7])))
    assert report.forgotten == (split.train.users == 7).sum()
    assert not (after.trained.interactions.users == 7).any()
    assert "user-0007-secret" not in after.trained.interactions.user_ids
    assert not (after.valid.users == 7).any()
    assert np.abs(after.trained.params["user_embedding"] - state.trained.params["user_embedding"]).max() > 1e-3
    # L2 alone acts on the row of a forgotten user.
    assert np.linalg.norm(after.trained.params["user_embedding"][7]) < 0.5 * np.linalg.norm(
        state.trained.params["user_embedding"][7]
    )
    again, _ = method.forget(after, ForgetRequest(users=np.array([8])))
    assert len(again.trained.interactions) == len(split.train) - np.isin(split.train.users, [7, 8]).sum()


def test_validation_loses_those_who_lost_everything(split):
    retained = split.train.select(split.train.users != 3)
    kept = surviving(split.valid, retained)
    assert not (kept.users == 3).any()
    assert len(kept) == (split.valid.users != 3).sum()


@pytest.fixture(scope="module")
def original(split):
    return train(jax.random.key(0), mf(embedding_size=6, init_std=0.1), split, CONFIG)


def test_models_without_the_request_of_several_seeds(original, split):
    request, key = ForgetRequest(users=np.array([7])), jax.random.key(3)
    first, second = retrain(key, original, request, split.valid, seeds=2)
    for model in (first, second):
        assert type(model) is Trained
        assert len(model.interactions) == (split.train.users != 7).sum()
        assert not (model.interactions.users == 7).any()
        assert "user-0007-secret" not in model.interactions.user_ids
        assert (model.total, model.config, model.model) == (original.total, original.config, original.model)
    assert np.any(first.params["user_embedding"] != second.params["user_embedding"])
    alone = retrain(key, original, request, split.valid)
    assert len(alone) == 1
    np.testing.assert_array_equal(alone[0].params["user_embedding"], first.params["user_embedding"])
    # Nothing is derived from what was prepared, and the original is as it was.
    prepared = retrain(key, prepare(original), request, split.valid)[0]
    assert type(prepared) is Trained
    np.testing.assert_array_equal(prepared.params["user_embedding"], first.params["user_embedding"])
    assert len(original.interactions) == len(split.train)
    # By the objective of the original with the hyper-parameters given.
    shorter = retrain(key, original, request, split.valid, config=replace(CONFIG, epochs=1))[0]
    assert shorter.config.epochs == 1
    assert np.any(shorter.params["user_embedding"] != first.params["user_embedding"])


def test_those_who_are_gone_do_not_stop_the_training(original, split):
    request, key = ForgetRequest(users=np.array([7])), jax.random.key(3)
    gone = split.valid.users == 7
    assert gone.any()
    flipped = split.valid.with_labels(np.where(gone, 1 - split.valid.labels, split.valid.labels))
    expected, found, without = (
        retrain(key, original, request, valid)[0].params for valid in (split.valid, flipped, split.valid.select(~gone))
    )
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(without[name], value)
    with pytest.raises(DataError, match="none is of a user and an item that have data"):
        retrain(key, original, request, split.valid.select(gone))


def test_an_empty_request_trains_on_all_and_a_correction_on_the_right_labels(original, split):
    key = jax.random.key(3)
    everything = retrain(key, original, ForgetRequest(), split.valid)[0]
    assert len(everything.interactions) == len(split.train)
    data = original.interactions
    places = np.arange(0, len(data), 15)
    pairs = np.stack([data.users[places], data.items[places]], axis=1)
    request = ForgetRequest(corrected=pairs, labels=1 - data.labels[places])
    right = retrain(key, original, request, split.valid)[0]
    np.testing.assert_array_equal(right.interactions.labels, request.applied(data).labels)
    assert np.any(right.params["user_embedding"] != everything.params["user_embedding"])


def test_it_starts_from_an_initialisation_of_its_own(split):
    """A step that goes nowhere leaves every model at its initialisation."""
    config = replace(CONFIG, learning_rate=1e-9, epochs=1)
    method, key = Retrain(mf(embedding_size=6, init_std=0.1), config), jax.random.key(0)
    state = method.fit(key, split)
    first, _ = method.forget(state, ForgetRequest(users=np.array([7])))
    second, _ = method.forget(first, ForgetRequest(users=np.array([8])))
    others = retrain(key, state.trained, ForgetRequest(users=np.array([7])), split.valid, seeds=2)
    tables = [model.params["user_embedding"].ravel() for model in (state.trained, first.trained, second.trained, *others)]
    apart = np.corrcoef(np.stack(tables))[np.triu_indices(len(tables), 1)]
    assert np.abs(apart).max() < 0.4


def test_it_minimises_sums_that_are_divided_by_the_same_number(split):
    """λ₂ N / |D_r| beside the mean over D_r."""
    config, key, request = replace(CONFIG, reg=0.02, epochs=4), jax.random.key(0), ForgetRequest(users=np.arange(15))
    method = Retrain(mf(embedding_size=6, init_std=0.1), config)
    state = method.fit(key, split)
    left = state.trained.resolved(request).after
    objective = Objective(method.model, bce, float(len(left)), config.reg * len(split.train) / len(left))
    valid = surviving(split.valid, left.interactions)
    after, _ = method.forget(state, request)
    (alone,) = retrain(key, state.trained, request, split.valid)
    for found, fresh in ((after.trained, next_key(key)[1]), (alone, jax.random.fold_in(key, 0))):
        expected, _ = fit_params(fresh, objective, left, valid, config)
        for name, value in expected.items():
            np.testing.assert_allclose(found.params[name], value, rtol=1e-4, atol=1e-6)
