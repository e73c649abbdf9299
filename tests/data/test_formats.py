"""How bytes become a table: separators, quotes, line ends, encodings, headers, packing."""

import contextlib
import gzip
import json
import zipfile

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax import DataError, DataWarning, from_frame, read_interactions
from ifru_jax.data.reading.columns import KNOWN, find_columns
from ifru_jax.data.reading.formats import read_table
from ifru_jax.data.reading.options import FrameOptions, Reading, ReadOptions, folded

PAIR = ("user", "item")


def read(tmp_path, text, name="x.csv", **options):
    """(user, item, label) of each row of a file with this text."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    data = read_interactions(path, **options)
    return list(zip(data.user_ids[data.users].tolist(), data.item_ids[data.items].tolist(), data.labels.tolist(), strict=True))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "::", " ", "||", "-->", "^", ".", "$", "\\t", "\x01"])
@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.log"])
def test_separators_of_any_length(tmp_path, separator, name):
    lines = [("user", "item", "rating"), ("ann", "7", "4"), ("bob", "9", "3")]
    text = "".join(separator.join(line) + "\n" for line in lines)
    options = {"format": "text"} if name == "x.log" else {}
    assert read(tmp_path, text, name, separator=separator, **options) == [("ann", 7, 4), ("bob", 9, 3)]
    if separator in (",", ";", "\t", "|", "::", " ") and (name != "x.csv" or separator not in ("::", " ")):
        assert read(tmp_path, text, name, **options) == [("ann", 7, 4), ("bob", 9, 3)]  # found


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("blank", ["", "\n", "  \n\n"])
def test_line_ends_and_blank_lines(tmp_path, end, last, blank):
    text = f"{blank}user,item\n{blank}a,1\n{blank}b,2{blank}" + "\n" * last
    assert read(tmp_path, text.replace("\n", end)) == [("a", 1, 1), ("b", 2, 1)]


def test_blank_lines_count_in_messages(tmp_path):
    with pytest.raises(DataError, match="user of line 7 is missing"):
        read(tmp_path, "\nuser,item\n\n\n1,2\n\n,3\n")
    with pytest.raises(DataError, match=r"line 6 has 3 cells where there are 2 columns \(2 such lines\)"):
        read(tmp_path, "user,item\n\n1,2\n\n\n1,2,3\n4\n")
    with pytest.raises(DataError, match="line 4 is no JSON"):
        read(tmp_path, '{"user": 1, "item": 2}\n\n\n{"user": 1\n', "x.jsonl")
    with pytest.raises(DataError, match="rating 'x' of line 4 is not a number"):
        read(tmp_path, '{"user": 1, "item": 2, "rating": 3}\n\n\n{"user": 1, "item": 3, "rating": "x"}\n', "x.jsonl")


def test_a_row_of_tabs_is_a_row(tmp_path):
    with pytest.raises(DataError, match="user of line 3 is missing"):
        read(tmp_path, "user\titem\n1\t2\n\t\n", "x.tsv")


def test_a_line_break_within_a_line(tmp_path):
    with pytest.raises(DataError, match=r"line 2 has a line break \(\\r\) in a cell"):
        read(tmp_path, "user,item\na\rb,1\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_encodings(tmp_path, encoding):
    content = "user,item\nZoë,1\n".encode(encoding)
    assert read(tmp_path, content, encoding=encoding) == [("Zoë", 1, 1)]
    if encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert read(tmp_path, content) == [("Zoë", 1, 1)]
        assert read(tmp_path, content, encoding="utf-8" if encoding != "utf-16" else None) == [("Zoë", 1, 1)]


def test_bad_encodings(tmp_path):
    with pytest.raises(DataError, match='byte 12 is not UTF-8: name the encoding, such as encoding="latin-1"'):
        read(tmp_path, "user,item\nZoë,1\n".encode("latin-1"))
    with pytest.raises(DataError, match="encoding is 'klingon', which Python doesn't know"):
        read(tmp_path, "user,item\n1,1\n", encoding="klingon")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('user,item\n"a, b",1\n"c ""d""",2\n', [("a, b", 1, 1), ('c "d"', 2, 1)]),
        ('"user","item"\n"a",1\n', [("a", 1, 1)]),
        ('user,item\n7" vinyl,1\na"b"c,2\n', [('7" vinyl', 1, 1), ('a"b"c', 2, 1)]),
        ('user;item;rating\n"a;b";1;4\n', [("a;b", 1, 4)]),
    ],
)
def test_quotes_in_csv(tmp_path, text, rows):
    assert read(tmp_path, text) == rows


