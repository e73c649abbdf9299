"""Is somebody still in these files? Looks for ids, and for the vectors of rows, in whatever a file holds.

In arrays and tables whole cells are compared, in columns that are about users or items, or whose name doesn't say. In texts and in
other bytes an id is a whole word. A number of few digits is found in texts by chance; `text=False` leaves them out. Rows of numbers
without a name, such as the order of a table, are nobody's ids and are not looked at.
"""

import io
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.data.reading.columns import find_column
from ifru_jax.errors import DataError
from ifru_jax.store import models
from ifru_jax.store.contents import contents, files_in
from ifru_jax.store.requests import Asked, Id

_SIDES = ("user", "item")
SHORTEST_WORD = 4  # of what is looked for among bytes that are no text
_OF_ROWS = re.compile(r"(data|valid|test|record/valid)/(users|items|groups)\.npy")
_DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4"}


@dataclass(frozen=True)
class Finding:
    """A place where somebody is.

    Attributes:
      file: its path.
      where: within the file, such as an array, a column, a line.
      what: such as "user 42".
    """

    file: str
    where: str
    what: str


@dataclass(frozen=True)
class Found:
    """The answer of `scan`.

    Attributes:
      findings: the places, one for each id and array, column or line.
      files: how many were looked at.
      unread: files that could not be read, with the reason: nothing is known of them.
    """

    findings: tuple[Finding, ...]
    files: int
    unread: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return {"findings": [vars(one) for one in self.findings], "files": self.files, "unread": dict(self.unread)}


@dataclass(frozen=True)
class _Sought:
    """What is looked for: texts of ids by side, and rows float32 by what they are of."""

    ids: Mapping[str, frozenset[str]]
    rows: Mapping[str, np.ndarray]
    text: bool

    def of(self, name: str) -> list[tuple[str, frozenset[str]]]:
        """The sides that an array or column of this name may be about."""
        return [(side, self.ids[side]) for side in self.named(name) or _SIDES]

    def named(self, name: str) -> list[str]:
        """The sides that a name names."""
        return [side for side in _SIDES if find_column([name], side, side) is not None or side in name.lower()]

    def words(self, *, shortest: int = 1) -> list[tuple[str, str]]:
        return [(side, one) for side in _SIDES for one in sorted(self.ids[side]) if len(one) >= shortest]


