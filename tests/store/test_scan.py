"""People are found in whatever files hold them, and not where a number means something else."""

import bz2
import gzip
import json
import lzma
import sqlite3
import zipfile

import numpy as np
import polars as pl
import pytest

import ifru_jax
from ifru_jax import DataError
from ifru_jax.store import Asked, scan
from tests.store.conftest import STEP

CSV = "user,item,rating\n7,ring,42\n42,rope,3\n"


def table(path, cells):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE people (user_id TEXT, visits INTEGER)")
    connection.executemany("INSERT INTO people VALUES (?, ?)", cells)
    connection.commit()
    connection.close()


def write_safetensors(path, name, values):
    raw = values.tobytes()
    header = json.dumps({name: {"dtype": "F32", "shape": list(values.shape), "data_offsets": [0, len(raw)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + raw)


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in/a.csv", CSV)


WRITERS = {
    "a.csv": lambda path: path.write_text(CSV),
    "a.tsv": lambda path: path.write_text(CSV.replace(",", "\t")),
    "a.inter": lambda path: path.write_text("user_id:token\titem_id:token\n42\trope\n"),
    "a.csv.gz": lambda path: path.write_bytes(gzip.compress(CSV.encode())),
    "a.csv.bz2": lambda path: path.write_bytes(bz2.compress(CSV.encode())),
    "a.csv.xz": lambda path: path.write_bytes(lzma.compress(CSV.encode())),
    "a.zip": zipped,
    "a.jsonl": lambda path: path.write_text('{"visits": 1, "userId": 7}\n{"userId": 42, "visits": 3}\n'),
    "a.log": lambda path: path.write_text("GET /lists\nGET /lists/42 200\n"),
    "a.parquet": lambda path: pl.DataFrame({"user": [7, 42], "n": [42, 42]}).write_parquet(path),
    "a.sqlite": lambda path: table(path, [("7", 42), ("42", 1)]),
    "a.npz": lambda path: np.savez(path, user_ids=np.array([7, 42]), item_ids=np.array(["rope"])),
    "a.npy": lambda path: np.save(path, np.array(["7", "42"])),
}
NOBODY = {
    "b.csv": lambda path: path.write_text("user,item,rating\n7,42,42\n"),
    "b.jsonl": lambda path: path.write_text('{"userId": 7, "visits": 42, "note": "142 and 42.5 and 4-42"}\n'),
    "b.log": lambda path: path.write_text("took 42.5 ms, 1429, x42, 42-7\n"),
    "b.sqlite": lambda path: table(path, [("7", 1), ("421", 2)]),
    "b.npz": lambda path: np.savez(path, user_ids=np.array([7, 421]), weights=np.full((3, 2), 42.0)),
    "c.npz": lambda path: np.savez(path, item_ids=np.array([42])),
    "b.parquet": lambda path: pl.DataFrame({"user": [7, 421]}).write_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_somebody_is_found(tmp_path, name):
    WRITERS[name](tmp_path / name)
    found = scan([tmp_path], Asked(users=[42]))
    assert [(one.file, one.what) for one in found.findings] == [(str(tmp_path / name), "user 42")]
    assert found.findings[0].where
    assert not found.unread


@pytest.mark.parametrize("name", NOBODY)
def test_a_number_that_means_something_else_is_nobody(tmp_path, name):
    NOBODY[name](tmp_path / name)
    assert scan([tmp_path], Asked(users=[42])).findings == ()


def test_words_of_texts_can_be_left_out(tmp_path):
    for name in ("a.log", "a.csv"):
        WRITERS[name](tmp_path / name)
    assert [one.file for one in scan([tmp_path], Asked(users=["42"]), text=False).findings] == [str(tmp_path / "a.csv")]


def test_names_are_found_in_bytes_of_any_kind(tmp_path):
    (tmp_path / "page.bin").write_bytes(b"\0\1\2 margaret \0")
    (tmp_path / "array.bin").write_bytes(b"\0\1" + "margaret".encode("utf-32-le"))
    assert len(scan([tmp_path], Asked(users=["margaret"])).findings) == 2


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_vector_of_a_row_is_found_wherever_it_stands(tmp_path, trained, suffix):
    ifru_jax.save(trained, tmp_path / "old.npz")
    data = trained.interactions
    table = np.asarray(trained.params["user_embedding"])
    row = int(data.user_index([103])[0])
    (tmp_path / "files").mkdir()
    for name, values in (("with", np.roll(table, 3, axis=0)), ("without", np.delete(table, row, axis=0))):
        path = tmp_path / "files" / f"{name}{suffix}"
        np.savez(path, w=values) if suffix == ".npz" else write_safetensors(path, "w", values)
    found = scan([tmp_path / "files"], Asked(users=[103]), model=tmp_path / "old.npz")
    assert [one.file for one in found.findings] == [str(tmp_path / "files" / f"with{suffix}")]
    assert found.findings[0].what == "the vector of user 103 (user_embedding)"
    assert f"row {(row + 3) % len(table)}" in found.findings[0].where


def test_after_the_grace_period_nobody_is_in_the_store(tmp_path, forgiving, key, monkeypatch):
    """Neither their id nor their vector; while it lasts, in the sealed state alone."""
    from ifru_jax.store import Store, moments

    ifru_jax.save(forgiving.model, tmp_path / "old.npz")
    asked = Asked(users=[103])
    forgiving.forget(asked)
    sealed = scan([forgiving.folder], asked, model=tmp_path / "old.npz")
    assert {one.what for one in sealed.findings} == {"user 103", "the vector of user 103 (user_embedding)"}
    assert len({one.file for one in sealed.findings}) == 1
    forgiving.close()
    later = moments.now() + 31 * 86400
    monkeypatch.setattr(moments, "now", lambda: later)
    Store.open(forgiving.folder, key=key, config=STEP).close()
    assert scan([forgiving.folder], asked, model=tmp_path / "old.npz").findings == ()


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(CSV.encode())[:-10])
    (tmp_path / "a.csv").write_text(CSV)
    found = scan([tmp_path], Asked(users=[42]))
    assert list(found.unread) == [str(tmp_path / "cut.gz")]
    assert (len(found.findings), found.files) == (1, 2)


@pytest.mark.parametrize(
    ("asked", "options", "message"),
    [
        (Asked(), {}, "nobody to look for"),
        (Asked(users=[1]), {"paths": ["nowhere"]}, "there is no nowhere"),
        (Asked(users=[9999]), {"model": "old.npz"}, r"user 9999 is not in .*old\.npz"),
    ],
)
def test_what_cannot_be_asked_is_refused(tmp_path, trained, asked, options, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ifru_jax.save(trained, tmp_path / "old.npz")
    with pytest.raises(DataError, match=message):
        scan(**({"paths": [tmp_path], "asked": asked} | options))