@pytest.mark.parametrize(
    "text", ['user,item\n"a,1\nb,2\n', 'user,item\n"ab"c,1\n', 'user,item\na,1\nb,"2\n', 'user,item\n"a\n",1\n']
)
def test_quotes_that_open_a_cell_are_closed(tmp_path, text):
    with pytest.raises(DataError, match="has a quote that opens a cell and isn't closed before the separator"):
        read(tmp_path, text)


def test_quotes_elsewhere_are_characters(tmp_path):
    text = 'user\titem\n"a\t1\nb"\t2\n""\t3\n"c d"\t4\n"\t5\n'.replace('""\t3\n', "")
    expected = [('"a', 1, 1), ('b"', 2, 1), ("c d", 4, 1), ('"', 5, 1)]
    assert read(tmp_path, text, "x.tsv") == expected
    assert read(tmp_path, text.replace("\t", "::"), "x.dat") == expected


def test_headerless(tmp_path):
    assert read(tmp_path, "1,2\n3,4\n", columns=PAIR) == [(1, 2, 1), (3, 4, 1)]
    assert read(tmp_path, "x,1,2\ny,3,4\n", columns=(None, *PAIR)) == [(1, 2, 1), (3, 4, 1)]
    assert read(tmp_path, "1,2,5\n", columns=("who", "what", "how"), user="who", item="what", rating="how") == [(1, 2, 5)]
    with pytest.raises(DataError, match=r"line 1 has names .'userId', 'movieId'.: leave columns= out"):
        read(tmp_path, "userId,movieId\n1,2\n", columns=PAIR)
    with pytest.raises(DataError, match="line 1 has 3 cells where there are 2 columns"):
        read(tmp_path, "1,2,3\n", columns=PAIR)
    with pytest.raises(DataError, match=r"no column of '1', '2' is known to be the user: .* give columns="):
        read(tmp_path, "1,2\n3,4\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("[]", "the file is empty"),
        ("[1, 2]", "1 is no JSON object"),
        ('"user"\n', '"user" is no JSON object'),
        ('{"user": 1, "user": 2, "item": 3}', "line 1: the key 'user' comes twice"),
        ('{"user": 1}\n{"item": 3}', "user of line 2 is missing"),
        ("{'user': 1}", "line 1 is no JSON"),
        ('{"user": [1], "item": 2}', r"user id \[1\] of line 1 is a list"),
        ('{"user": true, "item": 2}', "user id True of line 1 is a bool"),
    ],
)
def test_bad_json(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, "x.json")


def test_json(tmp_path):
    rows = [
        {"user_id": 2**62 + 1, "asin": "é\n"[:1], "text": "a\nb\t"},
        {"asin": "b", "user_id": "5", "stars": 2.5, "n": {"x": [1]}},
    ]
    with pytest.raises(DataError, match="rating of line 1 is missing"):
        read(tmp_path, "\n".join(map(json.dumps, rows)), "x.jsonl")
    for text in ("\n".join(map(json.dumps, rows)), json.dumps(rows, indent=1)):
        assert read(tmp_path, text, "x.json", rating=None) == [(2**62 + 1, "é", 1), (5, "b", 1)]
    assert read(tmp_path, json.dumps(rows), "x.txt", rating=None) == [(2**62 + 1, "é", 1), (5, "b", 1)]


def test_adjacency(tmp_path):
    assert read(tmp_path, "0 5 6\n1\t5\n 2  7 \n", "x.txt", format="adjacency") == [(0, 5, 1), (0, 6, 1), (1, 5, 1), (2, 7, 1)]
    with pytest.warns(DataWarning, match="2 lines name a user without items"):
        assert read(tmp_path, "0 5\n1\n2\n", "x.txt", format="adjacency") == [(0, 5, 1)]


