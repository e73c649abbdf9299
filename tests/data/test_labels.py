"""Labels of ratings by a threshold, and thresholds that make none that can be learned or ranked."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax import DataError, Interactions
from ifru_jax.data import binarize
from ifru_jax.data.share import Share

RATINGS = st.lists(st.integers(-3, 5), min_size=1, max_size=30)


def rated(ratings):
    return Interactions(np.arange(len(ratings)), np.zeros(len(ratings), int), np.array(ratings), len(ratings), 1)


@given(RATINGS, st.sampled_from([-4, -3, 0, 1, 2.5, 5, 6]))
def test_labels_are_1_strictly_above_and_some_are(ratings, above):
    data = rated(ratings)
    if max(ratings) <= above:
        with pytest.raises(DataError, match=f"is above {above:g}: the highest is {max(ratings)}, choose a threshold below it"):
            binarize(data, above)
        return
    labels = binarize(data, above).labels
    assert labels.tolist() == [float(rating > above) for rating in ratings]
    assert labels.dtype == np.float32
    assert data.labels.tolist() == ratings


def test_all_may_be_positive_and_nothing_may_be_there():
    assert binarize(rated([1, 4, 2]), above=0).labels.tolist() == [1, 1, 1]
    assert len(binarize(rated([1]).select(np.zeros(0, int)), above=3)) == 0


@pytest.mark.parametrize("above", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), "3", None])
def test_a_threshold_is_a_finite_number(above):
    with pytest.raises(DataError, match=r"the threshold .* is no finite number: give one on the scale of the ratings"):
        binarize(rated([1, 4]), above)


def test_a_threshold_beyond_every_float_is_compared_without_a_warning():
    assert binarize(rated([1, 4]), above=-1e300).labels.tolist() == [1, 1]
    with pytest.raises(DataError, match=r"is above 1e\+300: the highest is 4"):
        binarize(rated([1, 4]), above=1e300)


def test_positives_of_other_processes_count(monkeypatch):
    """A share without any is no fault where another has some."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("rows",))
    data = replace(rated([1, 2]), num_users=4, share=Share(mesh, 0, 2))
    for others, part in (([2, 1], data), ([2, 1], data.select(np.zeros(0, int)))):
        monkeypatch.setattr("ifru_jax.data.share.sum_over_processes", lambda values, _, others=others: values + others)
        assert binarize(part, above=3).labels.tolist() == [0] * len(part)
    monkeypatch.setattr("ifru_jax.data.share.sum_over_processes", lambda values, _: values + np.array([2, 0]))
    with pytest.raises(DataError, match="is above 3: the highest is 2"):
        binarize(data, above=3)
    with pytest.raises(DataError, match="is above 3: choose a lower threshold"):
        binarize(data.select(np.zeros(0, int)), above=3)
