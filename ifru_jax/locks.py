"""A lock on an open file that ends with its process, however that ends: no lock is left behind by one that was killed."""

from typing import IO

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
