"""Small files in the form of those that people of the field have, read to the right rows or refused by name."""

import bz2
import gzip
import lzma
import re
import warnings
import zipfile
from pathlib import Path

import pytest

from ifru_jax import DataError, DataWarning, read_interactions
from ifru_jax.data.reading.columns import KNOWN
from ifru_jax.data.reading.files import PACKED

FILES = Path(__file__).parent / "real_files"
FOUR = ("user", "item", "rating", "timestamp")
ONE = 1.0  # the label of implicit data


def rows_of(data):
    """(user, item, label, time) of each interaction; without times three of them."""
    columns = [data.user_ids[data.users].tolist(), data.item_ids[data.items].tolist(), data.labels.tolist()]
    return list(zip(*columns, *([] if data.timestamps is None else [data.timestamps.tolist()]), strict=True))


# File, options, rows, and words of the warnings in their order.
READ = {
    "u.data": ({"columns": FOUR}, [(196, 242, 3, 881250949), (186, 302, 3, 891717742), (196, 377, 1, 878887116)], []),
    "u.data.gz": ({"columns": FOUR}, [(196, 242, 3, 881250949), (186, 302, 3, 891717742), (196, 377, 1, 878887116)], []),
    "ratings.dat": ({"columns": FOUR}, [(1, 1193, 5, 978300760), (1, 661, 3, 978302109), (2, 1193, 4, 978298413)], []),
    "ratings.csv": ({}, [(1, 31, 2.5, 1260759144), (1, 1029, 3, 1260759179), (7, 31, 4, 851868750)], []),
    "cure4rec.csv": ({}, [(0, 0, 1), (0, 6, 1), (18, 44, 1), (18, 47, 1), (2, 44, 1)], []),
    "ml-latest.zip": ({}, [(1, 31, 2.5, 1260759144), (1, 1029, 3, 1260759179), (7, 31, 4, 851868750)], []),
    "BX-Book-Ratings.csv": (
        {"encoding": "latin-1", "unrated": 0},
        [(276726, "0155061224", 5), (276729, "052165615X", 3), (276729, "0521795028", 6), (276733, "2080674722 é", 10)],
        ["2 of 6 rows have the rating 0 and were dropped"],
    ),
    "ratings_Books.csv": (
        {"columns": FOUR},
        [
            ("A2CX7LUOHB2NDG", "0321732944", 5, 1341100800),
            ("A2NWSAGRHCP8N5", "0439886341", 1, 1367193600),
            ("A2CX7LUOHB2NDG", "0439886341", 3, 1374451200),
        ],
        [],
    ),
    "Books_5.json": ({}, [("A1", "0001713353", 5, 1108080000), ("A2", "0001713353", 2, 1108166400)], []),
    "Books_5.json.gz": ({}, [("A1", "0001713353", 5, 1108080000), ("A2", "0001713353", 2, 1108166400)], []),
    "Books.jsonl": (
        {},
        [("AG7", "B1", 4, 1446304000), ("AG7", "B2", 1, 1446304001.5)],
        ["reach 1.4463e.12: they were read as milliseconds"],
    ),
    "yelp_academic_dataset_review.json": (
        {},
        [
            ("mh_-eMZ6K5RLWhZyISBhwA", "XQfwVwDr-v0ZS3_CbbE5Xw", 3, 1531001351),
            ("OyoGAe7OKpv6SyGZT5g77Q", "XQfwVwDr-v0ZS3_CbbE5Xw", 5, 1325604498),
        ],
        [],
    ),
    "goodreads_interactions.csv": (
        {"unrated": 0},
        [(0, 948, 5), (0, 946, 4), (1, 948, 3)],
        ["7 of 10 rows have the rating 0 and were dropped"],
    ),
    "rating_anime.csv": (
        {},
        [(1, 20, -1), (1, 24, 7), (2, 20, 8), (2, 24, 9), (3, 79, 10)],
        ["1 of 5 ratings are -1, .* drop these rows by unrated=-1"],
    ),
    "user_artists.dat": ({}, [(2, 51, 13883), (2, 52, 11690), (3, 51, 11351)], []),
    "train.txt": (
        {"format": "adjacency"},
        [(0, 0, ONE), (0, 1, ONE), (0, 2, ONE), (1, 7, ONE), (3, 1, ONE), (3, 0, ONE)],
        ["1 lines name a user without items"],
    ),
    "ml-100k.inter": ({}, [(196, 242, 3, 881250949), (186, 302, 3, 891717742)], []),
    "ml-100k.inter.gz": ({}, [(196, 242, 3, 881250949), (186, 302, 3, 891717742)], []),
    "ctr.inter": ({}, [(1, 5, 1), (1, 6, 0), (2, 5, 0)], []),
    "quote.inter": ({}, [("ann", '"a', 3), ("bob", "b", 4), ("cyd", 'c"', 5), ("dan", "d", 1)], []),
    "quoted.tsv": ({}, [("ann", 'say "hi"', 3), ("bob", '7" vinyl', 4)], []),
    "titles.csv": ({}, [("ann", "a", 3), ("bob", "b", 4)], []),
    "steam-200k.csv": (
        {"columns": ("user", "item", None, None, None)},
        [
            (151603712, "The Elder Scrolls V Skyrim", ONE),
            (151603712, "Fallout 4", ONE),
            (59945701, "Fallout 4", ONE),
        ],
        ["1 of 4 rows repeat a user and item"],
    ),
    "events.csv": (
        {},
        [(992329, 248676, ONE, 1433224214.164), (257597, 355908, ONE, 1433223236.124)],
        ["read as milliseconds", "'event', 'transactionid' were ignored", "1 of 3 rows repeat .* with the latest time"],
    ),
    "2019-Oct.csv": (
        {"rating": None},
        [(541312140, 44600062, ONE, 1569888000), (554748717, 3900821, ONE, 1569888001)],
        [],
    ),
    "UserBehavior.csv": (
        {"columns": ("user", "item", None, "behavior", "timestamp")},
        [(1, 2268318, ONE, 1511544070), (1, 2333346, ONE, 1511561733), (2, 2268318, ONE, 1511572885)],
        ["every label is 1; 'behavior' were ignored"],
    ),
    "filmtrust.txt": ({"columns": FOUR[:3]}, [(1, 1, 2), (1, 2, 4), (2, 1, 3.5)], []),
    "Gowalla_totalCheckins.txt": (
        {"columns": ("user", "time", None, None, "item")},
        [(0, 22847, ONE, 1287532527), (0, 420315, ONE, 1287440263), (1, 22847, ONE, 1287358923)],
        [],
    ),
    "european.csv": ({"user": "nutzer", "decimal": ","}, [(1, 10, 4.5, 1580428800), (2, 10, 3, 1580515200)], []),
    "old_mac.csv": ({}, [(1, 2, 3), (1, 3, 4), (2, 2, 5)], []),
    "pandas.csv": ({}, [(1, 10, 4), (2, 10, 3), (2, 11, 5)], []),
    "newest_first.csv": ({}, [(1, 5, 2, 300), (2, 5, 1, 50)], ["1 of 3 rows repeat .* with the latest time"]),
    "iso.csv": ({}, [(1, 5, ONE, 0), (1, 6, ONE, 0.25), (2, 5, ONE, 86400), (2, 6, ONE, 10)], []),
    "watch.csv": (
        {},
        [(14, 148, ONE), (14, 183, ONE)],
        ["no column is known to be the rating, so every label is 1; 'play_duration', 'watch_ratio' were ignored"],
    ),
    "plays.csv": ({}, [(1, 5, 3), (1, 6, 1), (2, 5, 8)], []),
    "headerless.csv": ({"columns": FOUR}, [(196, 242, 3, 881250949), (186, 302, 3, 891717742)], []),
    "spark.parquet": ({}, [(1, "a", 4), (2, "a", 3), (1, "b", 1)], []),
}

