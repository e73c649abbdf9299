"""Locks that end with their process, however that ends: no lock is left behind by one that was killed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ifru_jax.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def lock(file: IO[bytes]) -> bool | None:
    """Locks an open file until it is closed, without waiting.

    Returns:
      True; False where another has it; None where this system or the file system of the file knows no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def alone(path: str | os.PathLike[str], refusal: str) -> Iterator[None]:
    """Only one process at a time is in a block with this path, which is a file while there is one.

    Raises:
      DataError: another is; the text is `refusal`.
    """
    with open(path, "ab") as file:
        got = lock(file)
        if got is False:
            raise DataError(refusal)
        if got is None or os.fstat(file.fileno()).st_nlink:
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    Path(path).unlink()
            return
    # Whoever had it removed it before it was locked.
    with alone(path, refusal):
        yield
