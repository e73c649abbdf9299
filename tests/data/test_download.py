import functools
import gzip
import hashlib
import http.server
import io
import sys
import threading
import zipfile

import pytest

from ifru_jax.data.download import (
    SOURCES,
    Source,
    fetch,
    parse_adjacency,
    parse_ml_1m,
    parse_ml_100k,
    read_member,
)
from ifru_jax.errors import DataError


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """(folder, URL) of a server on this machine."""
    folder = tmp_path / "published"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def archive(**members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        for name, text in members.items():
            files.writestr(name, text)
    return content.getvalue()


def publish(folder, content, **fields):
    """Puts content on the server and describes it."""
    (folder / "raw.bin").write_bytes(content)
    return Source("http://publisher.invalid", "raw.bin", **fields)


def md5(content):
    return "md5:" + hashlib.md5(content).hexdigest()


ML_100K = archive(**{"ml-100k/u.data": "196\t242\t3\t881250949\n186\t302\t3\t891717742\n", "ml-100k/README": "hi"})
ML_100K_CSV = b"user,item,rating,timestamp\n196,242,3,881250949\n186,302,3,891717742\n"


def test_download_is_parsed_and_cached(server, tmp_path):
    folder, url = server
    source = publish(folder, ML_100K, parse=parse_ml_100k, checksum=md5(ML_100K))
    cache = tmp_path / "deep" / "cache"
    path = fetch("ml-100k", base_url=url + "/", cache=cache, source=source)
    assert gzip.decompress(path.read_bytes()) == ML_100K_CSV
    assert list(cache.iterdir()) == [path]  # no raw file, no temporary folder
    (folder / "raw.bin").unlink()
    assert fetch("ml-100k", base_url=url, cache=cache, source=source) == path


def test_the_base_url_comes_from_the_environment(server, tmp_path, monkeypatch):
    folder, url = server
    source = publish(folder, ML_100K, parse=parse_ml_100k, checksum=md5(ML_100K))
    monkeypatch.setenv("IFRU_JAX_BASE_URL", url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = fetch("ml-100k", source=source)
    assert path.name == "ml-100k.csv.gz"
    assert tmp_path / "cache" in path.parents or sys.platform != "linux"


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        (ML_100K, {"checksum": "md5:00"}, "hash of downloaded file .* put ml-100k.csv.gz .* IFRU_JAX_DATA"),
        (ML_100K, {"csv_sha256": "00"}, "expected 00: the file was changed or cut off"),
        (b"no archive", {}, "the archive is damaged"),
        (ML_100K[:60], {}, "the archive is damaged"),
        (archive(other="1"), {}, "has no member 'ml-100k/u.data'"),
        (archive(**{"ml-100k/u.data": "1", "../evil": "2"}), {}, r"member '\.\./evil' points outside"),
    ],
    ids=["checksum", "csv checksum", "no archive", "cut off", "other archive", "unsafe archive"],
)
def test_a_bad_file_leaves_the_cache_as_it_was(server, tmp_path, content, fields, message):
    folder, url = server
    source = publish(folder, content, parse=parse_ml_100k, **fields)
    with pytest.raises(DataError, match=message):
        fetch("ml-100k", base_url=url, cache=tmp_path / "cache", source=source)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_real_sources_are_checked(server, tmp_path):
    folder, url = server
    (folder / "ml-1m.zip").write_bytes(ML_100K)
    (folder / "train.txt").write_bytes(b"0 1 2\n")
    for name in ("ml-1m", "gowalla-train"):
        assert SOURCES[name].checksum or SOURCES[name].csv_sha256
        with pytest.raises(DataError, match=r"hash|SHA-256"):
            fetch(name, base_url=url, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_connection(server, tmp_path):
    _, url = server
    for base_url in (url, "http://127.0.0.1:1", "nonsense://x", "nonsense"):  # 404, refused, no such protocol, no URL
        with pytest.raises(DataError, match=r"can't be downloaded .* put ml-1m.csv.gz .* IFRU_JAX_DATA"):
            fetch("ml-1m", base_url=base_url, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the cache can't be written"):
        fetch("ml-1m", cache=tmp_path / "file")


def test_without_pooch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match="downloads need pooch: pip install"):
        fetch("ml-1m", cache=tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..\\x", "C:\\x", "\\x", "C:x", "a/.."])
def test_members_outside_the_folder_are_refused(tmp_path, name):
    path = tmp_path / "x.zip"
    path.write_bytes(archive(**{"good": "1", name: "2"}))
    with pytest.raises(DataError, match="points outside its folder"):
        read_member(path, "good")
    assert list(tmp_path.iterdir()) == [path]


def test_harmless_names_are_not_refused(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(archive(**{"a/b..c": "1", "a/.hidden": "2"}))
    assert read_member(path, "a/b..c") == b"1"


def test_parsers(tmp_path):
    path = tmp_path / "raw"
    path.write_bytes(archive(**{"ml-1m/ratings.dat": "1::1193::5::978300760\n"}))
    assert parse_ml_1m(path) == b"user,item,rating,timestamp\n1,1193,5,978300760\n"
    path.write_bytes(b"1 7 3 \r\n2\n\n0 5")
    assert parse_adjacency(path) == b"user,item,rating\n0,5,1\n1,3,1\n1,7,1\n"
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match="more than numbers"):
        parse_adjacency(path)


@pytest.mark.parametrize("name", ["gowalla-train", "gowalla-test"])
def test_the_hash_of_gowalla_is_that_of_the_lightgcn_split(shared_data, tmp_path, name):
    import polars as pl

    source = shared_data / f"{name}.csv.gz"
    lines = pl.read_csv(source).group_by("user", maintain_order=True).agg("item").iter_rows()
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(f"{user} {' '.join(map(str, items))}\n" for user, items in lines))
    assert hashlib.sha256(parse_adjacency(raw)).hexdigest() == SOURCES[name].csv_sha256