def scan(paths: Iterable[str | Path], asked: Asked, *, model: str | Path | None = None, text: bool = True) -> Found:
    """Searches files for users and items.

    Args:
      paths: files and folders.
      asked: users and items.
      model: a saved model in which they still are; the rows of its tables are looked for as well.
      text: False leaves out words of texts.

    Raises:
      DataError: nobody to look for, nowhere to look, a path that isn't there, or a model that doesn't know them.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise DataError("there is nowhere to look: give files and folders.")
    if not asked.users and not asked.items:
        raise DataError("there is nobody to look for: give users or items.")
    ids = {side: frozenset(str(one).strip() for one in getattr(asked, f"{side}s")) for side in _SIDES}
    sought = _Sought(ids, {} if model is None else _rows(model, asked), text)
    findings, unread, files = [], {}, files_in(paths)
    for path in files:
        try:
            parts = dict(contents(path))
            for place, raw in parts.items():
                if not _holds_rows(place, parts):
                    findings += [
                        Finding(str(path), f"{place} {where}".strip(), what) for where, what in _search(place, raw, sought)
                    ]
        except DataError as error:
            unread[str(path)] = str(error)
    return Found(tuple(dict.fromkeys(findings)), len(files), unread)


def _holds_rows(place: str, parts: Iterable[str]) -> bool:
    """Whether an array of one of our files has rows of tables in it, whose ids stand elsewhere."""
    return bool(_OF_ROWS.fullmatch(place)) and ("data/user_ids.npy" in parts or place.startswith(("valid/", "test/")))


def _rows(path: str | Path, asked: Asked) -> dict[str, np.ndarray]:
    """The rows of these users and items in the tables of a model, by what they are."""
    model, found = models.read(Path(path)), {}
    data = model.interactions
    for name, (side, table) in models.tables(model).items():
        ids: Sequence[Id] = asked.users if side == "user" else asked.items
        for one, row in zip(ids, (data.user_rows if side == "user" else data.item_rows)(ids), strict=True):
            if row < 0:
                raise DataError(f"{side} {one} is not in {path}: give a model from before the request.")
            if table.ndim > 1 and table[row].any():
                found[f"the vector of {side} {one} ({name})"] = np.asarray(table[row], np.float32).ravel()
    return found


def _search(name: str, raw: bytes, sought: _Sought) -> Iterator[tuple[str, str]]:
    """(where, what) in contents that are not packed; `name` is that of a part of a file."""
    if raw.startswith(b"\x93NUMPY"):
        yield from _in_array("", name, _npy(raw), sought)
    elif raw.startswith(b"SQLite format 3\0"):
        yield from _in_database(raw, sought)
    elif raw.startswith(b"PAR1"):
        frame = needed("polars", "reading Parquet needs polars", extra="data").read_parquet(io.BytesIO(raw))
        yield from _in_table("", {column.name: column.to_list() for column in frame.get_columns()}, sought)
    elif (tensors := _tensors(raw)) is not None:
        for name, array in tensors.items():
            yield from _in_array(f"tensor {name}, ", name, array, sought)
    elif b"\0" not in raw[:8192]:
        yield from _in_text(raw.decode("utf-8", errors="replace"), sought)
    else:
        yield from _in_bytes(raw, sought)


def _npy(raw: bytes) -> np.ndarray:
    try:
        return np.load(io.BytesIO(raw), allow_pickle=False)
    except ValueError as error:
        raise DataError(f"an array can't be read ({error})") from error


def _in_array(where: str, name: str, array: np.ndarray, sought: _Sought) -> Iterator[tuple[str, str]]:
    if array.dtype.kind == "f" and array.ndim > 1:
        flat = np.asarray(array, np.float32).reshape(len(array), -1)
        for what, row in sought.rows.items():
            if flat.shape[1] == len(row) and (places := np.flatnonzero(np.isclose(flat, row, rtol=1e-5, atol=0).all(axis=1))).size:
                yield f"{where}row {places[0]}", what
    elif array.dtype.kind in "US" and array.ndim == 0:
        yield from _in_text(str(array), sought)
    elif array.dtype.kind in "US" or (array.dtype.kind in "iu" and array.ndim == 1):
        yield from _in_column(where, name, array.astype(str).ravel().tolist(), sought)


def _in_column(where: str, name: str, values: Sequence[Any], sought: _Sought) -> Iterator[tuple[str, str]]:
    texts: dict[str, int] = {}
    for place, value in enumerate(values):
        if value is not None:
            texts.setdefault(str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip(), place)
    for side, ids in sought.of(name):
        for one in sorted(ids & texts.keys()):
            yield f"{where}row {texts[one]}", f"{side} {one}"


def _in_table(where: str, columns: Mapping[str, Sequence[Any]], sought: _Sought) -> Iterator[tuple[str, str]]:
    """Cells of the columns that are about users or items; if there are none, of all; and the texts of the others."""
    about = [name for name in columns if sought.named(name)] or list(columns)
    for name, values in columns.items():
        if name in about:
            yield from _in_column(f"{where}column {name}, ", name, values, sought)
        else:
            texts = [value if isinstance(value, str) else "" for value in values]
            for line, what in _in_lines(texts, sought):
                yield f"{where}column {name}, {line.replace('line', 'row')}", what


def _in_database(raw: bytes, sought: _Sought) -> Iterator[tuple[str, str]]:
    connection = sqlite3.connect(":memory:")
    try:
        # A copy in memory has no log of its own beside it; that file is looked at by itself.
        connection.deserialize(raw[:18] + b"\1\1" + raw[20:])
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            quoted = '"' + table.replace('"', '""') + '"'
            cursor = connection.execute(f"SELECT * FROM {quoted}")
            columns = [one[0] for one in cursor.description]
            rows = cursor.fetchall()
            values = {column: [row[place] for row in rows] for place, column in enumerate(columns)}
            yield from _in_table(f"table {table}, ", values, sought)
    except sqlite3.DatabaseError as error:
        raise DataError(f"the database can't be read ({error})") from error
    finally:
        connection.close()


def _tensors(raw: bytes) -> dict[str, np.ndarray] | None:
    """The arrays of a safetensors file; None for anything else."""
    size = int.from_bytes(raw[:8], "little")
    if not 2 <= size <= len(raw) - 8 or raw[8:9] != b"{":
        return None
    try:
        header = json.loads(raw[8 : 8 + size])
        found = {}
        for name, told in header.items():
            if name != "__metadata__" and told["dtype"] in _DTYPES:
                start, end = told["data_offsets"]
                found[name] = np.frombuffer(raw[8 + size + start : 8 + size + end], _DTYPES[told["dtype"]]).reshape(told["shape"])
    except (ValueError, KeyError, TypeError):
        return None
    return found


def _in_text(text: str, sought: _Sought) -> Iterator[tuple[str, str]]:
    """Tables by their columns, JSON lines by their names, everything else by words."""
    lines = text.splitlines()
    separator = next((sign for sign in ("\t", ";", ",", "|") if lines and sign in lines[0]), ",")
    names = [cell.strip().strip('"').partition(":")[0] for cell in lines[0].split(separator)] if lines else []
    columns = {side: place for side in _SIDES if (place := _column(names, side)) is not None}
    if columns:
        rows = [line.split(separator) for line in lines[1:]]
        for side, place in columns.items():
            cells = [row[place].strip().strip('"') if place < len(row) else None for row in rows]
            yield from _in_column(f"column {names[place]}, ", side, cells, sought)
        return
    yield from _in_lines(lines, sought)


def _in_lines(lines: Sequence[str], sought: _Sought) -> Iterator[tuple[str, str]]:
    """JSON by its names, everything else by words; the first line of each id."""
    text = "\n".join(lines)
    words = {(side, one): re.compile(rf"(?<![\w.-]){re.escape(one)}(?![\w-]|\.\d)") for side, one in sought.words() if one in text}
    for number, line in enumerate(lines, 1) if words else ():
        cells = _of_json(line)
        for (side, one), word in list(words.items()):
            if (sought.text and word.search(line)) if cells is None else _in_cells(cells, side, one, word if sought.text else None):
                del words[side, one]
                yield f"line {number}", f"{side} {one}"


def _of_json(line: str) -> list[tuple[str, Any]] | None:
    """(name, value) of everything in a line of JSON; None for another one."""
    if line.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None

    def walk(name: str, part: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(part, dict):
            for key, inner in part.items():
                yield from walk(key, inner)
        elif isinstance(part, list):
            for inner in part:
                yield from walk(name, inner)
        else:
            yield name, part

    return list(walk("", value))


def _in_cells(cells: Sequence[tuple[str, Any]], side: str, one: str, word: re.Pattern[str] | None) -> bool:
    """Whether a value that is of users or of items is the id, or a text has it as a word; other numbers count something."""
    for name, value in cells:
        if _column([name], side) is not None:
            if str(value).strip() == one:
                return True
        elif word is not None and isinstance(value, str) and word.search(value):
            return True
    return False


def _column(names: Sequence[str], side: str) -> int | None:
    try:
        return find_column(names, side, side)
    except DataError:
        return None  # several may be it: looked at as a text


def _in_bytes(raw: bytes, sought: _Sought) -> Iterator[tuple[str, str]]:
    if not sought.text:
        return
    for side, one in sought.words(shortest=SHORTEST_WORD):
        for encoding in ("utf-8", "utf-16-le", "utf-32-le"):
            if (place := raw.find(one.encode(encoding))) >= 0:
                yield f"byte {place}", f"{side} {one}"
                break
