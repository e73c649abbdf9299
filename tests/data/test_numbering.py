"""Rows that are as busy in every block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax import DataError, Interactions, Split, balanced

PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=80)


def named(data: Interactions) -> set[tuple]:
    return set(zip(data.user_ids[data.users].tolist(), data.item_ids[data.items].tolist(), data.labels.tolist(), strict=True))


@given(pairs=PAIRS, blocks=st.integers(1, 9))
def test_the_same_interactions_in_blocks_that_are_equally_busy(pairs, blocks):
    users, items = np.array(sorted(set(pairs))).T
    data = Interactions.from_arrays(users, items, np.arange(len(users)) % 2)
    found = balanced(data, blocks)
    assert named(found) == named(data)
    for degrees in (found.user_degrees(), found.item_degrees()):
        size = -(-len(degrees) // blocks)
        full = [degrees[k * size : (k + 1) * size].sum() for k in range(len(degrees) // size)]
        # Dealt forth and back, blocks of as many rows differ by no more than one row has.
        assert max(full) - min(full) <= degrees.max()


def test_rows_that_were_the_ids_are_kept_as_ids():
    rows = np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1])
    data = Interactions(*rows, np.ones(4), num_users=3, num_items=2)
    found = balanced(data, 2)
    assert sorted(found.user_ids.tolist()) == [0, 1, 2]
    assert {(found.user_ids[u], found.item_ids[i]) for u, i in zip(found.users, found.items, strict=True)} == set(
        zip(*rows, strict=True)
    )


def test_a_split_is_balanced_by_what_it_trains_on():
    data = Interactions.from_arrays([0, 0, 0, 1, 2, 3], [0, 1, 2, 0, 0, 0])
    found = balanced(Split(data, data.select(np.array([0])), data.select(np.array([1]))), 2)
    assert found.train.user_ids.tolist() == found.valid.user_ids.tolist() == found.test.user_ids.tolist()
    assert named(found.test) == {(0, 1, 1.0)}


def test_bad_arguments_are_named():
    data = Interactions.from_arrays([0], [0])
    with pytest.raises(DataError, match="blocks is 0"):
        balanced(data, 0)
    with pytest.raises(DataError, match="data is"):
        balanced([1, 2], 2)
