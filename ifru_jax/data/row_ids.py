"""The original ids of the rows of a table: which row an id has, and what stands in place of one that was erased.

A table is an array of ids, [size], or None where the rows are the ids.

>>> ids = np.array(["ann", "bob", "cyd"])
>>> find_rows(["cyd", "eve"], ids, 3)
array([ 2, -1], dtype=int32)
>>> find_rows(["ann", "bob"], erased(ids, np.array([0]), 3), 3)
array([-1,  1], dtype=int32)
"""

from collections.abc import Iterable, Sequence

import numpy as np

from ifru_jax.data.reading.ids import as_written
from ifru_jax.errors import DataError


def ids_of_rows(known: np.ndarray | None, size: int) -> np.ndarray:
    """The id of every row, [size]."""
    return np.arange(size) if known is None else known


def find_rows(ids: Sequence[int | str] | np.ndarray, known: np.ndarray | None, size: int) -> np.ndarray:
    """int32 rows of the wanted ids; −1 for those that are not known."""
    wanted = _wanted(ids)
    if not len(wanted) or not size:
        return np.full(len(wanted), -1, np.int32)
    table = ids_of_rows(known, size)
    keys = as_written(wanted, table.dtype)
    order = np.argsort(table, kind="stable")
    rows = order[np.minimum(np.searchsorted(table, keys, sorter=order), size - 1)]
    return np.where((table[rows] == keys) & (keys != erased_mark(table.dtype)), rows, -1).astype(np.int32)


def look_up(kind: str, ids: Sequence[int | str] | np.ndarray, known: np.ndarray | None, size: int) -> np.ndarray:
    """int32 rows of the wanted ids.

    Raises:
      DataError: an id that is not known; `kind`, "user" or "item", is what the message calls it.
    """
    rows = find_rows(ids, known, size)
    bad = np.flatnonzero(rows < 0)
    if bad.size:
        wanted = _wanted(ids)
        raise DataError(
            f"{kind} {wanted[bad[0]]!s} is not in the data ({bad.size} unknown of {len(wanted)}): "
            f"ask for {kind}s the model was trained on. Those that were forgotten before are unknown, too: "
            'unlearn(…, missing="report") allows that.'
        )
    return rows


def erased(known: np.ndarray | None, rows: np.ndarray, size: int) -> np.ndarray | None:
    """The ids with a mark in place of those of these rows."""
    if len(rows) == 0:
        return known
    named = ids_of_rows(known, size).copy()
    narrower = named.dtype.kind == "U" and np.char.str_len(named[rows]).max() * named.dtype.alignment == named.dtype.itemsize
    named[rows] = erased_mark(named.dtype)
    # A column is as wide as its longest text, which would tell the length of one that is gone.
    return named.astype(f"<U{max(1, np.char.str_len(named).max())}") if narrower else named


def erased_mark(dtype: np.dtype) -> int | str:
    """What stands in place of an erased id: "" among strings, the smallest integer among integers."""
    return "" if dtype.kind == "U" else int(np.iinfo(dtype).min)


def _wanted(ids: Sequence[int | str] | np.ndarray) -> np.ndarray | list:
    """One or several ids, as a sequence."""
    if isinstance(ids, np.ndarray):
        return np.atleast_1d(ids)
    return list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else [ids]
