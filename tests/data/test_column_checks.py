"""Columns that don't belong together, or hold what is no value, are refused; the message names the first such."""

import numpy as np
import pytest

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError


def test_rows_outside_the_tables_are_named():
    labels = np.ones(2, np.float32)
    with pytest.raises(DataError, match="user 3 of interaction 1 is outside 0 … 1"):
        Interactions(np.array([0, 3]), np.array([0, 0]), labels, num_users=2, num_items=1)
    with pytest.raises(DataError, match="integer array"):
        Interactions(np.array([0.0, 1.0]), np.array([0, 0]), labels, num_users=2, num_items=1)
    with pytest.raises(DataError, match="user_ids has shape"):
        Interactions(np.array([0, 1]), np.array([0, 0]), labels, num_users=2, num_items=1, user_ids=np.array([1]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"items": np.array([0])}, r"items has shape \(1,\) but users has \(2,\): give one value per interaction"),
        ({"labels": np.ones(3)}, r"labels has shape \(3,\)"),
        ({"groups": np.zeros(1, int)}, r"groups has shape \(1,\)"),
        (
            {"labels": np.array([1, np.nan])},
            r"rating of interaction 1 is nan \(1 such\): drop these rows or fill in their ratings",
        ),
        ({"labels": np.array([1e300, 1])}, r"the rating of interaction 0 is inf \(1 such\)"),
        ({"timestamps": np.array([np.inf, np.nan])}, r"the timestamp of interaction 0 is inf \(2 such\)"),
    ],
)
def test_values_that_no_column_holds_are_named(columns, message):
    sound = {"users": np.array([0, 1]), "items": np.array([0, 0]), "labels": np.ones(2)}
    with pytest.raises(DataError, match=message):
        Interactions(**(sound | columns), num_users=2, num_items=1)


def test_what_can_be_written_to_is_copied():
    labels, fixed = np.ones(2, np.float32), np.zeros(2, np.float32)
    fixed.flags.writeable = False
    users = np.array([0, 1])
    assert not np.shares_memory(Interactions(users, users, labels, 2, 2).labels, labels)
    assert Interactions(users, users, fixed, 2, 2).labels is fixed
