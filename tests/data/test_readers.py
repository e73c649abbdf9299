import gzip
import sys

import pandas as pd
import polars as pl
import pytest

from ifru_jax.data import from_frame, read_interactions
from ifru_jax.data.readers import DuplicateWarning
from ifru_jax.errors import DataError

TABLE = pl.DataFrame({"user": [7, 7, 9], "item": ["b", "a", "a"], "rating": [1.0, 4.5, 2.0], "timestamp": [30, 20, 10]})


def expect_table(data):
    assert data.user_ids[data.users].tolist() == [7, 7, 9]
    assert data.item_ids[data.items].tolist() == ["b", "a", "a"]
    assert data.labels.tolist() == [1.0, 4.5, 2.0]
    assert data.timestamps.tolist() == [30, 20, 10]


def write(path, text):
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.tsv", "x.tsv.gz", "X.CSV"])
def test_text_files(tmp_path, name):
    text = TABLE.write_csv(separator="\t" if "tsv" in name else ",")
    expect_table(read_interactions(write(tmp_path / name, text)))


def test_parquet(tmp_path):
    TABLE.write_parquet(tmp_path / "x.parquet")
    expect_table(read_interactions(tmp_path / "x.parquet"))


@pytest.mark.parametrize("name", ["x.inter", "x.inter.gz"])
def test_recbole_file(tmp_path, name):
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    rows = "7\tb\t1\t30\n7\ta\t4.5\t20\n9\ta\t2\t10\n"
    expect_table(read_interactions(write(tmp_path / name, header + rows)))


@pytest.mark.parametrize("frame", [TABLE, TABLE.to_pandas(), TABLE.to_pandas().convert_dtypes()])
def test_frames(frame):
    expect_table(from_frame(frame))


def test_names_of_columns(tmp_path):
    path = write(tmp_path / "x.csv", "userId; MOVIE ;stars;when\n1;2;3;4\n")
    data = read_interactions(path, user="userId", item="movie", rating="stars", timestamp="when", separator=";")
    assert data.labels.tolist() == [3]
    assert data.timestamps is not None
    assert data.timestamps.tolist() == [4]
    assert read_interactions(path, user="USERID", item="movie", rating=None, separator=";").labels.tolist() == [1]


def test_without_ratings_every_label_is_one(tmp_path):
    data = read_interactions(write(tmp_path / "x.csv", "user,item\n1,2\n1,3\n"))
    assert data.labels.tolist() == [1, 1]
    assert data.timestamps is None


def test_zero_padded_ids_stay_apart(tmp_path):
    data = read_interactions(write(tmp_path / "x.csv", "user,item\n1.0,07\n2.0,7\n"))
    assert data.user_ids is not None
    assert data.user_ids.tolist() == [1, 2]
    assert data.item_ids is not None
    assert data.item_ids.tolist() == ["07", "7"]


def test_blank_lines_bom_and_quotes(tmp_path):
    data = read_interactions(write(tmp_path / "x.csv", '\ufeffuser,item\n"a, b",1\n\nc,2\n\n'))
    assert data.user_ids is not None
    assert data.user_ids.tolist() == ["a, b", "c"]


def test_dates_become_seconds():
    frame = pd.DataFrame({"user": [1], "item": [2], "timestamp": pd.to_datetime(["1970-01-02"])})
    for form in (frame, pl.from_pandas(frame)):
        assert from_frame(form).timestamps.tolist() == [86_400]  # pyright: ignore


def test_duplicates_are_told_and_the_last_wins(tmp_path):
    path = write(tmp_path / "x.csv", "user,item,rating\n1,2,3\n1,3,4\n1,2,5\n")
    with pytest.warns(DuplicateWarning, match="1 of 3 rows repeat a user and item") as caught:
        data = read_interactions(path)
    assert caught[0].filename == __file__
    assert sorted(data.labels.tolist()) == [4, 5]
    with pytest.warns(DuplicateWarning):
        from_frame(pl.read_csv(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("user,item,rating\n", "no rows below the columns"),
        ("user,rating\n1,2\n", r"no column of 'user', 'rating' is known to be the item"),
        ("user-item\n1-2\n", "no column of 'user-item' is known to be the user"),
        ("User,USER,item\n1,2,3\n", "several columns may be the user: 'User', 'USER'"),
        ("user,item,rating\n1,2,3\n1,3,\n", r"rating of line 3 is missing \(1 such\)"),
        ("user,item,rating\n1,2,3\n1,3,nan\n", "rating of line 3 is missing .1 such; it reads 'nan'"),
        ("user,item,rating\n1,2,3\n1,3,good\n", "rating 'good' of line 3 is not a number"),
        ("user,item,timestamp\n1,2,3\n1,3,monday\n", "timestamp 'monday' of line 3 is not a time"),
        ("user,item\n1,2\n,3\n", "user of line 3 is missing"),
        ("user,item\n1,2\n-4,3\n", "user id '-4' of line 3 is negative"),
        ("user,item\n1,2,3\n", "line 2 has 3 cells where there are 2 columns"),
        (b"user,item\n\xff,2\n", "byte 10 is not UTF-8"),
    ],
)
def test_bad_text_files(tmp_path, text, message):
    path = write(tmp_path / "x.csv", text)
    with pytest.raises(DataError, match=message) as caught:
        read_interactions(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"user": [1, None], "item": [1, 2]}), "user of row 1 is missing"),
        (pl.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1.0, float("nan")]}), "rating of row 1 is missing"),
        (pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [None, 3]}), "rating of row 0 is missing"),
        (pd.DataFrame({"user": ["a", None], "item": [1, 2]}), "user of row 1 is missing"),
        (pd.DataFrame({"user": [], "item": []}), "no rows"),
        ({"user": [1]}, "got dict"),
    ],
)
def test_bad_frames(frame, message):
    with pytest.raises(DataError, match=message):
        from_frame(frame)


def test_a_named_rating_column_has_to_be_there(tmp_path):
    path = write(tmp_path / "x.csv", "user,item,rating\n1,2,3\n")
    with pytest.raises(DataError, match="no column 'stars' among 'user', 'item', 'rating'"):
        read_interactions(path, rating="stars")


def test_bad_files(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_interactions(tmp_path / "x.csv")
    with pytest.raises(DataError, match=r"unknown kind of file '\.xlsx': give a file ending in \.csv, .* or say by format="):
        read_interactions(write(tmp_path / "x.xlsx", "user,item\n1,2\n"))
    with pytest.raises(DataError, match="can't be read as Parquet"):
        read_interactions(write(tmp_path / "x.parquet", "user,item\n1,2\n"))


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(TABLE.write_csv().encode() * 100)
    for name, content in {
        "cut": whole[: len(whole) // 2],
        "text": b"user,item\n",
        "bits": whole[:20] + b"\0" * 40,
    }.items():
        path = tmp_path / f"{name}.csv.gz"
        path.write_bytes(content)
        with pytest.raises(DataError, match="cut off or damaged"):
            read_interactions(path)


def test_without_polars(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(DataError, match=r'pip install "\.\[data\]"'):
        read_interactions(write(tmp_path / "x.csv", "user,item\n1,2\n"))