def test_packed_and_named_otherwise(tmp_path):
    table = pl.DataFrame({"user": [1], "item": ["a"]})
    table.write_parquet(tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    for name, packed in {"y.parquet.gz": gzip.compress(content), "y.dat": content, "y.bin": content}.items():
        options = {"format": "parquet"} if name == "y.bin" else {}
        assert read(tmp_path, packed, name, **options) == [(1, "a", 1)]
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("__MACOSX/._z.csv", "x")
        archive.writestr("folder/z.csv", "user,item\n1,a\n")
    assert read(tmp_path, (tmp_path / "z.zip").read_bytes(), "z.zip") == [(1, "a", 1)]
    with pytest.raises(DataError, match=r"y\.zip: the packed file is cut off or damaged"):
        read(tmp_path, b"no archive", "y.zip")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("z.doc", "user,item\n1,a\n")
    with pytest.raises(DataError, match=r"unknown kind of file '\.doc'"):
        read_interactions(tmp_path / "z.zip")


def test_a_folder_is_read_as_one_table(tmp_path):
    for year in (2020, 2021):
        (tmp_path / "data" / f"timestamp={year}0101").mkdir(parents=True)
        table = pl.DataFrame({"user": [year], "item": [1 if year == 2020 else "x"]}, strict=False)
        table.write_parquet(tmp_path / "data" / f"timestamp={year}0101" / "part.parquet")
    (tmp_path / "one" / "user=7").mkdir(parents=True)
    (tmp_path / "one" / "user=7" / "x.csv").write_text("item\n1\n2\n")
    assert read_interactions(tmp_path / "one").user_ids.tolist() == [7]
    with pytest.warns(DataWarning, match="read as days"):
        data = read_interactions(tmp_path / "data")
    assert data.user_ids.tolist() == [2020, 2021]
    assert data.item_ids.tolist() == ["1", "x"]
    assert data.timestamps.tolist() == [1577836800, 1609459200]


def test_options_are_what_they_say():
    assert list(Reading.__annotations__) == list(FrameOptions.__annotations__) + list(ReadOptions.__annotations__)[8:]
    for name, kind in (FrameOptions.__annotations__ | ReadOptions.__annotations__).items():
        assert Reading.__annotations__[name] == kind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xml"}, "format is 'xml': give one of None, csv, tsv"),
        ({"decimal": ";"}, "decimal is ';': give one of"),
        ({"duplicates": "first"}, "duplicates is 'first': give one of latest, last"),
        ({"separator": ""}, "separator is '': give one or more characters"),
        ({"separator": '"'}, "give one or more characters, no quotes"),
        ({"columns": "user"}, "columns is 'user': give a tuple"),
        ({"missing": "NULL"}, "missing is 'NULL': give a tuple"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, "user,item\n1,2\n", **options)


def test_options_of_files_are_not_for_frames():
    with pytest.raises(DataError, match="'columns', 'separator' is for files"):
        from_frame(pl.DataFrame({"user": [1], "item": [2]}), separator=",", columns=PAIR)


@given(st.sampled_from([(kind, name) for kind, groups in KNOWN.items() for group in groups for name in group]), st.randoms())
def test_known_names_answer_in_any_spelling(known, random):
    kind, name = known
    spelled = "".join(random.choice([sign.lower(), sign.upper()]) + random.choice(["", "_", "-", " "]) for sign in name)
    assert folded(spelled) == name
    assert vars(find_columns(["x", spelled], Reading()))[kind] == 1


def test_names_of_frames_may_be_numbers():
    data = from_frame(pd.DataFrame([[7, 8, 4.0]]), user=0, item=1, rating=2)  # pyright: ignore[reportArgumentType]
    assert (data.user_ids.tolist(), data.item_ids.tolist(), data.labels.tolist()) == ([7], [8], [4])


def test_a_name_that_is_given_answers_before_others(tmp_path):
    text = "user,userId,item,buyer_id\n1,2,3,4\n"
    assert read(tmp_path, text, rating=None) == [(1, 3, 1)]
    for wanted, expected in {"userId": 2, "USERID": 2, "user_id": 2, "buyer": 4, "BuyerID": 4}.items():
        assert read(tmp_path, text, user=wanted, rating=None) == [(expected, 3, 1)]
    with pytest.raises(
        DataError, match="there is no column 'who' among 'user', 'userId', 'item', 'buyer_id': name one of these by user="
    ):
        read(tmp_path, text, user="who")
    with pytest.raises(DataError, match="several columns may be the item: 'movie_id', 'book_id'; choose one by item="):
        read(tmp_path, "user,movie_id,book_id\n1,2,3\n")


@given(st.binary(max_size=200))
def test_noise_is_refused_in_our_words(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("noise")
    for name in ("x.csv", "x.tsv", "x.txt", "x.jsonl", "x.parquet", "x.gz", "x.csv.xz", "x.zip"):
        (folder / name).write_bytes(content)
        with contextlib.suppress(DataError):  # and nothing else
            read_table(folder / name, Reading())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"user,item\n1,2\n"), r"is packed by gzip: let its name end in \.gz"),
        (b"PK\x03\x04\x14\0", "is a ZIP archive, or a spreadsheet"),
        (b"PAR1\x15\x04", "is Parquet"),
        ("user,item\n1,2\n".encode("utf-16-le"), 'half of its characters are zero: .*encoding="utf-16-le"'),
        ("user,item\n1,2\n".encode("utf-32-be"), "half of its characters are zero"),
    ],
)
def test_what_is_no_text_is_called_what_it_is(tmp_path, content, message):
    for name in ("x.csv", "x.jsonl", "x.inter"):
        with pytest.raises(DataError, match=message):
            read(tmp_path, content, name)
    with pytest.raises(DataError, match=message):  # nor is it, by an encoding that has a sign for every byte
        read(tmp_path, content, encoding="latin-1")


