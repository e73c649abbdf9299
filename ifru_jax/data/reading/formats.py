"""Which format a file has, and the table in it: by the end of its name, by its content, or as the caller says."""

import io
from pathlib import Path
from typing import Any

from ifru_jax.data.extras import needed
from ifru_jax.data.notes import tell
from ifru_jax.data.reading.cells import library_of
from ifru_jax.data.reading.files import PACKED, content_of, files_of
from ifru_jax.data.reading.json_lines import json_table
from ifru_jax.data.reading.options import Format, Reading, listed
from ifru_jax.data.reading.table import Table
from ifru_jax.data.reading.text import adjacency_table, comma_or_other, decoded, text_table
from ifru_jax.errors import DataError

# None: the content decides.
SUFFIXES: dict[str, Format | None] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".inter": "inter",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": None,
    ".dat": None,
    ".data": None,
}
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_KINDS = f"{', '.join(SUFFIXES)}, also packed ({', '.join(PACKED)}, .zip)"


def read_table(path: str | Path, reading: Reading) -> Table:
    """The table of a file, or of all files of a folder, one below the other.

    Raises:
      DataError: nothing of that name, a file that can't be read or is none of the formats; the message names the file. Also
        when polars is not installed.
    """
    path = Path(path)
    files = files_of(path)
    tables = [_table(file, reading) for file in files]
    if path.is_file():
        return tables[0]
    tables = [_with_partition(table, file.relative_to(path)) for file, table in zip(files, tables, strict=True)]
    for file, table in zip(files, tables, strict=True):
        if table.names != tables[0].names:
            raise DataError(
                f"{file}: has the columns {listed(table.names)}, but {files[0]} has {listed(tables[0].names)}: "
                "give files that are alike."
            )
    columns = [_joined(parts) for parts in zip(*(table.columns for table in tables), strict=True)]
    return Table(tables[0].names, columns, sum(table.size for table in tables))


def _with_partition(table: Table, path: Path) -> Table:
    """The table with what the folders of a partition say, such as `year=2020/part-0.parquet`, in columns of their own."""
    parts = [part.partition("=") for part in path.parts[:-1] if "=" in part]
    return Table(
        [*table.names, *(name for name, _, _ in parts)],
        [*table.columns, *([None if value == _NO_VALUE else value] * table.size for _, _, value in parts)],
        table.size,
    )


def _joined(parts: tuple[Any, ...]) -> Any:
    """The parts of a column one after the other; what is of different kinds, as Python values."""
    if library_of(parts[0]) == "polars" and len({str(part.dtype) for part in parts if library_of(part)}) == 1:
        return needed("polars", "reading folders needs polars", extra="data").concat(parts)
    return [value for part in parts for value in part]


def is_file_name(name: str) -> bool:
    """Whether a name ends as files do that can be read."""
    path = Path(name.lower())
    return (Path(path.stem) if path.suffix in PACKED else path).suffix in {*SUFFIXES, ".zip"}


def _table(path: Path, reading: Reading) -> Table:
    suffix = path.suffix.lower()
    suffix = Path(path.stem).suffix.lower() if suffix in PACKED else suffix
    if reading.format is None and suffix not in SUFFIXES and suffix != ".zip":
        raise DataError(f"{path}: unknown kind of file {suffix!r}: give a file ending in {_KINDS}, or say by format= what it is.")
    name, raw = content_of(path)
    try:
        return _table_of_bytes(raw, _format(name, raw, reading), reading)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _format(name: str, raw: bytes, reading: Reading) -> Format:
    suffix = Path(name).suffix.lower()
    if reading.format is not None:
        return reading.format
    if suffix not in SUFFIXES:
        raise DataError(f"unknown kind of file {suffix!r}: give a file ending in {_KINDS}, or say by format= what it is.")
    known = SUFFIXES[suffix]
    if known is not None:
        return known
    if raw.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if raw.lstrip()[:1] in (b"{", b"[") else "text"


def _table_of_bytes(raw: bytes, form: Format, reading: Reading) -> Table:
    if form == "parquet":
        return _parquet(raw)
    text = decoded(raw, reading.encoding)
    if form == "jsonl":
        return json_table(text)
    if form == "adjacency":
        table, without = adjacency_table(text)
        if without:
            tell(f"{without} lines name a user without items: these users are not in the data.")
        return table
    separators = {"tsv": "\t", "inter": "\t", "csv": comma_or_other(text, reading.decimal), "text": None}
    return text_table(text, reading, reading.separator or separators[form])


def _parquet(raw: bytes) -> Table:
    polars = needed("polars", "reading files needs polars", extra="data")
    try:
        frame: Any = polars.read_parquet(io.BytesIO(raw))
    except (polars.exceptions.PolarsError, OSError, polars.exceptions.PanicException) as error:
        raise DataError(f"can't be read as Parquet ({_first_line(error)}): write or copy it again.") from error
    return Table(frame.columns, frame.get_columns(), len(frame))


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
