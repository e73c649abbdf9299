"""Limits from the noise between retrained models, and the distances they are for."""

import numpy as np
import pytest
from scipy import stats

from ifru_jax.errors import DataError, ModelError
from ifru_jax.evaluation import discordance
from ifru_jax.evaluation.closeness import SHIFT_LIMIT, ratio_and_limit
from ifru_jax.evaluation.fidelity import rms
from ifru_jax.evaluation.parameters import parameter_distance, share_left
from ifru_jax.evaluation.spread import prediction_interval

rng = np.random.default_rng(0)
CENTRE, SHIFT = rng.normal(size=4000), rng.normal(size=4000)


def model(shift: float) -> np.ndarray:
    return CENTRE + 0.3 * (shift * SHIFT + rng.normal(size=4000))


RETRAINED = [model(0) for _ in range(4)]


def ratio_of(distance, one, retrained=RETRAINED):
    return ratio_and_limit(distance, [one], retrained)[0][0]


def test_a_shift_as_large_as_the_noise_is_at_the_limit():
    assert ratio_of(rms, model(0)) == pytest.approx(1, abs=0.03)
    assert ratio_of(rms, model(1)) == pytest.approx(SHIFT_LIMIT, abs=0.03)


def test_discordance_grows_as_the_rms_does():
    assert ratio_of(discordance, model(1)) == pytest.approx(SHIFT_LIMIT, abs=0.06)


def test_the_interval_holds_one_more_value_as_often_as_it_says():
    draws = rng.normal(size=(4000, 6))
    intervals = [prediction_interval(row[:5], alpha=0.1) for row in draws]
    held = [interval.low <= value <= interval.high for interval, value in zip(intervals, draws[:, 5], strict=True)]
    assert np.mean(held) == pytest.approx(0.9, abs=0.015)
    assert prediction_interval([1.0, 1.0], alpha=0.05, resolution=0.1).low < 0.9
    with pytest.raises(DataError, match="at least two"):
        prediction_interval([1.0], alpha=0.05)


def test_discordance_is_that_of_scipy_and_none_without_an_answer():
    a, b = CENTRE[:50], SHIFT[:50]
    assert discordance(a, b) == pytest.approx((1 - stats.kendalltau(a, b).statistic) / 2)
    assert discordance(np.ones(5), a[:5]) is None
    assert discordance(np.array([np.nan, 1, 2]), a[:3]) is None
    assert ratio_of(rms, CENTRE, [CENTRE, CENTRE]) is None


def test_parameters_are_compared_name_by_name():
    first, second = {"a": np.ones(3), "b": np.zeros((2, 2))}, {"a": np.zeros(3), "b": np.ones((2, 2))}
    assert parameter_distance(first, second) == pytest.approx(np.sqrt(7))
    assert share_left(second, first, second) == 0
    assert share_left(first, first, second) == 1
    assert share_left(first, first, first) is None
    with pytest.raises(ModelError, match="differ in name or shape"):
        parameter_distance(first, {"a": np.ones(3)})
