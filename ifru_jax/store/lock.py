"""One writer at a time: a lock on a file, which the system lets go of when the process that holds it ends, however it ends."""

import os
from pathlib import Path
from typing import Self

from ifru_jax.errors import DataError


class StoreBusy(DataError):  # noqa: N818 — a state rather than a failure
    """Another process, or another `Store` of this one, writes to the store."""


class Lock:
    """The right to write, from `take` to `release`."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle
        # A copy of this process that `fork` makes has the handle, but not the right.
        self._holder = os.getpid()

    @classmethod
    def take(cls, path: Path) -> Self:
        """Takes the lock and leaves the number of this process in the file.

        Raises:
          StoreBusy: somebody else has it; the message names the process.
          DataError: a system without such locks.
        """
        try:
            import fcntl
        except ImportError as error:
            raise DataError("stores need file locks as Linux and macOS have them: open it there.") from error
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise StoreBusy(
                f"{path.parent} is being written by process {holder}: wait until it is done, or open the store to read only. "
                "The lock is gone when that process ends."
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return cls(handle)

    def release(self) -> None:
        """Lets others write; nothing if that was done."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @property
    def held(self) -> bool:
        """Whether this process has it and did not release it yet."""
        return self._handle is not None and self._holder == os.getpid()
