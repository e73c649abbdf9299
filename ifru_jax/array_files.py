"""Named arrays as one `.npz` file with a checksum over every byte of it, no pickle.

The comment of the archive, which stands at its end, holds the SHA-256 of all that comes before. `numpy.load` reads such a file as
any other.
"""

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ifru_jax.errors import DataError
from ifru_jax.files import replacing

_SEAL = b"ifru_jax sha256 "
_DIGEST = 2 * hashlib.sha256().digest_size
_CHUNK = 1 << 20


class ArrayFile(NamedTuple):
    """What was read.

    Attributes:
      arrays: by name.
      sealed: whether the file has a checksum, which is then right.
    """

    arrays: dict[str, np.ndarray]
    sealed: bool


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays of any shape and dtype but objects, all or nothing; see `files.replacing` for the errors."""
    with replacing(path) as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.comment = _SEAL + bytes(_DIGEST)
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        end = file.seek(-_DIGEST, os.SEEK_END)
        digest = _digest(file, end)
        file.seek(end)
        file.write(digest)


def read_arrays(path: str | os.PathLike[str]) -> ArrayFile:
    """Reads what `write_arrays` wrote, or another `.npz`, which has no checksum.

    Raises:
      DataError: no such file, a wrong checksum, or a file of another kind.
    """
    source = Path(path)
    if not source.is_file():
        raise DataError(f"{source} is not a file: give the path that was passed to save.")
    try:
        with open(source, "rb") as file:
            sealed = _sealed(file)
            if sealed is False:
                raise DataError(f"{source} is damaged: its checksum is wrong. Use a copy of it, or fit and save anew.")
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                return ArrayFile({name: found[name] for name in found.files}, sealed is True)
    except DataError:
        raise
    except Exception as error:  # a damaged archive makes all kinds of them
        raise DataError(f"{source} can't be read as a saved model ({error}): it is damaged or something else.") from error


def _sealed(file: IO[bytes]) -> bool | None:
    """Whether the checksum of an open file is right; None where it has none."""
    size = file.seek(0, os.SEEK_END)
    if size < len(_SEAL) + _DIGEST:
        return None
    file.seek(size - _DIGEST - len(_SEAL))
    if file.read(len(_SEAL)) != _SEAL:
        return None
    return file.read() == _digest(file, size - _DIGEST)


def _digest(file: IO[bytes], end: int) -> bytes:
    """The checksum of the first `end` bytes."""
    found = hashlib.sha256()
    file.seek(0)
    for start in range(0, end, _CHUNK):
        found.update(file.read(min(_CHUNK, end - start)))
    return found.hexdigest().encode()
