"""A step along the training that can't be right is not taken, and says so."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import IFRUConfig, Status, mf
from ifru_jax.training import train
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.along import along_training
from ifru_jax.unlearning.astray import LEAST, SLACK, went_astray
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
