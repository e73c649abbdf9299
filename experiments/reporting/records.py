"""results.jsonl: one record a line, on disk before the next run starts, so that a crash costs one run at most.

A process that dies while writing leaves a torn last line. Whoever opens the file next, to read or to append, cuts it
off with a warning, so that the run it belonged to can be repeated. A bad line anywhere else is an error: it was not a
crash that made it.
"""

import importlib.metadata
import json
import os
import platform
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.reporting.json_files import as_json
from experiments.reporting.privacy import without_data
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "ifru_jax")
FIELDS = {
    **dict.fromkeys(("dataset", "model", "forget", "method"), str),
    "seed": int,
    **dict.fromkeys(("figures", "config", "environment"), dict),
}


def append_record(path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
    """Adds one record to the file, which need not exist, and waits until it is on disk.

    NaN and infinity become null; options of `config` that name data are withheld (see `without_data`).

    Raises:
      DataError: a field is missing or of the wrong type; the message names it.
    """
    written = as_json(record)
    _check(written, "this record")
    written["config"] = without_data(written["config"])
    line = json.dumps(written, allow_nan=False, ensure_ascii=False).encode() + b"\n"
    _cut_torn_line(Path(path))
    with open(path, "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_records(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """All records of the file, in order; an empty list if there is no file.

    A torn last line is cut off the file, with a UserWarning.

    Raises:
      DataError: any other line that is no record; the message has its number.
    """
    path = Path(path)
    _cut_torn_line(path)
    records = []
    for number, line in enumerate(path.read_bytes().split(b"\n") if path.exists() else [], start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:  # UnicodeDecodeError is one, too
            raise DataError(f"line {number} of {path.name} is not JSON ({error}): mend or remove it.") from error
        _check(record, f"line {number} of {path.name}")
        records.append(record)
    return records


def environment() -> dict[str, Any]:
    """What a timing depends on: versions, precision and the class of machine. No host name, no path."""
    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "system": platform.system(),
        "machine": platform.machine(),
        # Cores this process may use, which in a container are fewer than the machine has.
        "cpu_count": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "backend": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "x64": jnp.result_type(float) == jnp.float64,
    }


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
        warnings.warn(f"the last line of {path.name} is torn and was cut off: repeat that run.", stacklevel=3)
        write_atomic(path, content[: len(content) - len(last)])


def _check(record: Any, where: str) -> None:
    if not isinstance(record, dict):
        raise DataError(f"{where} is {type(record).__name__}, not a mapping of {', '.join(FIELDS)}.")
    for name, kind in FIELDS.items():
        value = record.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise DataError(f"{where} has {name} = {value!r}: a record needs {name} as {kind.__name__}.")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # not on every system
        return None
