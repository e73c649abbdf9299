"""Where a training is cut into segments, however long it is, and what lies between the places that were kept of it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import ModelError, TrainConfig, from_nnx, mf, random_split
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


@pytest.mark.parametrize("count", [0, -1, 2.5, None, True])
def test_a_number_of_segments_that_is_none_is_refused(count):
    with pytest.raises(ModelError, match=f"num_segments of MF.* is {count}: give a whole number of at least 1"):
        train(jax.random.key(0), replace(mf(), num_segments=count), random_split(tastes(), seed=0), TrainConfig(epochs=1))


def test_a_training_is_recorded_as_finely_as_its_model_needs():
    """Where nothing else is asked for; whatever a model is wrapped in."""
    as_needed, own = TrainConfig(epochs=2, learning_rate=0.01), replace(mf(embedding_size=2), num_segments=5)
    for model, count in ((mf(), 3), (ngcf(), 8), (own, 5), (in_bfloat16(own), 5), (from_nnx(dict, num_segments=2), 2)):
        assert as_needed.segments_of(model) == count
        assert replace(as_needed, record=1).segments_of(model) == 1
        assert as_needed.unrecorded.segments_of(model) == 0
    split = random_split(tastes(), seed=0)
    for config, count in ((as_needed, 5), (replace(as_needed, record=1), 1)):
        assert len(train(jax.random.key(0), own, split, config).record.segments) == count
