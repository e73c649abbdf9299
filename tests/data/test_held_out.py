"""What a request leaves of held-out interactions: the same as of those that were learned from, though all of them may go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, ForgetRequest, Interactions
from ifru_jax.data.held_out import left_of

USERS, ITEMS = 5, 6


@st.composite
def interactions(draw):
    count = draw(st.integers(2, 25))
    column = st.lists(st.integers(0, 2**31), min_size=count, max_size=count)
    rows = [np.array(draw(column)) % size for size in (USERS, ITEMS, 2)]
    groups = np.array(draw(column)) % 5 if draw(st.booleans()) else None
    return Interactions(rows[0], rows[1], rows[2].astype(float), USERS, ITEMS, groups=groups)


def rows_of(data):
    groups = np.zeros(len(data), int) if data.groups is None else data.groups
    return list(zip(data.users.tolist(), data.items.tolist(), data.labels.tolist(), groups.tolist(), strict=True))


REQUESTS = st.tuples(
    st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=3),
    st.lists(st.integers(0, USERS - 1), max_size=1),
    st.lists(st.integers(0, ITEMS - 1), max_size=1),
    st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=2, unique=True),
)


@given(interactions(), REQUESTS)
@settings(max_examples=200)
def test_it_is_what_is_left_of_data_that_is_learned_from(held, drawn):
    pairs, users, items, corrected = drawn
    asked = ForgetRequest(
        np.array(pairs, np.int32).reshape(-1, 2),
        np.array(users, np.int32),
        np.array(items, np.int32),
        np.array(corrected, np.int32).reshape(-1, 2),
        np.ones(len(corrected)),
    )
    here = asked.still_in(held)
    found = left_of(held, asked, np.zeros(len(held), bool))
    try:
        expected = here.applied(held)
    except DataError as error:
        # All of it, or a pair that is to go and to be corrected, which goes here.
        if "nothing is left" in str(error):
            assert not len(found)
        return
    assert rows_of(found) == rows_of(expected)
    if not len(here):
        assert found is held


def test_who_has_no_data_left_goes_with_what_was_drawn_for_it():
    """Item 0 was observed, items 1 and 2 were drawn for it; where item 1 has no data left only that one goes."""
    held = Interactions(np.zeros(3, int), np.arange(3), np.array([1.0, 0, 0]), 1, 3, groups=np.zeros(3, int))
    nothing = ForgetRequest()
    assert not len(left_of(held, nothing, np.array([True, False, False])))
    np.testing.assert_array_equal(left_of(held, nothing, np.array([False, True, False])).items, [0, 2])


@pytest.mark.parametrize("labels", [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
def test_an_item_takes_nobody_along_where_no_member_of_its_group_is_known_to_be_observed(labels):
    """As after a correction: the first member is no more observed than the others."""
    count = len(labels)
    data = Interactions(
        np.zeros(count + 1, int), np.arange(count + 1), np.array([*labels, 1.0]), 1, 9, groups=np.array([4] * count + [5])
    )
    for item in range(count):
        left = ForgetRequest(items=np.array([item])).applied(data)
        np.testing.assert_array_equal(left.items, np.setdiff1d(np.arange(count + 1), [item]))
    # A pair takes its group, whoever leads it.
    np.testing.assert_array_equal(ForgetRequest(pairs=np.array([[0, 1]])).applied(data).items, [count])
