"""Files that are whole or not there: write beside the target, flush to disk, then rename.

What is being written is `.NAME.TOKEN.ifru-partial` in the folder of the file, locked by the process that writes it. One that is
killed leaves it there without a lock, and whoever writes into the folder next removes it.
"""

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ifru_jax.errors import DataError
from ifru_jax.locks import lock

PARTIAL = ".ifru-partial"
# Of a name, so that what stands around it leaves it shorter than a file system allows, which counts bytes.
_NAME_BYTES = 120


def as_json(content: Mapping[str, Any]) -> str:
    """A description as JSON. A number of NumPy, as a grid of settings gives them, is the number that it is.

    Raises:
      TypeError: something that JSON has no form for.
      ValueError: a number that is not finite.
    """
    return json.dumps(content, allow_nan=False, default=plain)


def plain(value: Any) -> Any:
    """A number of NumPy as one of Python.

    Raises:
      TypeError: anything else.
    """
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r}, a {type(value).__name__}, can't be written as JSON")


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Replaces the file at `path` with `content` (text as UTF-8); see `replacing`."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of the one at `path` once the block is left; a reader sees the old one or the new.

    On any failure the old file stays and nothing else is left behind. A symbolic link stays, and what it points to is replaced. The
    new file may be read by whom the old one could be read by.

    Args:
      path: of the file; its folder must exist.

    Raises:
      DataError: there is no such folder, something at `path` is no file, or the file can't be written.
    """
    target = target_of(path)
    _remove_leftovers(target.parent)
    try:
        partial, file = _partial(target)
    except OSError as error:
        raise _refused(target, error) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":
                file.close()  # an open file can't be renamed there; elsewhere it stays locked, so that nobody removes it
            os.replace(partial, target)
        with contextlib.suppress(OSError):  # there are systems on which a folder cannot be opened
            flush_folder(target.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise _refused(target, error) from error
        raise


def target_of(path: str | os.PathLike[str]) -> Path:
    """The file that is written where `path` is given: itself, or what it links to.

    Raises:
      DataError: there is no such folder, the file is write-protected, or something at `path` is no file: a folder, a device, a
        pipe, a link to itself.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:
        raise DataError(f"{path!r} is no path ({error}): give the path of a file.") from error
    if not target.parent.is_dir():
        raise DataError(f"the folder {target.parent} does not exist: make it first.")
    if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode):
        found = "a folder" if target.is_dir() else "a link to itself" if target.is_symlink() else "a device, a pipe or a socket"
        raise DataError(f"{path} is {found}: give the path of a file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise DataError(f"{path} is write-protected: lift that, or give another path.")
    return target


def _partial(target: Path) -> tuple[Path, IO[bytes]]:
    """A file beside the target, in the same file system, and its path; locked, and for those who may read the target."""
    name = os.fsencode(target.name)[:_NAME_BYTES].decode(errors="ignore")
    while True:
        path = target.with_name(f".{name}.{secrets.token_hex(4)}{PARTIAL}")
        # The user's setting decides who may read a new file.
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
        file = os.fdopen(handle, "w+b")
        try:
            # Between the two, another may have taken it for a leftover.
            if lock(file) is not False and os.fstat(handle).st_nlink:
                if target.exists():
                    os.chmod(path, stat.S_IMODE(target.stat().st_mode))
                return path, file
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise
        file.close()


def _remove_leftovers(folder: Path) -> None:
    """Removes what processes that were killed have left in a folder; what can't be removed does no harm."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(PARTIAL) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError), open(entry, "r+b") as file:
                    if lock(file):
                        os.unlink(entry)


def overwrite_with_zeros(path: str | os.PathLike[str]) -> None:
    """Writes zeros over all of a file, flushed to disk, before it is removed.

    A file system that writes to a new place each time, a solid-state disk or a backup may keep what was there.
    """
    with open(path, "r+b") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
        file.flush()
        os.fsync(file.fileno())


def flush_folder(path: str | os.PathLike[str]) -> None:
    """Flushes the names in a folder to disk: what was made, renamed or removed in it survives a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(target: Path, error: OSError) -> DataError:
    why = error.strerror or str(error)
    left = "what was there before is whole" if target.exists() else "nothing was written"
    return DataError(f"{target} can't be written ({why}): {left}. Make room or choose another place.")
