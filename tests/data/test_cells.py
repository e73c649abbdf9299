"""Times are seconds, whatever they came as; of duplicates the latest stays; ratings are numbers however they are written."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ifru_jax import DataError, DataWarning, Interactions, from_frame, random_split, read_interactions
from ifru_jax.data.notes import DuplicateWarning


def times_of(column):
    """The times of a frame with this column, and of a CSV file of it."""
    return from_frame(pl.DataFrame({"user": range(len(column)), "item": 1, "timestamp": column})).timestamps.tolist()


ISO = {
    "1970-01-02": 86400,
    "1970-01-01T00:01:00": 60,
    "1970-01-01 00:01:00": 60,
    "1970-01-01T00:00:00.25": 0.25,
    "1970-01-01 00:00:00.123456": 0.123456,
    "1970-01-01T00:00:00Z": 0,
    "1970-01-01T02:00:00+01:00": 3600,
    "1969-12-31 19:00:00-05:00": 0,
    "1970-01-01 00:00:10 UTC": 10,
    " 1970-01-01 00:00:10 ": 10,
}


def test_iso(tmp_path):
    assert times_of(list(ISO)) == list(ISO.values())
    text = "".join(f"{row},1,{time}\n" for row, time in enumerate(ISO))
    (tmp_path / "x.csv").write_text("user,item,time\n" + text)
    assert read_interactions(tmp_path / "x.csv").timestamps.tolist() == list(ISO.values())
    data = Interactions.from_arrays(range(len(ISO)), range(len(ISO)), timestamps=list(ISO))
    assert data.timestamps.tolist() == list(ISO.values())


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.to_datetime(["1970-01-02"])),
        pd.Series(pd.to_datetime(["1970-01-02T05:30"])).dt.tz_localize("Asia/Kolkata"),
        pd.Series(pd.to_datetime(["1970-01-02T05:30"])).dt.tz_localize("Asia/Kolkata").astype("datetime64[ms, Asia/Kolkata]"),
        pd.Series([datetime.date(1970, 1, 2)]),
        pd.Series([datetime.datetime(1970, 1, 2)], dtype=object),
        pd.Series(pd.to_datetime(["1970-01-02"])).astype("datetime64[s]"),
        pd.Series(pd.to_datetime(["1970-01-02T05:30"])).dt.tz_localize("Asia/Kolkata").convert_dtypes(dtype_backend="pyarrow"),
        pd.Series(["1970-01-02"], dtype="category"),
    ],
)
def test_pandas_times(column):
    assert from_frame(pd.DataFrame({"user": 1, "item": 2, "timestamp": column})).timestamps.tolist() == [86400]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([datetime.date(1970, 1, 2)]),
        pl.Series([datetime.datetime(1970, 1, 2)]).cast(pl.Datetime("ns")),
        pl.Series([datetime.datetime(1970, 1, 2, 5, 30)]).dt.replace_time_zone("Asia/Kolkata"),
        pl.Series(["1970-01-02"]),
        pl.Series([86400.0]),
    ],
)
def test_polars_times(column):
    assert times_of(column) == [86400]


def test_times_of_arrays_and_indices():
    index = pd.DatetimeIndex(["1970-01-02T05:30"]).tz_localize("Asia/Kolkata")
    for times in (index, pd.to_datetime(["1970-01-02"]), [np.datetime64("1970-01-02")], [pd.Timestamp("1970-01-02")], index.array):
        assert Interactions.from_arrays([1], [2], timestamps=times).timestamps.tolist() == [86400]
    for users in (pd.Index([7]), pd.array([7]), pd.Categorical([7]), pl.Series([7]), (7,), np.array([7], np.uint8)):
        assert Interactions.from_arrays(users, [2]).user_ids.tolist() == [7]
    for users in (pd.DataFrame({"user": [7]}), pl.DataFrame({"user": [7]}), np.array([[7]]), np.array(7), 7, {7}):
        with pytest.raises(DataError, match=r"a column (has shape|is a DataFrame)"):
            Interactions.from_arrays(users, [2])
    for labels in ([np.datetime64("1970-01-02")], [b"1"], [[1]], [1j], [datetime.datetime(1970, 1, 2)], ["x"]):
        with pytest.raises(DataError, match=r"rating .* of row 0 is not a number"):
            Interactions.from_arrays([1], [2], labels)


def test_numpy_times():
    for unit in ("D", "s", "ms", "ns"):
        times = np.array(["1970-01-02"], f"datetime64[{unit}]")
        assert Interactions.from_arrays([1], [2], timestamps=times).timestamps.tolist() == [86400]
    with pytest.raises(DataError, match="timestamp of row 1 is missing"):
        Interactions.from_arrays([1, 2], [2, 2], timestamps=np.array(["1970-01-02", "NaT"], "datetime64[D]"))


@pytest.mark.parametrize(("unit", "per_second"), [("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)])
def test_units_are_told_by_the_size(unit, per_second):
    seconds = np.array([881250949.0, 0.0, 1.7e9])
    with pytest.warns(DataWarning, match=f"were read as {unit}"):
        found = Interactions.from_arrays([1, 2, 3], [1, 1, 1], timestamps=(seconds * per_second).astype(np.int64))
    np.testing.assert_allclose(found.timestamps, seconds)


def test_days_in_one_number():
    with pytest.warns(DataWarning, match="such as 19700102: they were read as days"):
        assert times_of([19700102, 20000229]) == [86400, 951782400]
    assert times_of([19700102, 19701399]) == [19700102, 19701399]  # no such day: seconds


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1_600_000_000_000, 1_600_000_000], "timestamp 1600000000 of row 1 is in another unit than 1600000000000"),
        ([datetime.timedelta(1)] * 2, "is not a time"),
        ([datetime.time(1)] * 2, "is not a time"),
        (["1970-01-02", "02/01/1970"], "timestamp '02/01/1970' of row 1 is not a time .1 such.*timestamp=None"),
        (["1", "monday", "3"], "timestamp 'monday' of row 1 is not a time"),
        ([1.0, float("inf")], "timestamp inf of row 1 is not finite"),
        ([1.0, None], "timestamp of row 1 is missing"),
        (["NULL", "1"], "timestamp of row 0 is missing"),
    ],
)
def test_what_is_no_time(column, message):
    with pytest.raises(DataError, match=message):
        times_of(column)
    with pytest.raises(DataError, match=message):
        from_frame(pd.DataFrame({"user": 1, "item": range(len(column)), "timestamp": column}))


def test_durations_of_pandas_are_refused():
    with pytest.raises(DataError, match="is not a time"):
        from_frame(pd.DataFrame({"user": [1], "item": [2], "timestamp": pd.to_timedelta([1], unit="D")}))


ROWS = {"user": [1, 1, 1], "item": [5, 5, 5], "rating": [4, 2, 3], "timestamp": [20, 30, 10]}


def test_the_latest_of_duplicates_stays_in_any_order():
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        rows = {name: [column[k] for k in order] for name, column in ROWS.items()}
        with pytest.warns(
            DuplicateWarning, match="2 of 3 rows repeat a user and item; of each the one with the latest time was kept"
        ):
            assert from_frame(pl.DataFrame(rows)).labels.tolist() == [2]
        with pytest.warns(DuplicateWarning, match="the latest time"):
            found = Interactions.from_arrays(rows["user"], rows["item"], rows["rating"], timestamps=rows["timestamp"])
        assert found.labels.tolist() == [2]


def test_without_times_the_last_stays():
    frame = pl.DataFrame(ROWS)
    for data in (frame.drop("timestamp"), frame):
        with pytest.warns(DuplicateWarning, match="the one that came last was kept"):
            assert from_frame(data, duplicates="last").labels.tolist() == [3]
    with pytest.warns(DuplicateWarning, match="the one that came last was kept") as caught:
        assert Interactions.from_arrays(ROWS["user"], ROWS["item"], ROWS["rating"]).labels.tolist() == [3]
    assert caught[0].filename == __file__
    assert len(Interactions.from_arrays(ROWS["user"], ROWS["item"], keep_duplicates=True)) == 3


def test_a_split_of_arrays_with_duplicates_does_not_leak():
    rng = np.random.default_rng(0)
    with pytest.warns(DuplicateWarning):
        data = Interactions.from_arrays(rng.integers(0, 20, 2400), rng.integers(0, 30, 2400))
    split = random_split(data)
    train, test = (set(zip(part.users, part.items, strict=True)) for part in (split.train, split.test))
    assert not train & test


STEAM = pl.DataFrame(
    {"user": [1, 1, 2], "item": [5, 5, 5], "behavior": ["purchase", "play", "purchase"], "value": [1.0, 273.0, 1.0]}
)


def test_rows_of_several_kinds_are_a_question():
    with pytest.raises(
        DataError, match=r"user 1 with item 5 are of the kinds 'purchase' and 'play' in the column 'behavior'.*rating=None"
    ):
        from_frame(STEAM)
    assert from_frame(STEAM.filter(pl.col("behavior") == "play")).labels.tolist() == [273]
    with pytest.warns(DuplicateWarning):
        assert from_frame(STEAM, duplicates="last").labels.tolist() == [273, 1]
    more = {"user": [1, 1, 1], "item": [5, 5, 5], "behavior": ["purchase", "play", "play"], "value": [1.0, 1.0, 273.0]}
    with pytest.raises(DataError, match=r"'purchase' and 'play' .* \(1 such rows\)"):
        from_frame(pl.DataFrame(more))
    with pytest.warns(DuplicateWarning):
        assert len(from_frame(STEAM, rating=None)) == 2
    timed = STEAM.with_columns(timestamp=pl.Series([1, 2, 3]))
    with pytest.raises(DataError, match="'behavior'"):
        from_frame(timed)
    with pytest.warns(DuplicateWarning, match="latest time"):  # a later rating from another device is a rating
        assert from_frame(timed.rename({"behavior": "device"})).labels.tolist() == [273, 1]


RATED = {"user": [1, 2, 3], "item": [1, 1, 1]}


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        ([True, False, True], [1, 0, 1]),
        (["true", "False", " TRUE "], [1, 0, 1]),
        (["4", "3.5", "1e1"], [4, 3.5, 10]),
        ([".5", "+2", "-1."], [0.5, 2, -1]),
        (pl.Series([1, 2, 3], dtype=pl.Decimal(5, 2)), [1, 2, 3]),
        (pl.Series(["4", "5", "4"]).cast(pl.Categorical), [4, 5, 4]),
    ],
)
def test_ratings(column, labels):
    assert from_frame(pl.DataFrame(RATED | {"stars": column})).labels.tolist() == labels


@pytest.mark.parametrize("bad", ["1_000", "1,000", "٣", "0x1", "good", "1 2", "--1", "inf", "1e"])
def test_what_is_no_rating(bad):
    with pytest.raises(DataError, match=r"rating .* of row 1 is not a number \(1 such\)"):
        from_frame(pl.DataFrame(RATED | {"rating": ["1", bad, "2"]}))


def test_decimal_commas():
    frame = pl.DataFrame(RATED | {"rating": ["4,5", "3", "0,5"]})
    assert from_frame(frame, decimal=",").labels.tolist() == [4.5, 3, 0.5]
    with pytest.raises(DataError, match=r"rating '4,5' of row 0 is not a number .*decimal=.,"):
        from_frame(frame)
    with pytest.raises(DataError, match=r"rating '1\.234,5'"):
        from_frame(pl.DataFrame(RATED | {"rating": ["1.234,5", "1", "1"]}), decimal=",")


@pytest.mark.parametrize(("cell", "decimal"), [("1.234,5", ","), ("1.234,5", "."), ("5 stars", "."), ("yes", ",")])
def test_a_remedy_is_one_that_helps(cell, decimal):
    with pytest.raises(DataError, match=r"is not a number \(1 such\): give numeric ratings\.$"):
        from_frame(pl.DataFrame(RATED | {"rating": [cell, "1", "1"]}), decimal=decimal)


def test_a_column_has_one_meaning():
    with pytest.raises(DataError, match=r"the column 'user' is to be the user and the item: .*choose another by item="):
        from_frame(pl.DataFrame(RATED), item="user")


@pytest.mark.parametrize("name", ["stars", "label", "weight", "overall", "val", "Book-Rating", "RATING", "score"])
def test_ratings_by_another_name(tmp_path, name):
    frame = pl.DataFrame(RATED | {name: [0.0, 3.0, 5.0]})
    frame.write_csv(tmp_path / "x.csv")
    for data in (from_frame(frame), read_interactions(tmp_path / "x.csv")):
        assert data.labels.tolist() == [0, 3, 5]


def test_columns_that_are_left_over_are_named():
    frame = pl.DataFrame(RATED | {"minutes": [3, 4, 5], "title": ["a", "b", "c"]})
    with pytest.warns(DataWarning, match="every label is 1; 'minutes', 'title' were ignored: rating= takes one"):
        assert from_frame(frame).labels.tolist() == [1, 1, 1]
    assert from_frame(frame, rating="minutes").labels.tolist() == [3, 4, 5]
    assert from_frame(frame, rating=None).labels.tolist() == [1, 1, 1]
    both = pl.DataFrame(RATED | {"rating": [3, 4, 5], "label": [0, 1, 1]})
    with pytest.warns(DataWarning, match="'rating' was taken for the rating, 'label' ignored"):
        assert from_frame(both).labels.tolist() == [3, 4, 5]
    with pytest.raises(DataError, match="several columns may be the rating: 'stars', 'label'; choose one by rating="):
        from_frame(both.rename({"rating": "stars"}))


def test_no_rating():
    zeros = pl.DataFrame({"user": range(12), "item": 1, "rating": [0] * 8 + [1, 2, 3, 10]})
    with pytest.warns(DataWarning, match=r"8 of 12 ratings are 0, and the next is 1: .* unrated=0"):
        from_frame(zeros)
    with pytest.warns(DataWarning, match="8 of 12 rows have the rating 0 and were dropped"):
        data = from_frame(zeros, unrated=0)
    assert (data.labels.tolist(), data.num_users, data.user_ids.tolist()) == ([1, 2, 3, 10], 4, [8, 9, 10, 11])
    far = pl.DataFrame({"user": range(5), "item": 1, "rating": [0.0, 3, 3.5, 4, 5]})
    with pytest.warns(DataWarning, match="1 of 5 ratings are 0, and the next is 3"):
        from_frame(far)
    from_frame(far.with_columns(rating=pl.Series([0, 1, 2, 3, 4])))  # a scale that begins with 0
    from_frame(far.with_columns(rating=pl.Series([0, 1, 0, 0, 0])))  # labels
    with pytest.raises(DataError, match="all ratings are 3"):
        from_frame(far.with_columns(rating=pl.lit(3)), unrated=3)
