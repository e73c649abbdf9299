"""Retraining: the yardstick must not remember either."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, Trained, mf, retrain
from ifru_jax.baselines import Retrain
from ifru_jax.training import train
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
