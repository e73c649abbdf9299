"""Ids of users and items: whole numbers where all of a column are, else texts.

Whole numbers may be written 7, 7.0 (as pandas does where a column once had gaps) or 1e12 (as floats are); zero-padded ones
("0345339681" is an ISBN) are texts. Numbers above 2⁶³ − 1 are kept as texts, so that no digit is lost.

>>> from ifru_jax.data.reading.cells import cells_of
>>> ids(cells_of(["7.0", " 12", "7"]), "user")
(array([ 7, 12]), array([0, 1, 0], dtype=int32))
>>> ids(cells_of(["007", "12"]), "user")[0]
array(['007', '12'], dtype='<U3')
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ifru_jax.data.reading.blanks import bare
from ifru_jax.data.reading.cells import Cells
from ifru_jax.data.reading.options import MISSING
from ifru_jax.errors import DataError

LONGEST = 512  # characters; the table of ids is as wide as the longest of them
_EXACT = 2**53  # floats count whole numbers one by one up to here
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?")
# As programs write float64; 12e4 is rather a hexadecimal name.
_EXPONENT = re.compile(r"[1-9](?:\.[0-9]+)?e\+?[0-9]{2}")
# As spreadsheets write long numbers, of which they keep some digits.
_CUT = re.compile(r"[1-9](?:\.[0-9]+)?[eE]\+?[0-9]{2,3}")
# Line ends and tabs come of quotes that swallowed what follows them; NumPy would cut zeros off; half a surrogate can't be written.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def ids(cells: Cells, kind: str, missing: Sequence[str] = MISSING) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids of a column ascending, int64 or str [k], and the place of each row's among them, int32 [n].

    Args:
      cells: [n] numbers or texts.
      kind: what a message calls them, "user" or "item".
      missing: texts that stand for a missing cell, in any case.

    Raises:
      DataError: a missing, negative or fractional id, one with a control character or of more than LONGEST characters, or
        anything that is neither number nor text. The message names its row.
    """
    cells = cells.present(kind, missing)
    if isinstance(cells.values, np.ndarray):
        written = _numbers(cells, cells.values, kind)
    else:
        written = _texts(cells, cells.values, kind)
        read = [whole_number(text) for text in written.tolist()]
        numbers = [number for number in read if number is not None]
        if len(numbers) == len(written):
            _refuse_merged(cells, kind, written, numbers)
            written = np.array(numbers, np.int64 if max(numbers) < 2**63 and min(numbers) >= -(2**63) else object)
        else:
            _refuse_cut(cells, kind, written, read)
    if written.dtype.kind != "U":
        _refuse(cells, written < 0, kind, "is negative", f"{kind} ids are 0 or above, or texts")
        too_large = written.dtype.kind == "O" or written.max() >= 2**63
        written = written.astype(str if too_large else np.int64)
    distinct, place = np.unique(written, return_inverse=True)
    return distinct, place.reshape(-1)[cells.codes].astype(np.int32)


def whole_number(text: str) -> int | None:
    """The whole number that a text writes, or None."""
    if len(text) <= LONGEST and (found := _WHOLE.fullmatch(text)):
        return int(found[1])
    if _EXPONENT.fullmatch(text):
        number = float(text)
        return int(number) if number.is_integer() and number < _EXACT else None
    return None


