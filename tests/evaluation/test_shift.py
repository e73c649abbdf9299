"""Measures without seed noise: right on average however noisy the seeds, None where they say nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.evaluation import fidelity, shift

PAIRS = 400


def models(mean, noise, count, rng):
    return mean + noise * rng.normal(size=(count, len(mean)))


@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 1000))
@settings(max_examples=30)
def test_the_estimator_is_the_mean_of_its_definition(num_scores, num_retrained, seed):
    rng = np.random.default_rng(seed)
    s, r = rng.normal(size=(num_scores, 7)) + 1, rng.normal(size=(num_retrained, 7))
    pairs = itertools.product(itertools.permutations(range(num_scores), 2), itertools.permutations(range(num_retrained), 2))
    expected = np.mean([np.mean((s[i] - r[j]) * (s[k] - r[m])) for (i, k), (j, m) in pairs])
    found = shift.shift(s, r)
    assert found == pytest.approx(np.sqrt(max(expected, 0)), abs=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
def test_it_does_not_depend_on_the_noise_of_the_seeds(noise):
    """Where a gap does: the truth is a distance of 1, and half of it undone."""
    rng = np.random.default_rng(0)
    target, effect = rng.normal(size=PAIRS), rng.choice([-1.0, 1.0], PAIRS)
    shifts, halves, slopes = [], [], []
    for _ in range(200):
        originals = models(target + effect, noise, 5, rng)
        halfway, retrained = originals - effect / 2, models(target, noise / 2, 5, rng)
        shifts.append(shift.shift(originals, retrained) ** 2)
        halves.append(shift.shift(halfway, retrained) ** 2)
        slopes.append(shift.slope(halfway, originals, retrained))
    assert np.mean(shifts) == pytest.approx(1, abs=0.03)
    assert np.mean(halves) == pytest.approx(0.25, abs=0.03)
    assert np.mean([value for value in slopes if value is not None]) == pytest.approx(0.5, abs=0.03)


def test_undone_and_its_interval():
    rng = np.random.default_rng(1)
    target, effect = rng.normal(size=PAIRS), rng.normal(size=PAIRS)
    originals, retrained = models(target + effect, 0.1, 5, rng), models(target, 0.1, 5, rng)
    for share in (0.0, 0.5, 0.9):
        after = originals - share * effect
        low, high = shift.undone_interval(after, originals, retrained)
        assert shift.undone(after, originals, retrained) == pytest.approx(share, abs=0.05)
        assert low - 0.02 <= share <= high + 0.02
        assert high - low < 0.1
    # What goes too far comes back as a distance.
    assert shift.undone(originals - 2 * effect, originals, retrained) == pytest.approx(0, abs=0.05)


def test_nothing_is_said_where_nothing_was_done():
    rng = np.random.default_rng(2)
    target = rng.normal(size=PAIRS)
    originals, retrained = models(target, 1.0, 5, rng), models(target, 1.0, 5, rng)
    assert shift.undone(originals, originals, retrained) is None
    assert shift.undone_interval(originals, originals, retrained) is None
    one = originals[:1]
    assert shift.shift(one, retrained) is shift.slope(one, one, retrained) is shift.undone(one, one, retrained) is None
    broken = np.full_like(originals, np.nan)
    assert shift.shift(broken, retrained) is None


def test_the_ideal_gap_is_the_gap_of_a_perfect_unlearning():
    rng = np.random.default_rng(3)
    target = rng.normal(size=20_000)
    originals, retrained = models(target + 1, 0.5, 6, rng), models(target, 0.2, 6, rng)
    perfect = originals - 1
    gaps = [fidelity.gap(one, retrained) for one in perfect]
    assert shift.ideal_gap(originals, retrained) == pytest.approx(np.mean(gaps), rel=0.02)
    assert shift.ideal_gap(originals, retrained[:1]) is None
