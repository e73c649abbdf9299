"""Text files: a row is a line, so that no row can vanish in another one.

A cell in quotes may hold the separator, and two quotes for one; a line break in it is refused. In CSV a quote that doesn't close
on its line is refused as well. In files with tabs, blanks or longer separators it is a character: nobody quotes there, and a title
may begin with one.
"""

import csv
import re
from typing import Any

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.data.reading.blanks import bare
from ifru_jax.data.reading.columns import are_names
from ifru_jax.data.reading.options import Reading, listed
from ifru_jax.data.reading.table import Table
from ifru_jax.errors import DataError

_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_TYPED = re.compile(r"(.*):(?:token|float)(?:_seq)?")  # RecBole's header
_SEPARATORS = ("::", "\t", ",", ";", "|", " ")
_LOOKED_AT = 100  # lines, to find the separator; characters, to see whether it is text
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
# The first bytes of what is no text.
_OTHERS = {
    b"\x1f\x8b": "is packed by gzip: let its name end in .gz",
    b"\xfd7zXZ\0": "is packed by xz: let its name end in .xz",
    b"PK\x03\x04": "is a ZIP archive, or a spreadsheet: let its name end in .zip, or export the spreadsheet as CSV",
    b"PAR1": 'is Parquet: let its name end in .parquet, or give format="parquet"',
}
_LONGEST_PART = 2**30  # characters that polars cuts into lines at once; it counts them in 32 bits


