"""A column of any library as plain values, and where each of its rows stands.

`Cells` is what ids, ratings and times are made of, whether they come from a file, a frame or an array, so that the same
value means the same everywhere.

>>> cells = cells_of(["ann", None, "ann"])
>>> cells.values, cells.codes
(['ann'], array([ 0, -1,  0]))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifru_jax.data.reading.blanks import bare
from ifru_jax.errors import DataError

# Kinds of NumPy, each in the widest of its types.
_WIDE = {"i": np.int64, "u": np.uint64, "f": np.float64, "b": np.bool_}
_POLARS_NUMBERS = {"Boolean", "Float32", "Float64", *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))}

# The values that are there, which of them each row that has one has, and bool [n], which rows have one.
_Parts = tuple[np.ndarray | list[Any], np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Cells:
    """A column.

    Attributes:
      values: numbers or datetime64 [k], or a list of k distinct Python values, such as texts.
      codes: int64 [n], which of the values each row has; −1 where it is missing.
      lines: int [n], the line of a text file each row stands on, from 1; None: rows are counted from 0.
    """

    values: np.ndarray | list[Any]
    codes: np.ndarray
    lines: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def place(self, row: int) -> str:
        """What a message calls a row."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"

    def first(self, bad: np.ndarray) -> tuple[Any, str, int]:
        """Of the values that are bad (bool [k]): the first that a row has, its place, and how many rows have one."""
        rows = np.flatnonzero(np.append(bad, False)[self.codes])
        return self.values[self.codes[rows[0]]], self.place(int(rows[0])), len(rows)

    def present(self, kind: str, missing: Sequence[str]) -> "Cells":
        """These cells, if there are any and none is missing.

        Args:
          kind: what a message calls them: user, item, rating or timestamp.
          missing: texts that stand for a missing cell, in any case; the empty one always does.

        Raises:
          DataError: a row without a value, or whose value is one of these texts.
        """
        if not len(self):
            raise DataError(f"there are no {kind}s: give a one-dimensional, non-empty column.")
        gone = np.zeros(len(self.values) + 1, bool)
        gone[-1] = True
        if isinstance(self.values, list):
            words = {"", *(bare(text).lower() for text in missing)}
            gone[:-1] = [isinstance(value, str) and bare(value).lower() in words for value in self.values]
        rows = np.flatnonzero(gone[self.codes])
        if rows.size:
            code = self.codes[rows[0]]
            reads = "" if code < 0 or not self.values[code] else f"; it reads {self.values[code]!r}"
            hint = ", or say by missing= what stands for a missing cell" if reads else ""
            place = self.place(int(rows[0]))
            raise DataError(f"{kind} of {place} is missing ({rows.size} such{reads}): drop these rows or fill in {kind}s{hint}.")
        return self


def cells_of(column: Any, lines: np.ndarray | None = None) -> Cells:
    """The cells of a polars or pandas Series, a NumPy array or a sequence of Python values, [n].

    Raises:
      DataError: anything that is not one-dimensional.
    """
    adapters = {"polars": _of_polars, "pandas": _of_pandas, None: _of_array}
    values, which, present = adapters[library_of(column)](column)
    if isinstance(values, np.ndarray) and values.dtype.kind in "fM":
        there = ~(np.isnat(values) if values.dtype.kind == "M" else np.isnan(values))
        present[present] = there
        values, which = values[there], which[there] - np.cumsum(~there)[there]
    codes = np.full(len(present), -1)
    codes[present] = which
    return Cells(values, codes, lines)


def library_of(value: Any) -> str | None:
    """Either "polars" or "pandas" for what is one of theirs, subclasses included."""
    for kind in type(value).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in ("polars", "pandas"):
            return library
    return None


def _of_polars(column: Any) -> _Parts:
    import polars

    if not isinstance(column, polars.Series):
        raise DataError(f"a column is a {type(column).__name__} of polars: give a Series.")
    present = column.is_not_null().to_numpy()
    column = column.drop_nulls()
    dtype = column.dtype
    if dtype in (polars.Categorical, polars.Enum):
        column, dtype = column.cast(polars.String), polars.String
    if dtype == polars.String:
        distinct = column.unique().sort()
        return distinct.to_list(), distinct.search_sorted(column).to_numpy(), present
    if dtype in (polars.Date, polars.Datetime):
        return _each(column.dt.epoch("us").to_numpy().astype("datetime64[us]"), present)  # with a zone, in UTC
    if str(dtype) in _POLARS_NUMBERS:
        return _each(column.to_numpy(), present)
    return _distinct(column.to_list(), present)


def _of_pandas(column: Any) -> _Parts:
    import pandas

    if isinstance(column, pandas.DataFrame):
        raise DataError(f"a column has shape {column.shape}: give a one-dimensional, non-empty one.")
    column = pandas.Series(column)  # an index or an array of pandas as well
    present = ~np.asarray(column.isna())
    column = column[present]
    dtype = column.dtype
    if dtype.name == "category":
        column = column.astype(dtype.categories.dtype)
        dtype = column.dtype
    if dtype.kind == "M":
        zoned = column if column.dt.tz is None else column.dt.tz_convert("UTC").dt.tz_localize(None)
        return _each(zoned.to_numpy("datetime64[us]"), present)
    if dtype.kind in _WIDE:
        return _each(column.to_numpy(_WIDE[dtype.kind]), present)
    return _distinct(column.tolist(), present)


def _of_array(column: Any) -> _Parts:
    if isinstance(column, list | tuple):
        return _of_objects(list(column))  # NumPy would cut zeros off strings, and make floats of integers beside them
    array = np.asarray(column)
    if array.ndim != 1:
        raise DataError(f"a column has shape {array.shape}: give a one-dimensional, non-empty one.")
    if array.dtype.kind == "U":
        distinct, which = np.unique(array, return_inverse=True)
        return distinct.tolist(), which, np.ones(len(array), bool)
    if array.dtype.kind in _WIDE or array.dtype.kind == "M":
        return _each(array.astype(_WIDE.get(array.dtype.kind, "datetime64[us]")), np.ones(len(array), bool))
    return _of_objects(array.tolist())


def _of_objects(values: list[Any]) -> _Parts:
    kinds = set(map(type, values))
    if kinds == {float} or (kinds == {int} and -(2**63) <= min(values) <= max(values) < 2**63):
        return _each(np.array(values, np.float64 if float in kinds else np.int64), np.ones(len(values), bool))
    present = np.array([not _is_missing(value) for value in values], bool)
    return _distinct([value for value, there in zip(values, present, strict=True) if there], present)


def _each(array: np.ndarray, present: np.ndarray) -> _Parts:
    return array, np.arange(len(array)), present


def _distinct(values: list[Any], present: np.ndarray) -> _Parts:
    """Python values, each once; 1 and True, which are equal, stay apart."""
    places: dict[Any, int] = {}
    try:
        which = [places.setdefault((type(value), value), len(places)) for value in values]
    except TypeError:  # lists and others that can't be compared
        return values, np.arange(len(values)), present
    return [value for _, value in places], np.array(which, np.int64), present


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float | np.floating) and value != value)
    )
