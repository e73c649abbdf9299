"""results.jsonl: one record a line (`experiments.reporting.json_lines`), each with the same fields."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.reporting.json_files import as_json
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.privacy import without_data
from ifru_jax.errors import DataError

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
    append_line(path, written)


def read_records(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """All records of the file, in order; an empty list if there is no file.

    A torn last line is cut off the file, with a UserWarning.

    Raises:
      DataError: any other line that is no record; the message has its number.
    """
    lines = read_lines(path)
    for number, record in lines:
        _check(record, f"line {number} of {Path(path).name}")
    return [record for _, record in lines]


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
