"""Columns that don't belong together, or hold what is no value, are refused; the message names the first such."""

from dataclasses import replace

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


@pytest.mark.parametrize(
    "ids",
    [
        np.array([0, 7, 9], np.uint32),
        np.array([0, 7, 9], np.uint64),
        np.array([0, 7, 9], np.int8),
        np.array([0, 7, 9], ">i8"),
        np.array([0, np.int64(7), 9], object),
        [0, 7, 9],
        np.array(["0", "7", "9"], object),
    ],
)
def test_ids_of_any_kind_are_found_and_erased(ids):
    """The mark of the erased is the id of nobody: among unsigned numbers the smallest is 0."""
    data = Interactions(np.arange(3), np.zeros(3, int), np.ones(3), 3, 1, user_ids=ids)
    np.testing.assert_array_equal(data.user_rows([0, 7, 9, 8]), [0, 1, 2, -1])
    left = data.erase_ids(np.array([1]), np.zeros(0, int))
    np.testing.assert_array_equal(left.user_rows([0, 7, 9]), [0, -1, 2])


def test_an_id_erased_among_short_numbers_stays_erased():
    ids = np.array([np.iinfo(np.int32).min, 4], np.int32)
    data = Interactions(np.arange(2), np.zeros(2, int), np.ones(2), 2, 1, user_ids=ids)
    np.testing.assert_array_equal(data.user_ids, [np.iinfo(np.int64).min, 4])
    np.testing.assert_array_equal(data.user_rows([np.iinfo(np.int32).min, np.iinfo(np.int64).min, 4]), [-1, -1, 1])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.array([1.5, 2.0]), "user_ids have dtype float64: give whole numbers from 0, or texts"),
        (np.array([b"a", b"b"]), "user_ids have dtype"),
        (np.array([True, False]), "user_ids have dtype bool"),
        (np.array(["ann", None], object), "user_ids hold values of type NoneType, str"),
        (np.array(["ann", 3], object), "user_ids hold values of type int, str"),
        (np.array([True, 3], object), "user_ids hold values of type bool, int"),
        (np.array([1, 2**63], np.uint64), f"user_ids reach from 1 to {2**63}"),
        (np.array([1, 2**80], object), f"user_ids reach from 1 to {2**80}"),
        (np.array([-1, 5]), "user_ids have -1 in row 0 .1 such.: no request could name it. Give whole numbers from 0, or texts"),
        (np.array([" ann", "bob"]), "user_ids have ' ann' in row 0"),
        (np.array(["ann", "b\tb"]), r"user_ids have 'b\\tb' in row 1"),
        (np.array([5, 5]), "user_ids name 5 2 times, in rows 0 and 1: a row has an id of its own"),
        (["ann", "ann"], "user_ids name ann 2 times, in rows 0 and 1"),
    ],
)
def test_what_is_no_id_is_named(ids, message):
    with pytest.raises(DataError, match=message):
        Interactions(np.arange(2), np.zeros(2, int), np.ones(2), 2, 1, user_ids=ids)


def test_what_can_be_written_to_is_copied():
    labels, fixed = np.ones(2, np.float32), np.zeros(2, np.float32)
    fixed.flags.writeable = False
    users = np.array([0, 1])
    assert not np.shares_memory(Interactions(users, users, labels, 2, 2).labels, labels)
    assert Interactions(users, users, fixed, 2, 2).labels is fixed


@pytest.mark.parametrize("column", ["timestamps", "groups", "user_ids", "item_ids"])
def test_what_is_written_to_a_column_later_stays_outside(column):
    given = np.array([3, 1], np.float64 if column == "timestamps" else np.int64)
    data = Interactions(np.arange(2), np.arange(2), np.ones(2), 2, 2, **{column: given})
    given[:] = 7
    np.testing.assert_array_equal(getattr(data, column), [3, 1])


@pytest.mark.parametrize(
    ("column", "given", "message"),
    [
        (
            "timestamps",
            np.array(["2026-01-01", "2026-01-02"], "datetime64[ns]"),
            r"the timestamps have dtype datetime64\[ns\]: give numbers",
        ),
        ("timestamps", np.array(["10", "noon"], object), r"the timestamps are no numbers \(.*noon.*\): give numbers"),
        ("labels", np.array(["1", "0"]), "the ratings have dtype <U1: give numbers, or use Interactions.from_arrays"),
        ("labels", np.array([1, "x"], object), r"the ratings are no numbers \(.*x"),
        ("labels", np.array([1 + 1j, 0]), "the ratings have dtype complex128"),
    ],
)
def test_what_is_no_number_is_refused(column, given, message):
    """A date in nanoseconds would be taken for so many seconds."""
    with pytest.raises(DataError, match=message):
        Interactions(np.arange(2), np.arange(2), **{"labels": np.ones(2), column: given}, num_users=2, num_items=2)


def test_marks_of_the_erased_are_no_id_that_comes_twice():
    data = Interactions(np.arange(4), np.zeros(4, int), np.ones(4), 4, 1, user_ids=np.array([9, 4, 7, 2]))
    left = replace(data.erase_ids(np.array([0, 2]), np.zeros(0, int)), labels=np.zeros(4))
    np.testing.assert_array_equal(left.user_rows([9, 4, 7, 2]), [-1, 1, -1, 3])


def test_an_erased_text_leaves_no_width():
    """The column would be as wide as the longest id that ever was."""
    data = Interactions(np.arange(3), np.zeros(3, int), np.ones(3), 3, 1, user_ids=np.array(["ann", "a-name-of-its-own", "bo"]))
    left = data.erase_ids(np.array([1]), np.zeros(0, int))
    assert left.user_ids is not None
    assert left.user_ids.dtype == np.dtype("<U3")
    np.testing.assert_array_equal(left.user_ids, ["ann", "", "bo"])
    nobody = left.erase_ids(np.array([0, 2]), np.zeros(0, int))
    np.testing.assert_array_equal(nobody.user_ids, ["", "", ""])
