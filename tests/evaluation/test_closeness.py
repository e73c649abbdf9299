"""Limits from the noise between retrained models, and the distances they are for."""

import numpy as np
import pytest
from scipy import stats

from ifru_jax.errors import DataError, ModelError
from ifru_jax.evaluation import discordance
from ifru_jax.evaluation.closeness import SHIFT_LIMIT, half_way, ratio_and_limit
from ifru_jax.evaluation.fidelity import rms
from ifru_jax.evaluation.parameters import parameter_distance, share_left
from ifru_jax.evaluation.spread import largest_spread, prediction_interval

rng = np.random.default_rng(0)
CENTRE, SHIFT = rng.normal(size=4000), rng.normal(size=4000)


def model(shift: float) -> np.ndarray:
    return CENTRE + 0.3 * (shift * SHIFT + rng.normal(size=4000))


RETRAINED = [model(0) for _ in range(4)]


def ratio_of(distance, one, retrained=RETRAINED):
    return ratio_and_limit(distance, [one], retrained).ratios[0]


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


@pytest.mark.parametrize("size", [3, 5, 9])
@pytest.mark.parametrize("lower_only", [False, True])
def test_the_power_of_an_interval_is_how_often_a_shifted_value_falls_outside(size, lower_only):
    """Of an interval whose spread is the true one; the noise is taken larger than the spread, as it may be."""
    noise, shift, alpha = largest_spread(size - 1), -6.0, 0.2 if lower_only else 0.1
    draws = noise * np.random.default_rng(1).normal(size=(4000, size + 1))
    intervals = [prediction_interval(row[:size], alpha=alpha) for row in draws]
    below = [value + shift < interval.low for interval, value in zip(intervals, draws[:, size], strict=True)]
    above = [value + shift > interval.high for interval, value in zip(intervals, draws[:, size], strict=True)]
    found = np.mean(below) if lower_only else np.mean(np.logical_or(below, above))
    values = np.linspace(-1, 1, size)
    power = prediction_interval(values / values.std(ddof=1), alpha=alpha).power(shift, lower_only=lower_only)
    assert power == pytest.approx(found, abs=0.03)
    assert 0.2 < power < 0.999


def test_the_spread_is_at_most_what_is_said_as_often_as_is_said():
    for size in (3, 5, 9):
        found = np.random.default_rng(2).normal(size=(4000, size)).std(axis=1, ddof=1)
        assert np.mean(found * largest_spread(size - 1) > 1) == pytest.approx(0.8, abs=0.02)


def test_power_at_the_ends():
    interval = prediction_interval([1.0, 1.0, 1.0], alpha=0.05)
    assert (interval.power(0.0), interval.power(0.1)) == (0, 1)
    spread = prediction_interval([1.0, 2.0, 3.0], alpha=0.05)
    assert spread.power(0.0) == pytest.approx(0.05)
    assert prediction_interval([1.0, 1.1], alpha=0.05).power(100.0) == 0
    assert spread.power(1e9) == pytest.approx(1)
    assert spread.power(1e9, lower_only=True) == pytest.approx(0)


def test_the_power_of_a_distance_is_that_of_half_the_shift():
    """Half of a shift of 1 is inside the limit, half of 4 outside; how surely follows from the retrained models' own ratios."""
    for shift, low, high in ((1, 0, 0.05), (4, 0.95, 1)):
        found = ratio_and_limit(rms, [model(shift)], RETRAINED)
        assert low <= found.power(half_way(found.ratios[0])) <= high
        assert (ratio_of(rms, model(shift / 2)) > found.limit) == (low > 0.5)
    assert ratio_and_limit(rms, [model(4)], RETRAINED[:2]).power(5.0) == 0