def as_written(wanted: Sequence[Any] | np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Ids that somebody asks for, as a table of this dtype writes them: "7" is 7 among integers, 7 is "7" among texts.

    What no such table can hold becomes "" or −1, which stand for no id.
    """
    if dtype.kind == "U":
        texts = [bare(str(value)) for value in wanted]
        return np.array(["" if _CONTROL.search(text) else text for text in texts], str)
    if isinstance(wanted, np.ndarray) and wanted.dtype.kind == "i":
        return wanted
    numbers = [_as_number(value) for value in (wanted.tolist() if isinstance(wanted, np.ndarray) else wanted)]
    return np.array([number if number is not None and 0 <= number < 2**63 else -1 for number in numbers], np.int64)


def without_a_name(ids: np.ndarray) -> np.ndarray:
    """The places of ids that no request can name: negative ones, and texts with blanks around them or control characters."""
    if ids.dtype.kind != "U":
        return np.flatnonzero(ids < 0)
    # A piece at a time: a table may be on disk and not fit.
    texts = (text for start in range(0, len(ids), 2**16) for text in ids[start : start + 2**16].tolist())
    return np.array([place for place, text in enumerate(texts) if bare(text) != text or _CONTROL.search(text)], np.int64)


def _as_number(value: Any) -> int | None:
    if isinstance(value, str):
        return whole_number(bare(value))
    if isinstance(value, float | np.floating):
        return int(value) if abs(value) < _EXACT and value == int(value) else None
    return int(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) else None


def _numbers(cells: Cells, values: np.ndarray, kind: str) -> np.ndarray:
    """int64 or uint64 [k]."""
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind != "f":
        raise DataError(f"{kind} ids have dtype {values.dtype}: {kind} ids are whole numbers or texts.")
    _refuse_fractions(cells, values, kind)
    return values.astype(np.int64)


def _texts(cells: Cells, values: list[Any], kind: str) -> np.ndarray:
    """The ids as they are written, str [k], without blanks around them."""
    known = [isinstance(v, str | int | float | np.integer | np.floating) and not isinstance(v, bool) for v in values]
    wrong = ~np.array(known, bool)
    if wrong.any():
        value, place, count = cells.first(wrong)
        raise DataError(
            f"{kind} id {_shown(value)} of {place} is a {type(value).__name__} ({count} such): "
            f"{kind} ids are whole numbers or texts."
        )
    floats = np.array([v if isinstance(v, float | np.floating) else 0 for v in values], np.float64)
    _refuse_fractions(cells, floats, kind)
    texts = [value if isinstance(value, str) else str(value) for value in values]
    _refuse(
        cells,
        np.array([_CONTROL.search(text) is not None for text in texts]),
        kind,
        "has a tab, a line break or another control character in it",
        "a quote too many swallows what follows it; write the file without",
    )
    texts = [bare(text) for text in texts]
    long = np.array([len(text) > LONGEST for text in texts])
    _refuse(cells, long, kind, f"has more than {LONGEST} characters", f"number the {kind}s, or take a hash of it")
    return np.array(texts)


def _refuse(cells: Cells, bad: np.ndarray, kind: str, what: str, remedy: str) -> None:
    if bad.any():
        value, place, count = cells.first(bad)
        raise DataError(f"{kind} id {_shown(value)} of {place} {what} ({count} such): {remedy}.")


def _refuse_fractions(cells: Cells, values: np.ndarray, kind: str) -> None:
    fractional = ~(np.abs(values) < _EXACT) | (values != np.floor(values))
    remedy = f"{kind} ids are whole numbers, below 2^53 where they are floats, or texts"
    _refuse(cells, fractional, kind, "is not a whole number", remedy)


def _refuse_cut(cells: Cells, kind: str, texts: np.ndarray, numbers: list[int | None]) -> None:
    """Refuses 9.78E+12 among whole numbers: many ids became one when it was written."""
    each = list(zip(texts.tolist(), numbers, strict=True))
    cut = np.array([number is None and _CUT.fullmatch(text) is not None for text, number in each])
    if all(number is not None or lost for (_, number), lost in zip(each, cut, strict=True)):
        remedy = "write all digits, as spreadsheets do in columns of text"
        _refuse(cells, cut, kind, "is a number that lost its last digits", remedy)


def _refuse_merged(cells: Cells, kind: str, texts: np.ndarray, numbers: list[Any]) -> None:
    """Refuses 1e12 beside 1000000000000: what looks like a float may be a name, and two would become one."""
    floats = {number: text for text, number in zip(texts.tolist(), numbers, strict=True) if _EXPONENT.fullmatch(text)}
    if not floats:
        return
    bad = np.array([floats.get(number, text) != text for text, number in zip(texts.tolist(), numbers, strict=True)])
    if bad.any():
        value, place, _ = cells.first(bad)
        other = floats[numbers[int(np.flatnonzero(bad)[0])]]
        raise DataError(f"{kind} id {_shown(value)} of {place} is the same number as {other!r} in another row: write both alike.")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:40] + "…"
