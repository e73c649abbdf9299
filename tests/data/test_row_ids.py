"""Rows are found by their original ids, and not those that were erased."""

import numpy as np
import pytest

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.row_ids import erased_mark
from ifru_jax.errors import DataError


@pytest.mark.parametrize("ids", [[10, 20, 30], ["a", "b", "c"]])
def test_unknown_ids_are_named(ids):
    data = Interactions.from_arrays(ids, ids)
    with pytest.raises(DataError, match="user 99 is not in the data"):
        data.user_index([99])
    with pytest.raises(DataError, match="item zoë is not in the data"):
        data.item_index(["zoë"])
    with pytest.raises(DataError, match="not in the data"):
        data.user_index([10**30])
    assert data.user_index([]).tolist() == []


def test_ids_are_found_in_either_type():
    assert Interactions.from_arrays([10, 20], [1, 2]).user_index(["20"]).tolist() == [1]
    assert Interactions.from_arrays(["10", "x"], [1, 2]).user_index([10]).tolist() == [0]


def test_rows_are_ids_when_there_are_none():
    data = Interactions(np.array([0, 1]), np.array([0, 0]), np.ones(2), num_users=2, num_items=1)
    assert data.user_index([1]).tolist() == [1]
    with pytest.raises(DataError, match="user 2 is not"):
        data.user_index([2])


@pytest.mark.parametrize("ids", [[10, 20, 30], ["a", "b", "c"]])
def test_erased_ids_are_gone(ids):
    data = Interactions.from_arrays(ids, ids).erase_ids(np.array([1]), np.array([], int))
    assert data.user_ids is not None
    assert data.user_ids[1] == erased_mark(data.user_ids.dtype)
    assert data.item_ids is not None
    assert data.item_ids.tolist() == ids
    assert data.user_index([ids[2], ids[0]]).tolist() == [2, 0]
    for gone in (ids[1], erased_mark(data.user_ids.dtype)):
        with pytest.raises(DataError, match="not in the data"):
            data.user_index([gone])