REFUSED = {
    "BX-Book-Ratings.csv": ({}, "byte 188 is not UTF-8: name the encoding"),
    "train.txt": ({}, 'no separator is in all lines equally often: .* format="adjacency"'),
    "swallowed.csv": ({}, "line 2 has a quote that opens a cell and isn't closed"),
    "steam-200k.csv": (
        {"columns": ("user", "item", "behavior", "rating", None)},
        "user 151603712 with item The Elder Scrolls V Skyrim are of the kinds 'purchase' and 'play' in the column 'behavior'",
    ),
    "combined_data_1.txt": ({"columns": FOUR[:3]}, "no separator is in all lines equally often"),
    "european.csv": ({"user": "nutzer", "separator": ";"}, "rating '4,5' of line 2 is not a number .*decimal=\",\""),
    "excel_isbn.csv": ({}, r"item id '9.78E\+12' of line 2 is a number that lost its last digits \(2 such\)"),
    "null_users.csv": ({}, r"user of line 3 is missing \(2 such; it reads 'NULL'\)"),
    "headerless.csv": ({}, "no column of '196', .* for a file without names in its first line give columns="),
    "ratings.csv": ({"columns": FOUR}, "line 1 has names .* leave columns= out"),
    "u.data": ({"columns": FOUR[:3]}, "line 1 has 4 cells where there are 3 columns"),
    "broken.parquet": ({}, "can't be read as Parquet"),
    "two.zip": ({}, r"has 2 files in it \(ratings.csv, movies.csv\): unpack the one to read"),
    "ratings.xlsx": ({}, "unknown kind of file '.xlsx'"),
    "ratings.pkl": ({}, "unknown kind of file '.pkl'"),
}


