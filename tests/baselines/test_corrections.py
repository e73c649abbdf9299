"""Labels that are corrected: whoever trains again trains on the right ones, and shards that hold none of them stay."""

import jax
import numpy as np
import pytest

from ifru_jax import ForgetRequest, Status, TrainConfig, mf
from ifru_jax.baselines import SISA, Retrain
from ifru_jax.baselines.retrain import next_key
from ifru_jax.training import fit_params, training_set_for
from ifru_jax.training.validation import surviving

pytestmark = pytest.mark.slow

MODEL = mf(embedding_size=4, init_std=0.1)
CONFIG = TrainConfig(learning_rate=1e-2, batch_size=64, reg=1e-4, epochs=6)
KEY = jax.random.key(5)


def flipped(data, places):
    return ForgetRequest(corrected=np.stack([data.users[places], data.items[places]], axis=1), labels=1 - data.labels[places])


def test_retraining_is_training_on_the_corrected_labels(split):
    method = Retrain(MODEL, CONFIG)
    state = method.fit(KEY, split)
    request = flipped(split.train, np.arange(0, len(split.train), 20))
    after, report = method.forget(state, request)
    assert report.status is Status.RETRAINED
    assert report.corrected == len(request.corrected)
    right = training_set_for(MODEL, state.trained.loss, request.applied(split.train))
    np.testing.assert_array_equal(after.trained.interactions.labels, right.interactions.labels)
    _, fresh = next_key(state.key)
    scratch, _ = fit_params(fresh, state.trained.objective, right, surviving(split.valid, right.interactions), CONFIG)
    wrong, _ = fit_params(fresh, state.trained.objective, state.trained.training_set, after.valid, CONFIG)
    for name, value in scratch.items():
        np.testing.assert_array_equal(after.trained.params[name], value)
        assert np.any(np.asarray(wrong[name]) != np.asarray(value))


def test_only_shards_that_hold_a_corrected_label_are_trained_again(split):
    method = SISA(MODEL, CONFIG, num_shards=3)
    state = method.fit(KEY, split)
    request = flipped(split.train, np.flatnonzero(state.assignment == 1)[:9])
    after, report = method.forget(state, request)
    assert (report.corrected, report.forgotten, report.retained) == (9, 0, len(split.train))
    assert (report.shards.total, report.shards.retrained) == (3, 1)
    assert [a is b for a, b in zip(state.models, after.models, strict=True)] == [True, False, True]
    np.testing.assert_array_equal(after.assignment, state.assignment)
    corrected = request.applied(split.train)
    np.testing.assert_array_equal(after.interactions.labels, corrected.labels)
    scratch = state.train(1, corrected.select(state.assignment == 1))
    np.testing.assert_array_equal(after.models[1].interactions.labels, scratch.interactions.labels)
    for name, value in scratch.params.items():
        np.testing.assert_array_equal(after.models[1].params[name], value)
        assert np.any(np.asarray(state.models[1].params[name]) != np.asarray(value))
