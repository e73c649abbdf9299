"""JSON without NaN, in files that are whole or not there."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic


def read_json(path: str | os.PathLike[str]) -> Any:
    """What a file of JSON holds.

    Raises:
      DataError: it is no JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise DataError(f"{path} is not JSON ({error}): mend or remove it.") from error


def write_json_atomic(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON, NaN and infinity as null; see `write_atomic` and `as_json`."""
    write_atomic(path, json.dumps(as_json(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def as_json(value: Any) -> Any:
    """`value` in the types of JSON.

    Mappings and sequences are copied, arrays become lists, NumPy and JAX scalars numbers, paths strings; NaN and
    infinity, which JSON has not, become null.

    Raises:
      TypeError: a value of any other type; the message names the type.
    """
    if isinstance(value, Mapping):
        return {str(name): as_json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    raise TypeError(f"{type(value).__name__} can't be written as JSON: give numbers, strings, lists or mappings.")
