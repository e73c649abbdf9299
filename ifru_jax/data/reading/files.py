"""Files as bytes: unpacked, and every file of a folder.

An error names the file that can't be read, also where it is one of many.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ifru_jax.errors import DataError

PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}


def files_of(path: Path) -> list[Path]:
    """The file itself, or the files under a folder in the order of their names, hidden ones and marks (`_SUCCESS`) left out.

    Raises:
      DataError: there is nothing of that name, or no file in the folder.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: there is no such file: check the path, relative to {Path.cwd()}.")
    inside = (file for file in path.rglob("*") if not any(part[0] in "._" for part in file.relative_to(path).parts))
    files = sorted(file for file in inside if file.is_file())
    if not files:
        raise DataError(f"{path}: there is no file in this folder.")
    return files


def content_of(path: Path) -> tuple[str, bytes]:
    """What the file is called without the suffix of its packing, and its bytes, unpacked.

    Raises:
      DataError: a file that can't be read or unpacked, or a ZIP archive of several files.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error}): check its permissions.") from error
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            return _only_member(path, raw)
        if suffix in PACKED:
            return path.stem, PACKED[suffix](raw)
    except (EOFError, OSError, RuntimeError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: the packed file is cut off or damaged ({error}): copy or download it again.") from error
    return path.name, raw


def _only_member(path: Path, raw: bytes) -> tuple[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if len(names) != 1:
            shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            raise DataError(f"{path}: has {len(names)} files in it ({shown}): unpack the one to read.")
        return Path(names[0]).name, archive.read(names[0])
