"""Files that grow by lines of JSON: each is on disk before the next is begun, so that a crash costs one at most.

A process that dies while writing leaves a torn last line. Whoever opens the file next, to read or to append, cuts it off with a
warning, so that what it belonged to can be repeated. A bad line anywhere else is an error: it was not a crash that made it.
"""

import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments.reporting.json_files import as_json
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic


def append_line(path: str | os.PathLike[str], value: Any) -> None:
    """Adds one line to the file, which need not exist, and waits until it is on disk; NaN and infinity become null."""
    _cut_torn_line(Path(path))
    with open(path, "ab") as file:
        file.write(_line(value))
        file.flush()
        os.fsync(file.fileno())


def write_lines(path: str | os.PathLike[str], values: Iterable[Any]) -> None:
    """Lines in place of all that the file had, at once."""
    write_atomic(path, b"".join(map(_line, values)))


def read_lines(path: str | os.PathLike[str]) -> list[tuple[int, Any]]:
    """All lines of the file that are not blank with their numbers from 1; none if there is no file.

    A torn last line is cut off the file, with a UserWarning.

    Raises:
      DataError: any other line that is not JSON; the message has its number.
    """
    path = Path(path)
    _cut_torn_line(path)
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n") if path.exists() else [], start=1):
        if not line.strip():
            continue
        try:
            found.append((number, json.loads(line)))
        except ValueError as error:  # UnicodeDecodeError is one, too
            raise DataError(f"line {number} of {path.name} is not JSON ({error}): mend or remove it.") from error
    return found


def _line(value: Any) -> bytes:
    return json.dumps(as_json(value), allow_nan=False, ensure_ascii=False).encode() + b"\n"


def _cut_torn_line(path: Path) -> None:
    """Mends a file that does not end with a newline: cuts the last line off or, if it is whole, adds the newline."""
    content = path.read_bytes() if path.exists() else b""
    if not content or content.endswith(b"\n"):
        return
    last = content[content.rfind(b"\n") + 1 :]
    try:
        json.loads(last)
        write_atomic(path, content + b"\n")
    except ValueError:
        warnings.warn(f"the last line of {path.name} is torn and was cut off: repeat that run.", stacklevel=4)
        write_atomic(path, content[: len(content) - len(last)])
