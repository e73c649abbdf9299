"""Times as seconds since 1970.

Numbers are seconds, or milli-, micro- or nanoseconds, which their size tells: 10¹¹ seconds are the year 5138, 10¹¹
milliseconds are 1973. Texts are numbers or ISO 8601 (2020-01-31, 2020-01-31T12:00:00.5+01:00, a blank for the T); without a
zone they are in UTC.

>>> from ifru_jax.data.reading.cells import cells_of
>>> times(cells_of(["1970-01-02", "1970-01-01 01:00:00+01:00"]))
(array([86400.,     0.]), '')
>>> times(cells_of([1_600_000_000_000]))
(array([1.6e+09]), 'the timestamps reach 1.6e+12: they were read as milliseconds')
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from ifru_jax.data.reading.blanks import bare
from ifru_jax.data.reading.cells import Cells
from ifru_jax.data.reading.numbers import numbers, parsed
from ifru_jax.data.reading.options import MISSING
from ifru_jax.errors import DataError

# From this size on numbers count the unit; so many of them are a second.
_UNITS = {1e17: ("nanoseconds", 1e9), 1e14: ("microseconds", 1e6), 1e11: ("milliseconds", 1e3)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def times(cells: Cells, *, decimal: str = ".", missing: Sequence[str] = MISSING) -> tuple[np.ndarray, str]:
    """float64 [n], seconds since 1970, and what there is to say of how they were read, or "".

    Args: those of `numbers`.

    Raises:
      DataError: a missing cell, a duration, a text that is neither a number nor ISO 8601, or numbers in different units. The
        message names the row.
    """
    cells = cells.present("timestamp", missing)
    values = cells.values
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return (values.astype(np.int64) / 1e6)[cells.codes], ""
    no_number = parsed(values, decimal)[1]
    if not no_number.any():
        return _in_seconds(cells, numbers(cells, "timestamp", decimal=decimal, missing=missing))
    seconds, no_date = _dates(values)
    if no_date.any():
        value, place, count = cells.first(no_date if no_date.sum() < no_number.sum() else no_number)
        raise DataError(
            f"timestamp {value!r} of {place} is not a time ({count} such): give numbers or ISO 8601 (2020-01-31 12:00:00), "
            "in all rows alike, or timestamp=None, which ignores them."
        )
    return seconds[cells.codes], ""


def _dates(values: np.ndarray | list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """float64 [k] seconds, and bool [k], which values are no dates."""
    found = [_date(value) for value in values]
    return (
        np.array([0.0 if time is None else (time - _EPOCH).total_seconds() for time in found]),
        np.array([time is None for time in found], bool),
    )


def _date(value: Any) -> datetime | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, str):
        text = bare(value).removesuffix(" UTC")
        try:
            value = None if text.isdigit() else datetime.fromisoformat(text)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _in_seconds(cells: Cells, found: np.ndarray) -> tuple[np.ndarray, str]:
    sizes = np.abs(found)
    largest = sizes.max()
    days = _days(found)
    if days is not None:
        return days, f"the timestamps are such as {found[0]:.0f}: they were read as days, year, month and day in one number"
    for least, (unit, per_second) in _UNITS.items():
        if largest >= least:
            # Zeros say that nobody looked at the clock.
            other = np.flatnonzero((sizes < least) & (found != 0))
            if other.size:
                raise DataError(
                    f"timestamp {found[other[0]]:.15g} of {cells.place(int(other[0]))} is in another unit than {largest:.15g}, "
                    f"which counts {unit} ({other.size} such): give all in seconds."
                )
            return found / per_second, f"the timestamps reach {largest:.6g}: they were read as {unit}"
    return found, ""


def _days(found: np.ndarray) -> np.ndarray | None:
    """Seconds [n] where all numbers are such as 20200131; as seconds these would be in August 1970."""
    if not ((found >= 19000101) & (found <= 21001231) & (found == np.floor(found))).all():
        return None
    distinct, place = np.unique(found.astype(np.int64), return_inverse=True)
    try:
        days = [datetime(day // 10000, day // 100 % 100, day % 100, tzinfo=UTC) for day in distinct.tolist()]
    except ValueError:
        return None
    return np.array([(day - _EPOCH).total_seconds() for day in days])[place.reshape(-1)]
