"""Closeness measures: values worked out by hand, and the properties that give them their meaning."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ifru_jax.errors import DataError
from ifru_jax.evaluation.fidelity import forget_loss, forget_slope, gap, mean_rms, noise, rms, score_std, share_removed

score = st.floats(-30, 30, allow_nan=False, width=32)
models = hnp.arrays(np.float32, st.tuples(st.integers(2, 4), st.integers(1, 12)), elements=score)
distinct = models.filter(lambda r: (noise(r) or 0) > 1e-3)


def test_values_worked_out_by_hand():
    retrained = [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]
    root = np.sqrt(2)
    assert rms([1.0, 5.0], [1.0, 1.0]) == pytest.approx(4 / root)
    assert noise(retrained) == pytest.approx((root + root + 2) / 3)
    assert mean_rms([0.0, 0.0], retrained) == pytest.approx((0 + root + root) / 3)
    assert mean_rms([0.0, 0.0], retrained, itself=0) == pytest.approx(root)
    assert gap([0.0, 0.0], retrained, itself=0) == pytest.approx(root / ((2 + 2 * root) / 3))
    assert forget_slope([1.0, 1.0], [2.0, 0.0]) == pytest.approx(0.5)
    assert share_removed(0.5, 2.0) == pytest.approx(0.75)


@given(distinct)
@settings(max_examples=50, deadline=None)
def test_retrained_models_have_gap_one_on_average(retrained):
    gaps = [gap(model, retrained, itself=j) for j, model in enumerate(retrained)]
    assert np.mean(gaps) == pytest.approx(1)


@given(distinct, st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=50, deadline=None)
def test_gap_has_no_unit(retrained, scale, shift):
    scores = retrained.astype(np.float64).mean(0)
    moved = gap(scale * scores + shift, scale * retrained.astype(np.float64) + shift)
    assert moved == pytest.approx(gap(scores, retrained), rel=1e-6)


@given(models)
@settings(max_examples=50, deadline=None)
def test_identical_retrained_models_are_no_yardstick(retrained):
    same = np.repeat(retrained[:1], 3, axis=0)
    assert noise(same) == 0
    assert gap(retrained[1], same) is None


@given(hnp.arrays(np.float64, 8, elements=score), st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_slope_is_the_share_of_the_change_that_was_made(change, share):
    slope = forget_slope(share * change, change)
    if not change @ change:
        assert slope is None
    else:
        assert slope == pytest.approx(share, rel=1e-6, abs=1e-9)


def test_slope_ignores_what_is_orthogonal_to_retraining():
    assert forget_slope([1.0, 100.0], [1.0, 0.0]) == 1


def test_forget_loss_is_the_mean_cross_entropy_and_survives_large_logits():
    scores, labels = np.array([0.3, -1.2, 2.0]), np.array([1, 0, 1])
    probability = 1 / (1 + np.exp(-scores))
    expected = -np.mean(labels * np.log(probability) + (1 - labels) * np.log(1 - probability))
    assert forget_loss(scores, labels) == pytest.approx(expected)
    assert forget_loss([1000.0, -1000.0], [0, 1]) == pytest.approx(1000)
    assert forget_loss([0.0], [1]) == pytest.approx(np.log(2))


@pytest.mark.parametrize("bad", [[], [np.nan], [np.inf], [-np.inf]], ids=str)
def test_none_where_a_figure_does_not_exist(bad):
    n = len(bad)
    assert rms(bad, np.zeros(n)) is None
    assert noise([bad, np.zeros(n)]) is None
    assert gap(bad, np.array([np.zeros(n), np.ones(n)])) is None
    assert gap(np.zeros(n), [bad, np.ones(n), np.zeros(n)]) is None
    assert forget_slope(bad, np.ones(n)) is None
    assert forget_slope(np.ones(n), bad) is None
    assert forget_loss(bad, np.zeros(n)) is None
    assert score_std(bad) is None


def test_none_with_too_few_retrained_models():
    assert noise(np.zeros((1, 3))) is None
    assert noise(np.zeros((0, 3))) is None
    assert gap(np.ones(3), np.zeros((1, 3))) is None
    assert mean_rms(np.zeros(3), np.zeros((1, 3)), itself=0) is None
    assert share_removed(1.0, 0.0) is None
    assert share_removed(None, 1.0) is None


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(DataError, match=r"\(2,\) and \(3,\)"):
        rms(np.zeros(2), np.zeros(3))
    with pytest.raises(DataError, match=r"\[R, n\]"):
        noise(np.zeros(3))
