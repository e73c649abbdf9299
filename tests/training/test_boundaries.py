"""Where a training is cut into segments, however long it is, and what lies between the places that were kept of it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import DataError, TrainConfig, from_nnx, mf, random_split
from ifru_jax.models import in_bfloat16, ngcf
from ifru_jax.training import train
from ifru_jax.training.record import Boundary, Recorder
from tests.unlearning.conftest import tastes


def recorded_epochs(count, per_epoch, epochs, best=None):
    """A training whose sums are its steps, and whose every epoch up to `best` is the best so far."""
    recorder = Recorder(count, per_epoch)
    recorder.add(at_step(0))
    for epoch in range(epochs):
        stops = list(recorder.stops(epoch))
        assert stops[-1] == per_epoch
        for stop in stops:
            recorder.add(at_step(epoch * per_epoch + stop))
        if best is None or epoch < best:
            recorder.best_so_far()
        assert len(recorder.early) <= 8 * count + 1
        assert len(recorder.late) <= 4 * count
    return recorder


def at_step(step):
    return Boundary(step, *({"a": jnp.full(1, part * step)} for part in (1.0, 1.0, 2.0)))


@pytest.mark.parametrize("per_epoch", [1, 3, 10, 117])
@pytest.mark.parametrize("best", [None, 6, 30])
def test_a_training_is_cut_alike_however_long_it_is_and_goes_on(per_epoch, best):
    """The first segment is half as long as the others, and θ_k is that of the middle."""
    recorder = recorded_epochs(3, per_epoch, 90, best)
    total = (best or 90) * per_epoch
    segments = recorder.segments_to(at_step(total))
    np.testing.assert_allclose([segment.steps for segment in segments], total * np.array([0.2, 0.4, 0.4]))
    middles = [segment.params["a"][0] for segment in segments]
    np.testing.assert_allclose(middles, total * np.array([0.1, 0.4, 0.8]), rtol=1e-6)
    np.testing.assert_allclose([segment.applied["a"] for segment in segments], 0.5, rtol=1e-6)


def test_what_no_gradient_reaches_goes_nowhere():
    """Its sums may grow by less than they can hold, one of them sooner than the other."""
    recorder = Recorder(3, 1)
    for step in range(31):
        recorder.add(Boundary(step, *({"a": jnp.array([value, step + 1.0])} for value in (0.5, 1 + 2.0**-23 * (step > 20), 1.0))))
        recorder.best_so_far()
    last = Boundary(31, *({"a": jnp.array([value, 32.0])} for value in (0.5, 1 + 2.0**-23, 1.0)))
    np.testing.assert_array_equal([segment.applied["a"] for segment in recorder.segments_to(last)], [[0, 1]] * 3)


def test_a_training_of_one_step_has_parts_of_it_for_segments():
    recorder = recorded_epochs(3, 1, 1)
    segments = recorder.segments_to(at_step(1))
    np.testing.assert_allclose([segment.steps for segment in segments], [0.2, 0.4, 0.4])
    np.testing.assert_allclose([segment.params["a"][0] for segment in segments], [0.1, 0.4, 0.8], rtol=1e-6)


@pytest.mark.parametrize("count", [-1, 2.5, None, True])
def test_a_number_of_segments_that_is_none_is_refused(count):
    with pytest.raises(DataError, match=f"record is {count}"):
        TrainConfig(record=count)


def test_a_training_is_recorded_in_three_segments_unless_asked_for_otherwise():
    split, config = random_split(tastes(), seed=0), TrainConfig(epochs=2, learning_rate=0.01)
    for asked, count in ((config, 3), (replace(config, record=1), 1), (replace(config, record=5), 5)):
        assert len(train(jax.random.key(0), mf(embedding_size=2), split, asked).record.segments) == count
    assert train(jax.random.key(0), mf(embedding_size=2), split, config.unrecorded).record is None


def test_a_model_says_whether_its_rows_turn_whatever_it_is_wrapped_in():
    turning = replace(mf(embedding_size=2), turning=True)
    for model, turns in ((mf(), False), (ngcf(), True), (turning, True), (in_bfloat16(turning), True), (in_bfloat16(mf()), False)):
        assert model.turning is turns
    assert from_nnx(dict, turning=True).turning
    assert not from_nnx(dict).turning
