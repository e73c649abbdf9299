"""A model that comes without a record is given one: what Adam would do is measured from where it is."""

import warnings

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, DataWarning
from ifru_jax.interop import Replay, replayed
from ifru_jax.interop.negatives import with_negatives
from ifru_jax.interop.replay import PLACES
from ifru_jax.models import bias_mf
from ifru_jax.training import bpr
from tests.interop.conftest import drawn

TRAINING = Replay(learning_rate=0.01, batch_size=32, epochs=40, epochs_here=1)


@pytest.fixture(scope="module")
def model():
    found = drawn(count=200)
    data = with_negatives(found.with_labels(np.ones(len(found))), per_positive=2, popular=False)
    rng = np.random.default_rng(0)
    params = {"user_embedding": rng.normal(size=(40, 4)), "item_embedding": rng.normal(size=(25, 4))}
    return ifru_jax.Trained.of(ifru_jax.mf(embedding_size=4), params, data, loss=bpr)


def test_the_record_is_that_of_the_source(model):
    found = replayed(model, TRAINING)
    assert found.record.steps == pytest.approx(40 * np.ceil(200 / 32))
    assert found.record.batch_size == 32 * 3  # a positive with its negatives
    for place, segment in zip(PLACES, found.record.segments, strict=True):
        for name, value in model.params.items():
            np.testing.assert_allclose(segment.params[name], place * value, rtol=1e-6)
            assert (np.asarray(segment.applied[name]) >= 0).all()
    # The same model; and the same seed, the same record.
    for name, value in model.params.items():
        np.testing.assert_array_equal(found.params[name], value)
    again = replayed(model, TRAINING)
    np.testing.assert_array_equal(
        again.record.segments[0].applied["user_embedding"], found.record.segments[0].applied["user_embedding"]
    )


def test_requests_follow_it(model):
    """Twice as long a training is twice as much to undo, to the first order; what is erased leaves no trace in the record."""
    moves = []
    for epochs in (1, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataWarning)
            unlearned, report = ifru_jax.unlearn(replayed(model, Replay(0.01, 32, epochs, 1)), users=[7])
        assert report.cleared_users == 1
        moves.append(report.norm_step)
        assert not any(np.asarray(segment.params["user_embedding"])[7].any() for segment in unlearned.record.segments)
    assert 1.5 < moves[1] / moves[0] < 2.2


def test_networks_are_warned_of(model):
    network = bias_mf(embedding_size=2)
    params = {name: np.zeros(leaf.shape) for name, leaf in network.init(jax.random.key(0), 40, 25).items()}
    with pytest.warns(DataWarning, match="beside its tables .global_bias"):
        replayed(ifru_jax.Trained.of(network, params, model.interactions, loss=bpr), TRAINING)
    with pytest.raises(DataError, match="exact models need no record"):
        replayed("x", TRAINING)


@pytest.mark.parametrize("name", ["learning_rate", "batch_size", "epochs", "epochs_here"])
def test_numbers_without_meaning_are_refused(name):
    plain = {"learning_rate": 0.01, "batch_size": 32, "epochs": 4}
    for value in (0, -1, None, "x", np.nan, *(() if name == "learning_rate" else (1.5,))):
        with pytest.raises(DataError, match=name):
            Replay(**(plain | {name: value}))
