"""Masks of pairs against their definition with sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.evaluation import survivors
from ifru_jax.evaluation.masks import touched_and, touched_or

NUM_USERS, NUM_ITEMS = 5, 4
interactions = st.lists(st.tuples(st.integers(0, NUM_USERS - 1), st.integers(0, NUM_ITEMS - 1)), max_size=8).map(
    lambda rows: Interactions(
        np.array([u for u, _ in rows], np.int32),
        np.array([i for _, i in rows], np.int32),
        np.zeros(len(rows)),  # labels play no part
        NUM_USERS,
        NUM_ITEMS,
    )
)


@given(interactions, interactions)
@settings(max_examples=50, deadline=None)
def test_masks_are_what_the_sets_say(data, pairs):
    users, items = set(data.users.tolist()), set(data.items.tolist())
    both = [u in users and i in items for u, i in zip(pairs.users, pairs.items, strict=True)]
    either = [u in users or i in items for u, i in zip(pairs.users, pairs.items, strict=True)]
    assert survivors(data, pairs).tolist() == both
    assert touched_and(data, pairs).tolist() == both
    assert touched_or(data, pairs).tolist() == either


def test_tables_of_two_data_sets_do_not_mix():
    with pytest.raises(DataError, match="different users or items"):
        survivors(Interactions.from_arrays([1, 2], [1, 2]), Interactions.from_arrays([1], [1]))
