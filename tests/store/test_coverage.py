"""The factor of estimates is the percentile of what is to come, as far as the settlements of a store tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ifru_jax.store.coverage import COVERED, KAPPA, MEAN, NU, REMEMBERED, SCALE, factor, settled_ratios

CREATED = {"kind": "create", "number": 1}


def quick(estimate: float, times: float) -> dict:
    return {"kind": "forget", "quick": True, "distance": estimate * times, "factor": times}


def settled(distance: float) -> dict:
    return {"kind": "settle", "distance": distance}


def history(ratios) -> list[dict]:
    """Settlements that found these shares of what the last estimate before them was."""
    lines = [CREATED]
    for place, ratio in enumerate(ratios):
        times = 1 + place / 10
        lines += [quick(0.5, times), quick(0.01, times), settled(0.01 * ratio)]
    return lines


def percentile_of_the_next(ratios) -> float:
    """By sums over a grid of μ and σ: the prior times the likelihood, and what they say of the next."""
    x = np.log(ratios)
    sigma = np.exp(np.linspace(np.log(0.02), np.log(3), 400))
    standard = np.linspace(-9, 9, 401)
    spread = sigma[:, None] / np.sqrt(KAPPA)
    mu = MEAN + spread * standard
    # A scaled inverse χ² of σ², as a density of log σ.
    log_weight = -NU * np.log(sigma) - NU * SCALE**2 / (2 * sigma**2)
    log_weight = log_weight[:, None] - standard**2 / 2
    for one in x:
        log_weight = log_weight - np.log(sigma)[:, None] - (one - mu) ** 2 / (2 * sigma[:, None] ** 2)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    low, high = -5.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        below = (weight * stats.norm.cdf((middle - mu) / sigma[:, None])).sum()
        low, high = (middle, high) if below < COVERED else (low, middle)
    return float(np.exp(middle))


@pytest.mark.parametrize("ratios", [[], [0.7], [1.4, 0.5], [0.6, 0.62, 0.65, 0.61, 0.66, 0.6], [0.7] * 3 + [2.5]])
def test_it_is_the_percentile_of_the_posterior(ratios):
    assert factor(history(ratios)) == pytest.approx(percentile_of_the_next(ratios), rel=2e-3)


@given(st.lists(st.floats(0.05, 20), max_size=30))
def test_ratios_are_what_settling_found_over_the_last_estimate_without_its_factor(ratios):
    assert settled_ratios(history(ratios)) == pytest.approx(ratios)


def test_many_settlements_cover_as_many_as_were_asked_for():
    rng = np.random.default_rng(0)
    before = factor([])
    for mean, deviation, lower in ((-0.5, 0.1, True), (-0.2, 0.35, False)):
        found = np.array([factor(history(np.exp(mean + deviation * rng.normal(size=REMEMBERED)))) for _ in range(200)])
        assert stats.norm.cdf((np.log(found) - mean) / deviation).mean() > 0.965
        assert (found < before).all() if lower else found.mean() > before


def test_nothing_is_learned_from_what_nobody_estimated_or_is_zero():
    plain = {"kind": "forget", "quick": True}
    lines = [CREATED, plain, settled(0.2), quick(0.1, 1.0), {"kind": "export"}, settled(0.0), quick(0.1, 1.0), settled(0.05)]
    assert settled_ratios(lines) == pytest.approx([0.5])


def test_what_is_long_ago_is_not_looked_at():
    assert factor(history([9.0, *[0.7] * REMEMBERED])) == factor(history([0.7] * REMEMBERED)) < factor(history([9.0]))
