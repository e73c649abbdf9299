"""The search for hyper-parameters: where it goes, what it gives back, what it refuses."""

import contextlib
import math
from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, TrainConfig, fit, load_dataset, mf, protocol_split
from ifru_jax.errors import NumericsError
from ifru_jax.training.tuning import MOST_TRAININGS, tuned

START = TrainConfig()


@pytest.fixture(scope="module")
def split():
    return protocol_split(load_dataset("movielens-small"))


def search(split, metric, start=START):
    """With a metric of the configuration in place of a training: the model is the configuration."""

    def train(key, model, data, config, *, loss, on_epoch):
        on_epoch(0, metric(config))
        on_epoch(1, metric(config) - 0.1)
        if math.isnan(metric(config)):
            raise NumericsError("not finite")
        return config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ifru_jax.training.tuning.train", train)
        return tuned(jax.random.key(0), mf(), split, start, watched=lambda config: contextlib.nullcontext())


def distance(config, best):
    """In factors, so that a step in any direction counts alike."""
    return sum(abs(math.log(vars(config)[name] / vars(best)[name])) for name in ("learning_rate", "batch_size", "reg"))


@settings(max_examples=30)
@given(st.integers(-3, 3), st.integers(-2, 2), st.integers(-3, 3))
def test_the_best_is_found_where_it_lies_within_reach(split, rate, batch, reg):
    best = replace(START, learning_rate=START.learning_rate * 10 ** (rate / 2), batch_size=int(START.batch_size * 4.0**batch))
    best = replace(best, reg=START.reg * 10 ** (reg / 2))
    found, tried = search(split, lambda config: 1 - 0.01 * distance(config, best))
    assert distance(found, best) < 0.1
    assert 7 <= len(tried) <= MOST_TRAININGS
    assert len({one.config for one in tried}) == len(tried)
    assert max(tried, key=lambda one: one.metric).config == found
    # What isn't searched stays.
    plain = {"learning_rate": 1.0, "batch_size": 1, "reg": 1.0}
    assert {replace(one.config, **plain) for one in tried} == {replace(START, **plain)}


def test_a_training_that_is_not_finite_is_passed_over(split):
    found, tried = search(split, lambda config: math.nan if config.learning_rate > 2e-3 else config.learning_rate)
    assert found.learning_rate == pytest.approx(1e-3)
    assert [one.metric for one in tried].count(-math.inf) == 1
    with pytest.raises(NumericsError, match="smaller learning_rate"):
        search(split, lambda config: math.nan)


def test_it_ends_however_long_it_gets_better(split):
    found, tried = search(split, lambda config: config.learning_rate)
    assert len(tried) == MOST_TRAININGS
    assert found == tried[-1].config
    # A batch is never smaller than one interaction.
    assert search(split, lambda config: -config.batch_size, replace(START, batch_size=2))[0].batch_size == 1


def test_without_validation_data_there_is_nothing_to_choose_by(split):
    nothing = split.valid.select(np.zeros(len(split.valid), bool))
    with pytest.raises(DataError, match="no validation data to choose by"):
        fit(jax.random.key(0), mf(), replace(split, valid=nothing), tune=True, progress=False)


def test_the_model_is_what_its_configuration_gives(split):
    model, start = mf(embedding_size=2), TrainConfig(epochs=1, learning_rate=1e-2)
    found = fit(jax.random.key(0), model, split, config=start, tune=True, progress=False)
    assert found.config != start
    again = fit(jax.random.key(0), model, split, config=found.config, progress=False)
    jax.tree.map(np.testing.assert_array_equal, found.params, again.params)
    assert len(found.record.segments) == 3