def decoded(raw: bytes, encoding: str | None) -> str:
    """The text, whose lines end with "\\n".

    Raises:
      DataError: bytes that are not of this encoding or of no text at all, an unknown encoding, or a "\\r" in the middle of a line.
    """
    other = next((what for mark, what in _OTHERS.items() if raw.startswith(mark)), None)
    if other is not None:
        raise DataError(f"it {other}.")
    encoding = encoding or next((name for mark, name in _MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except LookupError as error:
        raise DataError(f"encoding is {encoding!r}, which Python doesn't know: give one such as utf-8 or latin-1.") from error
    except UnicodeError as error:
        start = f"byte {error.start}" if isinstance(error, UnicodeDecodeError) else "it"
        raise DataError(f'{start} is not {encoding.upper()}: name the encoding, such as encoding="latin-1".') from error
    text = text.removeprefix("\ufeff")
    if text[:_LOOKED_AT].count("\0") * 3 > len(text[:_LOOKED_AT]):
        raise DataError('half of its characters are zero: name the encoding, such as encoding="utf-16-le".')
    if "\r" in text:
        text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        raise DataError(f"line {line} has a line break (\\r) in a cell: write the file without, or end all lines alike.")
    return text


def text_table(text: str, reading: Reading, separator: str | None) -> Table:
    """The table of lines of cells; the first line names the columns, unless `reading.columns` does.

    Args:
      text: from `decoded`.
      reading: its names of columns.
      separator: of the cells, or None to find it.

    Raises:
      DataError: nothing in the file, lines of different numbers of cells, a quote that isn't closed.
    """
    polars = needed("polars", "reading files needs polars", extra="data")
    lines, numbers = _lines(polars, text)
    names = reading.names()
    if not len(lines):
        raise DataError("the file is empty: give a header, such as user,item,rating, and rows.")
    head = lines.head(_LOOKED_AT).to_list()
    separator = separator or _found(head)
    if separator == " ":
        lines = lines.str.replace_all(r"[ \t]+", " ").str.strip_chars()
    first = _split(lines[0], separator, int(numbers[0]))
    if names is not None and are_names(first):
        raise DataError(f"line {numbers[0]} has names ({listed(first)}): leave columns= out, and choose by user=, item= and so on.")
    if names is None:
        names = [bare(name) for name in first]
        typed = [_TYPED.fullmatch(name) for name in names]
        names = [found[1] if found else name for found, name in zip(typed, names, strict=True)] if all(typed) else names
        lines, numbers = lines[1:], numbers[1:]
    if not len(lines):
        remedy = "give at least one interaction, and columns= where the first line has none"
        raise DataError(f"there are no rows below the columns {listed(names)}: {remedy}.")
    columns = _columns(polars, lines, numbers, separator, len(names))
    return Table(names, columns, len(numbers), numbers)


def adjacency_table(text: str) -> tuple[Table, int]:
    """The table of lines of a user and the user's items, all separated by blanks; and how many users have none.

    Raises:
      DataError: nothing in the file.
    """
    polars = needed("polars", "reading files needs polars", extra="data")
    lines, numbers = _lines(polars, text)
    if not len(lines):
        raise DataError("the file is empty: give lines of a user and the user's items.")
    words = lines.str.replace_all(r"[ \t]+", " ").str.strip_chars().str.split(" ")
    counts = words.list.len().to_numpy().astype(np.int64) - 1
    users = words.list.first().gather(np.repeat(np.arange(len(counts)), counts))
    items = words.filter(counts > 0).list.slice(1).explode()
    return Table(["user", "item"], [users, items], len(users), np.repeat(numbers, counts)), int((counts == 0).sum())


def comma_or_other(text: str, decimal: str) -> str:
    """The separator of a file that is called CSV: a comma, unless its first line has none but a semicolon, a tab or a bar."""
    first = text.lstrip().partition("\n")[0]
    return next((sign for sign in (",;\t|" if decimal == "." else ";\t|,") if sign in first), ",")


def _lines(polars: Any, text: str) -> tuple[Any, np.ndarray]:
    """A polars Series of the lines that are not blank, and their numbers from 1; tabs alone are a row of missing cells."""
    parts, start = [], 0
    while start < len(text):
        end = len(text) if len(text) - start <= _LONGEST_PART else text.rindex("\n", start, start + _LONGEST_PART)
        parts.append(polars.Series([text[start:end]], dtype=polars.String).str.split("\n").explode())
        start = end + 1
    lines = polars.concat(parts) if parts else polars.Series([], dtype=polars.String)
    filled = lines.str.contains("[^ ]").to_numpy()
    return lines.filter(filled), np.flatnonzero(filled) + 1


def _found(lines: list[str]) -> str:
    """The separator that all of these lines have equally often."""
    for separator in _SEPARATORS:
        counts = {len(line.split() if separator == " " else line.split(separator)) for line in lines}
        if len(counts) == 1 and counts != {1}:
            return separator
    if not any(sign in line for line in lines for sign in _SEPARATORS):
        return ","  # one column
    raise DataError(
        'no separator is in all lines equally often: name it by separator=, or the format, such as format="adjacency" for lines of '
        "a user and the user's items."
    )


def _columns(polars: Any, lines: Any, numbers: np.ndarray, separator: str, width: int) -> list[Any]:
    quoted = lines.str.contains('"', literal=True).to_numpy()
    if quoted.any():
        # Cells without their quotes, separated by a sign that is nowhere in the file.
        sign = next(
            (sign for sign in map(chr, range(1, 32)) if sign not in "\t\n" and not lines.str.contains(sign, literal=True).any()),
            None,
        )
        if sign is None:
            raise DataError("all control characters are in it: it is no text file.")
        places = np.flatnonzero(quoted)
        unquoted = [
            sign.join(_split(line, separator, int(number)))
            for line, number in zip(lines.filter(quoted), numbers[places], strict=True)
        ]
        plain = lines.filter(~quoted).str.replace_all(separator, sign, literal=True)
        order = np.empty(len(lines), np.int64)
        order[np.flatnonzero(~quoted)] = np.arange(len(plain))
        order[places] = len(plain) + np.arange(len(places))
        lines, separator = polars.concat([plain, polars.Series(unquoted, dtype=polars.String)]).gather(order), sign
    counts = lines.str.count_matches(separator, literal=True).to_numpy().astype(np.int64) + 1
    other = np.flatnonzero(counts != width)
    if other.size:
        raise DataError(
            f"line {numbers[other[0]]} has {counts[other[0]]} cells where there are {width} columns ({other.size} such lines): "
            "name the separator by separator=, put cells that hold it in quotes, or name all columns, None for one to ignore."
        )
    return lines.str.split_exact(separator, width - 1).struct.unnest().get_columns() if width > 1 else [lines]


def _split(line: str, separator: str, number: int) -> list[str]:
    """The cells of one line, without their quotes."""
    if len(separator) > 1 or separator in " \t":
        cells = line.split(separator)
        return [found[1].replace('""', '"') if (found := _QUOTED.fullmatch(cell)) else cell for cell in cells]
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as error:
        raise DataError(
            f"line {number} has a quote that opens a cell and isn't closed before the separator or the end of the line: no cell "
            "holds a line break, and quotes in a cell in quotes are written twice."
        ) from error
