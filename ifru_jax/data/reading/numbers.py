"""Ratings: numbers, truth values, or texts of them.

>>> from ifru_jax.data.reading.cells import cells_of
>>> numbers(cells_of(["4", "3,5", "1e1"]), "rating", decimal=",")
array([ 4. ,  3.5, 10. ])
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ifru_jax.data.reading.blanks import bare
from ifru_jax.data.reading.cells import Cells
from ifru_jax.data.reading.options import MISSING
from ifru_jax.errors import DataError

# What Python takes for a number besides, such as 1_000, is a slip of whoever wrote the file.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNUSUAL = re.compile(r"[^0-9.eE+\-\n]")
_TRUTH = {"true": 1.0, "false": 0.0}


def numbers(cells: Cells, kind: str, *, decimal: str = ".", missing: Sequence[str] = MISSING) -> np.ndarray:
    """float64 [n]: the numbers of a column; true is 1, false is 0.

    Args:
      cells: [n].
      kind: what a message calls them, "rating" or "timestamp".
      decimal: "." or ",", what stands before the fraction in texts.
      missing: texts that stand for a missing cell, in any case.

    Raises:
      DataError: a missing or infinite cell, or one that is no number. The message names its row.
    """
    cells = cells.present(kind, missing)
    found, bad = parsed(cells.values, decimal)
    if bad.any():
        value, place, count = cells.first(bad)
        other = "," if decimal == "." else "."
        hint = f', or decimal="{other}"' if isinstance(value, str) and not parsed([value], other)[1].any() else ""
        raise DataError(f"{kind} {value!r} of {place} is not a number ({count} such): give numeric {kind}s{hint}.")
    bad = ~np.isfinite(found)
    if bad.any():
        value, place, count = cells.first(bad)
        raise DataError(f"{kind} {value} of {place} is not finite ({count} such): drop these rows or fill in their {kind}s.")
    return found[cells.codes]


def parsed(values: np.ndarray | list[Any], decimal: str) -> tuple[np.ndarray, np.ndarray]:
    """float64 [k], and bool [k], which values are no numbers."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "iufb":
            return values.astype(np.float64), np.zeros(len(values), bool)
        return np.zeros(len(values)), np.ones(len(values), bool)
    if decimal == "." and all(isinstance(value, str) for value in values) and not _UNUSUAL.search("\n".join(values)):
        try:
            return np.array(values, np.float64), np.zeros(len(values), bool)  # all at once, as most columns are
        except ValueError:
            pass
    found = [_number(value, decimal) for value in values]
    return np.array([0.0 if number is None else number for number in found]), np.array([number is None for number in found], bool)


def _number(value: Any, decimal: str) -> float | None:
    if isinstance(value, str):
        text = bare(value)
        if text.lower() in _TRUTH:
            return _TRUTH[text.lower()]
        if decimal == ",":
            text = text.replace(".", "?").replace(",", ".")
        return float(text) if _NUMBER.fullmatch(text) else None
    try:
        return None if isinstance(value, complex | bytes) else float(value)
    except (TypeError, ValueError):
        return None
