"""Deleting few entries and deleting many give what a mask gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.data.interactions import Interactions
from ifru_jax.host_arrays import FEW, drop_entries


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_drop_entries(case):
    size, gone = case
    values = np.arange(size) * 10
    places = np.array(sorted(gone), int)
    mask = np.ones(size, bool)
    mask[places] = False
    found = drop_entries(values, places)
    np.testing.assert_array_equal(found, values[mask])
    assert not np.shares_memory(found, values)
    out = np.zeros(len(found), np.float32)
    assert drop_entries(values, places, out=out) is out
    np.testing.assert_array_equal(out, found)


def test_interactions_without_some():
    n = 3 * FEW
    data = Interactions.from_arrays(np.arange(n) % 7, np.arange(n), np.arange(n) % 2, timestamps=np.arange(n) * 1.5)
    for count in (0, 1, FEW, FEW + 1):
        gone = np.arange(count) * 2
        expected = data.select(~np.isin(np.arange(n), gone))
        found = data.without(gone)
        for name in ("users", "items", "labels", "timestamps"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert (found.num_users, found.num_items, len(data)) == (data.num_users, data.num_items, n)


def test_columns_that_the_caller_has():
    data = Interactions.from_arrays([0, 1, 2], [3, 4, 5], [1, 0, 1])
    users = np.array([0, 2], np.int32)
    found = data.without(np.array([1]), left={"users": users})
    assert found.users is users
    assert found.labels.tolist() == [1, 1]


def test_a_selection_does_not_keep_the_rest_alive():
    data = Interactions.from_arrays(np.arange(5), np.arange(5))
    part = data.select(slice(1, 3))
    assert part.users.tolist() == [1, 2]
    assert not np.shares_memory(part.users, data.users)


def test_interactions_do_not_change_with_the_arrays_they_were_made_of():
    users = np.array([0, 1], np.int32)
    data = Interactions(users, np.array([0, 0], np.int32), np.ones(2, np.float32), num_users=2, num_items=1)
    users[0] = 1
    assert data.users.tolist() == [0, 1]
