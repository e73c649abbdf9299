"""Downloads data sets from their publishers into a cache, as `NAME.csv.gz`.

Download, checksum and parsing happen in a temporary folder inside the cache. Only the finished file comes into place, so
that the cache never holds a part of one. MovieLens archives are checked by the MD5 published with them. The text files of
Gowalla come without a checksum: what is checked is our canonical CSV of them (rows sorted by user and item), whose SHA-256
was computed from a copy of the LightGCN split.
"""

import contextlib
import gzip
import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ifru_jax.data.extras import needed
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic

BASE_URL_VARIABLE = "IFRU_JAX_BASE_URL"
_TIMEOUT = 30.0  # seconds without an answer


@dataclass(frozen=True)
class Source:
    """A file at a publisher.

    Attributes:
      base_url: folder of the file, without a slash at the end.
      file: its name.
      parse: makes CSV (with a header) of the downloaded file.
      checksum: "md5:…" or "sha256:…" of the downloaded file, or None.
      csv_sha256: SHA-256 of the parsed CSV, or None.
    """

    base_url: str
    file: str
    parse: Callable[[Path], bytes]
    checksum: str | None = None
    csv_sha256: str | None = None


def fetch(name: str, *, base_url: str | None = None, cache: Path | None = None, source: Source | None = None) -> Path:
    """The path of the cached CSV.GZ of a data set; downloads it when it isn't there.

    Args:
      name: one of SOURCES.
      base_url: folder to download from instead of the publisher's; by default the variable IFRU_JAX_BASE_URL.
      cache: folder of the cache; by default pooch's for ifru_jax.
      source: instead of SOURCES[name].

    Raises:
      DataError: no connection, a wrong checksum, an archive that is damaged or names members outside its folder, a
        cache that can't be written, or pooch is not installed. The cache is then as it was before.
    """
    pooch = needed("pooch", "downloads need pooch")
    source = source or SOURCES[name]
    base_url = (base_url or os.environ.get(BASE_URL_VARIABLE) or source.base_url).rstrip("/")
    cache = Path(pooch.os_cache("ifru_jax")) if cache is None else cache
    path = cache / f"{name}.csv.gz"
    if path.is_file():
        return path
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f"{name}-") as folder:
            raw = _download(pooch, f"{base_url}/{source.file}", source.checksum, Path(folder), name)
            content = source.parse(raw)
            found = hashlib.sha256(content).hexdigest()
            if source.csv_sha256 is not None and found != source.csv_sha256:
                raise DataError(
                    f"{base_url}/{source.file}: the interactions have SHA-256 {found}, expected {source.csv_sha256}: "
                    "the file was changed or cut off; download it again, or from another base URL."
                )
            write_atomic(path, gzip.compress(content, mtime=0))
    except OSError as error:
        raise DataError(f"{cache}: the cache can't be written ({error}): {where_to_put(name)}.") from error
    return path


def where_to_put(name: str) -> str:
    """What to do when a data set can't be downloaded."""
    return f"put {name}.csv.gz (header user,item,rating[,timestamp]) into a folder and set IFRU_JAX_DATA to that folder"


def read_member(archive: Path, member: str) -> bytes:
    """The content of one member of a ZIP archive; nothing is written.

    Raises:
      DataError: a member with an absolute path or with "..", a damaged archive, or no such member.
    """
    try:
        with zipfile.ZipFile(archive) as files:
            unsafe = [name for name in files.namelist() if _leaves_folder(name)]
            if unsafe:
                raise DataError(f"{archive.name}: member {unsafe[0]!r} points outside its folder: don't use this file.")
            return files.read(member)
    except KeyError as error:
        raise DataError(f"{archive.name}: has no member {member!r}: check the base URL.") from error
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive.name}: the archive is damaged ({error}): download it again.") from error


def parse_ml_100k(archive: Path) -> bytes:
    """user, item, rating, timestamp, separated by tabs."""
    return b"user,item,rating,timestamp\n" + read_member(archive, "ml-100k/u.data").replace(b"\t", b",")


def parse_ml_1m(archive: Path) -> bytes:
    """user::item::rating::timestamp."""
    return b"user,item,rating,timestamp\n" + read_member(archive, "ml-1m/ratings.dat").replace(b"::", b",")


def parse_adjacency(path: Path) -> bytes:
    """A user and the user's items per line, separated by blanks; rows come out sorted."""
    try:
        lines = [[int(field) for field in line.split()] for line in path.read_bytes().splitlines()]
    except ValueError as error:
        raise DataError(f"{path.name}: a line has more than numbers ({error}): check the base URL.") from error
    pairs = sorted((line[0], item) for line in lines if line for item in line[1:])
    return b"user,item,rating\n" + b"".join(b"%d,%d,1\n" % pair for pair in pairs)


def _leaves_folder(name: str) -> bool:
    windows = PureWindowsPath(name)  # takes both kinds of slashes
    return ".." in windows.parts or bool(windows.drive or windows.root) or PurePosixPath(name).is_absolute()


def _download(pooch: Any, url: str, checksum: str | None, folder: Path, name: str) -> Path:
    from rich.console import Console

    try:
        with _quiet(pooch.get_logger()), Console(stderr=True).status(f"downloading {name}"):
            downloader = pooch.HTTPDownloader(timeout=_TIMEOUT)
            return Path(pooch.retrieve(url, checksum, fname="raw", path=folder, downloader=downloader))
    except OSError as error:  # what requests raises is one
        raise DataError(f"{url}: can't be downloaded ({error}): check the connection, or {where_to_put(name)}.") from error
    except ValueError as error:  # pooch's word for a wrong checksum
        raise DataError(f"{url}: {error} The file was dropped: try again later, or {where_to_put(name)}.") from error


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """pooch proposes to put the hash into the code when there is no checksum, which is no advice for a user."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_LIGHTGCN = "https://raw.githubusercontent.com/kuandeng/LightGCN/master/Data/gowalla"

SOURCES = {
    "ml-100k": Source(_GROUPLENS, "ml-100k.zip", parse_ml_100k, checksum="md5:0e33842e24a9c977be4e0107933c0723"),
    "ml-1m": Source(_GROUPLENS, "ml-1m.zip", parse_ml_1m, checksum="md5:c4d9eecfca2ab87c1945afe126590906"),
    "gowalla-train": Source(
        _LIGHTGCN, "train.txt", parse_adjacency, csv_sha256="b816e4c9f4f92cbc8f6ab63d6f9c28a536df9c50b3ac7d22ca07a13d894fdc37"
    ),
    "gowalla-test": Source(
        _LIGHTGCN, "test.txt", parse_adjacency, csv_sha256="0a65a89b687dda1b216d0348b3843a1887c766ef490a4f2a348f826cadf4834f"
    ),
}