def test_every_file_is_read_or_refused():
    assert {path.name for path in FILES.iterdir()} == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", READ)
def test_read(name):
    options, rows, told = READ[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = read_interactions(FILES / name, **options)
    assert rows_of(data) == rows
    assert len(caught) == len(told)
    for warning, words in zip(caught, told, strict=True):
        assert issubclass(warning.category, DataWarning)
        assert warning.filename == __file__
        assert re.search(words, str(warning.message))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    options, words = REFUSED[name]
    with pytest.raises(DataError, match=words) as caught:
        read_interactions(FILES / name, **options)
    assert str(FILES / name) in str(caught.value)


@pytest.mark.parametrize("suffix", [*PACKED, ".zip"])
@pytest.mark.parametrize("name", [name for name in READ if (FILES / name).is_file() and Path(name).suffix not in (".gz", ".zip")])
@pytest.mark.filterwarnings("ignore::ifru_jax.DataWarning")
def test_packed_is_the_same(tmp_path, name, suffix):
    content, path = (FILES / name).read_bytes(), tmp_path / (name + suffix)
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
    else:
        path.write_bytes({".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix].compress(content))
    options, rows, _ = READ[name]
    assert rows_of(read_interactions(path, **options)) == rows


def test_a_file_of_a_folder_that_cannot_be_read_is_named(tmp_path):
    whole = next(FILES.rglob("part-00000.parquet"))
    for name, file in {"a": whole, "b": FILES / "broken.parquet", "c": whole}.items():
        (tmp_path / f"{name}.parquet").write_bytes(file.read_bytes())
    with pytest.raises(DataError, match=r"b\.parquet: can't be read as Parquet"):
        read_interactions(tmp_path)


def test_files_of_a_folder_have_the_same_columns(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,2\n")
    (tmp_path / "b.csv").write_text("user,item,rating\n1,3,5\n")
    with pytest.raises(DataError, match=r"b\.csv: has the columns 'user', 'item', 'rating', but .*a\.csv has 'user', 'item'"):
        read_interactions(tmp_path)
    with pytest.raises(DataError, match="there is no file in this folder"):
        read_interactions((tmp_path / "empty").mkdir() or tmp_path / "empty")


PAGE = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.filterwarnings("ignore::ifru_jax.DataWarning")
def test_every_call_of_the_page_reads_its_file(monkeypatch):
    monkeypatch.chdir(FILES)
    calls = re.findall(r"\| `(read_interactions\(.*?\))` \|", PAGE.read_text())
    assert len(calls) > 12
    for call in calls:
        name = re.search('"(.*?)"', call)[1]
        assert rows_of(eval(call, {"read_interactions": read_interactions})) == READ[name][1]


def test_every_known_name_is_on_the_page():
    for kind, groups in KNOWN.items():
        row = re.search(rf"^\| {kind} \| (.*) \|$", PAGE.read_text(), re.MULTILINE)[1]
        assert [tuple(re.findall("`(.*?)`", group)) for group in row.split("; ")] == list(groups)
