import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.reading.options import MISSING
from ifru_jax.data.splits import random_split
from ifru_jax.errors import DataError

IDS = st.one_of(
    st.lists(st.integers(0, 2**60), min_size=1, max_size=20),
    st.lists(st.text(st.characters(categories=["L", "P", "S"]), min_size=1), min_size=1, max_size=20).filter(
        lambda texts: not any(text.lower() in MISSING for text in texts)
    ),
)


@given(IDS)
def test_ids_survive_numbering(ids):
    data = Interactions.from_arrays(ids, ids, keep_duplicates=True)
    assert data.user_ids is not None
    assert data.user_ids[data.users].tolist() == ids
    np.testing.assert_array_equal(data.item_index(ids), data.items)
    np.testing.assert_array_equal(data.user_degrees(), np.bincount(data.users))


@given(IDS, st.randoms(use_true_random=False))
def test_numbering_does_not_depend_on_the_order(ids, random):
    shuffled = random.sample(ids, len(ids))
    tables = [Interactions.from_arrays(order, order, keep_duplicates=True).user_ids for order in (ids, shuffled)]
    np.testing.assert_array_equal(*tables)


def test_dtypes_are_fixed():
    data = Interactions.from_arrays([3, 1], [0, 5], [4, 2], timestamps=[10, 20])
    assert data.users.dtype == data.items.dtype == np.int32
    assert data.labels.dtype == np.float32
    assert data.timestamps is not None
    assert data.timestamps.dtype == np.float64
    assert Interactions.from_arrays([3.0, 1.0], ["a", "b"]).user_ids.tolist() == [1, 3]  # pyright: ignore


def test_select_keeps_the_tables():
    data = Interactions.from_arrays([1, 2, 3], [4, 5, 6], timestamps=[7, 8, 9])
    part = data.select(np.array([2, 0]))
    assert (part.num_users, part.num_items, len(part)) == (3, 3, 2)
    assert part.timestamps is not None
    assert part.timestamps.tolist() == [9, 7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "non-empty"),
        ((np.ones((1, 2), int), [1, 2]), "one-dimensional"),
        (([1, -2], [1, 2]), "user id -2 of row 1 is negative"),
        (([1, 2], [1.5, 2]), "item id 1.5 of row 0 is not a whole number"),
        (([1, 2], [1, np.nan]), "item of row 1 is missing"),
        (([1, 2], [1, np.inf]), "item id inf of row 1"),
        ((["ann", ""], [1, 2]), "user of row 1 is missing"),
        ((["ann", None], [1, 2]), "user of row 1 is missing"),
        (([True, False], [1, 2]), "user id True of row 0 is a bool"),
        (([1, 2], [1, 2], [1, np.nan]), "rating of row 1 is missing"),
        (([1, 2], [1, 2], ["5", "good"]), "rating 'good' of row 1 is not a number"),
        (([1, 2], [1, 2], [1, 2, 3]), "give one value per interaction"),
        (([1, 2], [1, 2, 3]), "give one value per interaction"),
    ],
)
def test_bad_columns_are_named(arguments, message):
    with pytest.raises(DataError, match=message):
        Interactions.from_arrays(*arguments)


def test_bad_timestamps_are_named():
    with pytest.raises(DataError, match="timestamp of row 1 is missing"):
        Interactions.from_arrays([1, 2], [1, 2], timestamps=[1, np.nan])


def test_data_and_splits_show_themselves_in_three_lines_however_large():
    data = Interactions.from_arrays(np.arange(5000) % 700, np.arange(5000) % 501)
    assert repr(data) == "Interactions(5,000 of 700 users with 501 items)"
    split = random_split(data)
    shown = repr(split).splitlines()
    assert shown[0].startswith(f"Split(train={len(split.train):,}, valid=")
    assert shown[0].endswith(f"interactions of {split.train.num_users} users with {split.train.num_items} items)")
    assert len(shown) == 2  # with what was left out