def test_marks_of_wide_characters(tmp_path):
    for encoding in ("utf-16", "utf-32"):
        assert read(tmp_path, "user,item\nZoë,1\n".encode(encoding)) == [("Zoë", 1, 1)]


@pytest.mark.parametrize(
    ("name", "text", "line", "options"),
    [
        ("x.csv", "user,item\nann,1\nuser,item\nbob,2\n", 3, {}),
        ("x.csv", "\ufeffuserId,movieId\nann,1\n\n\ufeffuserId,movieId\nbob,2\n", 4, {}),
        ("x.tsv", '"user"\t"item"\n1\t2\n"user"\t"item"\n', 3, {}),
        ("x.inter", "user_id:token\titem_id:token\n1\t2\nuser_id:token\titem_id:token\n", 3, {}),
        ("x.csv", "ann,1\nuserId,movieId\nbob,2\n", 2, {"columns": PAIR}),
        ("x.csv", "who,what\nann,1\nwho,what\n", 3, {"user": "who", "item": "what"}),
    ],
)
def test_names_further_down_are_no_user(tmp_path, name, text, line, options):
    with pytest.raises(DataError, match=rf"line {line} names the columns once more \(1 such\)"):
        read(tmp_path, text, name, **options)


def test_an_index_is_no_column():
    frame = pd.DataFrame({"item": [1, 2]}, index=pd.Index([7, 8], name="user"))
    with pytest.raises(DataError, match=r"no column of 'item' is known to be the user: .*frame\.reset_index\(\) makes it one\.$"):
        from_frame(frame)
    assert from_frame(frame.reset_index()).user_ids.tolist() == [7, 8]


def test_names_of_columns_may_be_ids(tmp_path):
    assert read(tmp_path, "user,item\nuser,1\nann,item\n") == [("user", "1", 1), ("ann", "item", 1)]
    with pytest.raises(DataError, match="row 1 names the columns once more"):
        from_frame(pd.DataFrame({"user": ["a", "user"], "item": ["1", "item"]}))
