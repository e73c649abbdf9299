"""Moments and spans of time, as operators write them.

>>> span("30d"), span("90m"), span(None)
(2592000.0, 5400.0, 0.0)
>>> as_text(0)
'1970-01-01T00:00:00Z'
"""

import re
import time
from datetime import UTC, datetime

from ifru_jax.errors import DataError

_LONGEST = 100 * 366 * 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def as_text(moment: float) -> str:
    """A moment to the second, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(text: str | None) -> float:
    """Seconds that a text such as "30d", "12h", "90m" or "45s" stands for; None is no time at all.

    Raises:
      DataError: anything else, or more than a hundred years.
    """
    if text is None:
        return 0.0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", str(text).strip())
    if found is None:
        raise DataError(f"{text!r} is no span of time: give a number and s, m, h, d or w behind it, such as 30d.")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > _LONGEST:
        raise DataError(f"{text} is more than a hundred years: give a shorter time.")
    return seconds
