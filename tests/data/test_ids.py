"""Ids mean the same in files, frames and arrays; what can't be one is refused by its row."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ifru_jax import DataError, Interactions, from_frame, read_interactions
from ifru_jax.data.reading.ids import LONGEST


def every_way(tmp_path, values, dtype=None):
    """Readers of a table with these users, each with an item of its own."""
    items = range(len(values))
    series = pl.Series(values, dtype=dtype, strict=False)
    frame = pl.DataFrame({"user": series, "item": items})
    frame.write_csv(tmp_path / "x.csv")
    frame.write_parquet(tmp_path / "x.parquet")
    return [
        lambda: read_interactions(tmp_path / "x.csv"),
        lambda: read_interactions(tmp_path / "x.parquet"),
        lambda: from_frame(frame),
        lambda: from_frame(frame.to_pandas()),
        lambda: Interactions.from_arrays(series.to_numpy(), items),
        lambda: Interactions.from_arrays(values, items),
    ]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["7", " 12 ", "7.0"], None, [7, 12, 7]),
        (["007", "12"], None, ["007", "12"]),
        ([1.0, 1e12], None, [1, 10**12]),
        ([2**63 + 5, 1], pl.UInt64, ["9223372036854775813", "1"]),
        ([2**63 - 1, 1], pl.UInt64, [2**63 - 1, 1]),
        ([2**53 + 1, 2**53], None, [2**53 + 1, 2**53]),
        (["9223372036854775807", "9223372036854775806"], None, [2**63 - 1, 2**63 - 2]),
        ([" ann", "ann ", "bob"], None, ["ann", "ann", "bob"]),
        (["ann", "\u200bann\u200e", "\u00a0ann\ufeff", "a\u200db"], None, ["ann", "ann", "ann", "a\u200db"]),
        (["1_000", "٣", "+5", "0x1f"], None, ["1_000", "٣", "+5", "0x1f"]),
        (["12e4", "0"], None, ["12e4", "0"]),
        (["x" * LONGEST, "y"], None, ["x" * LONGEST, "y"]),
    ],
)
def test_read(tmp_path, values, dtype, expected):
    for read in every_way(tmp_path, values, dtype):
        data = read()
        assert data.user_ids is not None
        assert data.user_ids[data.users].tolist() == expected


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (["1", "NULL", "2"], None, r"user of (row 1|line 3) is missing \(1 such; it reads 'NULL'\)"),
        (["1", "na", "NaN"], None, r"user of (row 1|line 3) is missing \(2 such"),
        ([1, None], None, "user of (row 1|line 3) is missing"),
        (["a", "\u200b"], None, "user of (row 1|line 3) is missing"),
        (["a", "  "], None, "user of (row 1|line 3) is missing"),
        (["a", "\\N"], None, "user of (row 1|line 3) is missing"),
        ([3, -2], None, "user id '?-2'? of (row 1|line 3) is negative"),
        (["a", "b\tc"], None, "user id 'b\\\\tc' of (row 1|line 3) has a tab, a line break"),
        (["a", "a" * (LONGEST + 1)], None, f"has more than {LONGEST} characters"),
        ([1.0, 1e17], None, "1e.17'? of (row 1|line 3) is (not a whole number|a number that lost its last digits)"),
        (["9.78E+12", "3"], None, "is a number that lost its last digits|is not a whole number"),
        (["1e12", "1000000000000"], None, "is the same number as"),
    ],
)
def test_refused(tmp_path, values, dtype, message):
    for read in every_way(tmp_path, values, dtype):
        with pytest.raises(DataError, match=message):
            read()


@pytest.mark.parametrize("text", ["a\0", "a\nb", "a\r\nb", "a\u2028b", "a\ud800", "a\x1f"])
def test_control_characters_are_refused(text):
    with pytest.raises(DataError, match="has a tab, a line break or another control character in it"):
        Interactions.from_arrays(["a", text], [1, 2])


def test_a_line_break_in_quotes_is_refused(tmp_path):
    for name, text in {"x.csv": 'user,item\n"a\nb",1\n', "x.tsv": 'user\titem\n"a\nb"\t1\n', "y.csv": 'user,item\n1,"x\n'}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="line 2 has"):
            read_interactions(tmp_path / name)


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pl.Series([b"a", b"b"]), "b'a' of row 0 is a bytes"),
        (pl.Series([[1], [2]]), r"\[1\] of row 0 is a list"),
        (pl.Series([{"x": 1}, {"x": 2}]), "is a dict"),
        (pl.Series([True, False]), "dtype bool"),
        (pl.Series([0, 1]).cast(pl.Date), "dtype datetime64"),
        (pl.Series([0, 1]).cast(pl.Duration), "is a timedelta"),
        (pl.Series([0.5, 1.0]), "0.5 of row 0 is not a whole number"),
    ],
)
def test_what_is_no_id(column, what):
    with pytest.raises(DataError, match=f"item id.*{what}"):
        from_frame(pl.DataFrame({"user": [1, 2], "item": column}))


def test_kinds_of_columns_of_frames():
    texts = pl.Series(["b", "a", "b"])
    expected = ["b", "a", "b"]
    for items in (texts, texts.cast(pl.Categorical), texts.cast(pl.Enum(["b", "a"])), texts.to_pandas().astype("category")):
        make = pl.DataFrame if isinstance(items, pl.Series) else pd.DataFrame
        data = from_frame(make({"user": [1, 2, 3], "item": items}))
        assert data.item_ids[data.items].tolist() == expected
    wide = from_frame(pl.DataFrame({"user": pl.Series([7, 3], dtype=pl.Int128), "item": [1, 2]}))
    assert wide.user_ids.tolist() == [3, 7]
    mixed = from_frame(pd.DataFrame({"user": pd.Series([1, "x", 2.0], dtype=object), "item": [1, 2, 3]}))
    assert mixed.user_ids.tolist() == ["1", "2.0", "x"]
    nullable = from_frame(pd.DataFrame({"user": pd.array([2**62 + 1, 5], dtype="Int64"), "item": [1, 2]}))
    assert nullable.user_ids.tolist() == [5, 2**62 + 1]


def test_two_columns_of_one_name():
    frame = pd.DataFrame([[1, 2, 3]], columns=["user", "item", "user"])
    with pytest.raises(DataError, match="several columns may be the user: 'user', 'user'"):
        from_frame(frame)
    with pytest.raises(DataError, match="give each column a name of its own"):
        from_frame(pa.table([[1], [2], [3]], names=["user", "item", "user"]))
    assert len(from_frame(pd.DataFrame([[1, 2, 3, 4]], columns=["user", "item", "x", "x"]), rating=None)) == 1


def test_missing_texts_are_a_choice(tmp_path):
    (tmp_path / "x.csv").write_text("user,item\nNA,1\n-,2\n")
    assert read_interactions(tmp_path / "x.csv", missing=()).user_ids.tolist() == ["-", "NA"]
    with pytest.raises(DataError, match=r"user of line 3 is missing .*it reads '-'"):
        read_interactions(tmp_path / "x.csv", missing=("-",))
    assert Interactions.from_arrays(["NA", "b"], [1, 2], missing=()).user_ids.tolist() == ["NA", "b"]


INTEGERS = Interactions.from_arrays([7, 2**53, 2**63 - 1], [0, 1, 2])
TEXTS = Interactions.from_arrays(["1", "1.0", "x", "a b"], [0, 1, 2, 3])


@pytest.mark.parametrize("wanted", [7, "7", " 7", "7.0", 7.0, np.int32(7), np.uint64(7), np.float32(7)])
def test_integers_are_found_however_they_are_written(wanted):
    assert INTEGERS.user_index([wanted]).tolist() == [0]


LARGE = [-1, 2**53 + 1, float(2**53), 2**63, "1" * 5000, np.uint64(2**63), 2**70]


@pytest.mark.parametrize("wanted", ["007", "7.5", 7.5, float("nan"), float("inf"), True, None, "", *LARGE])
def test_nobody_else_is_found(wanted):
    with pytest.raises(DataError, match=r"is not in the data \(1 unknown of 1\)"):
        INTEGERS.user_index([wanted])


def test_one_id_or_any_iterable():
    for wanted in (7, "7", {7}, {7: 1}.keys(), (x for x in [7]), pd.Series([7]), pl.Series([7]), np.array(7), np.array(["7"])):
        assert INTEGERS.user_index(wanted).tolist() == [0]  # pyright: ignore[reportArgumentType]
    assert TEXTS.user_index("a b").tolist() == [TEXTS.user_ids.tolist().index("a b")]  # pyright: ignore[reportArgumentType]


def test_texts_are_found_as_they_are():
    rows = TEXTS.user_index(["1.0", "1", 1, " a b "])
    assert TEXTS.user_ids[rows].tolist() == ["1.0", "1", "1", "a b"]
    assert TEXTS.user_ids[TEXTS.user_index(["\ufeffa b\u200b"])].tolist() == ["a b"]
    for wanted in ("x\0", "", "01", None, 7):
        with pytest.raises(DataError, match="is not in the data"):
            TEXTS.user_index([wanted])
