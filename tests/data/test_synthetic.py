"""Made-up interactions: as many as were asked for, all different, as uneven as the data they are like."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError
from ifru_jax.data import load_dataset
from ifru_jax.data.synthetic import synthetic


@given(st.integers(1, 40), st.integers(4, 60), st.floats(0, 1), st.sampled_from(["ml-1m", "gowalla"]), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_as_many_different_pairs_as_asked_for_and_everybody_has_one(users, items, share, like, seed):
    count = users + int(share * max(0, users * items // 4 - users))
    data = synthetic(users, items, count, like=like, seed=seed)
    assert (len(data), data.num_users, data.num_items) == (count, users, items)
    keys = data.users.astype(np.int64) * items + data.items
    assert (np.diff(keys) > 0).all()
    assert (data.user_degrees() >= 1).all()
    assert set(np.unique(data.labels)) <= {0.0, 1.0}
    again = synthetic(users, items, count, like=like, seed=seed)
    for column in ("users", "items", "labels"):
        np.testing.assert_array_equal(getattr(again, column), getattr(data, column))


def test_labels_can_be_learnt_and_are_balanced():
    data = synthetic(500, 300, 20_000)
    assert 0.45 < data.labels.mean() < 0.55
    # Items differ in what is liked about them.
    means = np.bincount(data.items, data.labels, 300) / np.maximum(data.item_degrees(), 1)
    assert means[data.item_degrees() > 30].std() > 2 * np.sqrt(0.25 / 60)


def top_share(degrees, share):
    ordered = np.sort(degrees)[::-1]
    return ordered[: int(share * len(ordered))].sum() / ordered.sum()


@pytest.mark.parametrize("name", ["ml-1m", "gowalla"])
def test_degrees_are_spread_like_those_of_the_data(name):
    if "IFRU_JAX_DATA" not in os.environ:
        pytest.skip("needs the data sets")
    real = load_dataset(name).interactions
    made = synthetic(real.num_users, real.num_items, len(real), like=name)
    for degrees in ("user_degrees", "item_degrees"):
        for share in (0.1, 0.5):
            assert abs(top_share(getattr(made, degrees)(), share) - top_share(getattr(real, degrees)(), share)) < 0.08


@pytest.mark.parametrize(("count", "like"), [(9, "ml-1m"), (51, "ml-1m"), (20, "netflix")])
def test_what_can_not_be_made_is_refused(count, like):
    with pytest.raises(DataError, match=r"at least one per user|choose among ml-1m, gowalla"):
        synthetic(10, 20, count, like=like)
    with pytest.raises(DataError, match="at least one per user"):
        synthetic(0, 20, 0)
