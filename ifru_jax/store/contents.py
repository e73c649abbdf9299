"""Files and what is packed in them, down to the bytes that no packing hides any more."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ifru_jax.errors import DataError

_PACKED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\x00": lzma.decompress}
# A packed file that unpacks to more than this many bytes is not searched.
LARGEST = 1 << 31


def files_in(paths: Iterable[Path]) -> list[Path]:
    """All files at or below these paths, each once.

    Raises:
      DataError: a path that isn't there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no {path}: give files and folders that are there.")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.setdefault(file)
    return list(found)


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(place in the file, bytes) of each content; the place of a file that is not packed is "".

    Raises:
      DataError: it can't be read or unpacked; what was yielded before stands.
    """
    try:
        yield from _unpacked("", path.read_bytes())
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(str(error)) from error


def _unpacked(place: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    for mark, unpack in _PACKED.items():
        if raw.startswith(mark):
            yield from _unpacked(place, unpack(raw))
            return
    if not raw.startswith(b"PK\x03\x04"):
        yield place, raw
        return
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if member.file_size > LARGEST:
                raise DataError(f"{member.filename} is larger than {LARGEST:,} bytes")
            yield from _unpacked(f"{place}/{member.filename}".lstrip("/"), archive.read(member))
