"""Reads interactions from files and frames.

CSV, TSV (both also gzipped), Parquet and RecBole's `.inter` files have named columns; `user` and `item` are needed,
`rating` and `timestamp` are taken where they are. polars reads the files and is imported only then; a pandas or polars
frame comes in through `from_frame`, plain arrays through `Interactions.from_arrays`.

>>> import pandas as pd
>>> from_frame(pd.DataFrame({"user": ["ann", "bob"], "item": [7, 7], "rating": [4.0, 1.5]}))
Interactions(2 of 2 users with 1 items)
"""

import gzip
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.data.filters import drop_duplicates
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}
FORMS = ".csv, .csv.gz, .tsv, .tsv.gz, .inter, .inter.gz or .parquet"

# Zero-padded numbers ("0345339681" is an ISBN) are names, and 18 digits always fit in 64 bits. pandas writes integers
# as "7.0" where a column once had gaps.
_WHOLE_NUMBER = r"^(-?(?:0|[1-9][0-9]{0,17}))(?:\.0+)?$"


class DuplicateWarning(UserWarning):
    """Several rows of the same user and item were read; the last of them was kept."""


def read_interactions(
    path: str | Path,
    *,
    user: str = "user",
    item: str = "item",
    rating: str | None = "rating",
    timestamp: str | None = "timestamp",
    separator: str | None = None,
) -> Interactions:
    """Reads a file with one interaction per row.

    A column answers to its name in any case, with or without `_id` behind it (`user`, `User`, `user_id`); RecBole's
    `user_id:token` is `user_id`. Ids that are all whole numbers become integers, other ids stay strings. Without a
    rating column the data is implicit and every label is 1. Of several rows of a user with an item the last one wins.

    Args:
      path: a file whose name ends in .csv, .csv.gz, .tsv, .tsv.gz, .inter, .inter.gz or .parquet.
      user, item, rating, timestamp: names of the columns; None for a rating or timestamp column that is to be ignored.
      separator: one character; by default "," for CSV and a tab for TSV and `.inter`.

    Returns:
      Interactions with ratings as labels, timestamps in seconds, users and items numbered in the order of their ids.

    Raises:
      DataError: a missing, empty or unreadable file, an unknown suffix, a missing column, a missing, negative or
        non-numeric entry. Rows are counted from 0, without the header. Also when polars is not installed.

    Warns:
      DuplicateWarning: with the number of rows that were dropped.
    """
    names = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    return _interactions(read_table(path, separator=separator), names, source=str(path))


def from_frame(
    frame: Any, *, user: str = "user", item: str = "item", rating: str | None = "rating", timestamp: str | None = "timestamp"
) -> Interactions:
    """Interactions of a pandas or polars DataFrame, one per row; names, errors and warnings as in `read_interactions`.

    Ids keep their type (integers or strings); dates become seconds since 1970.
    """
    if not any(kind.__name__ == "DataFrame" for kind in type(frame).__mro__):
        raise DataError(
            f"from_frame takes a pandas or polars DataFrame, got {type(frame).__name__}: collect a lazy frame first, "
            "give arrays to Interactions.from_arrays and files to read_interactions."
        )
    names = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    return _interactions(frame, names, source="the frame")


def read_table(path: str | Path, *, separator: str | None = None) -> Any:
    """A polars DataFrame of the file. Of text files every column is a string column, except whole numbers: integers.

    Raises:
      DataError: as `read_interactions`, as far as it is about files.
    """
    path = Path(path)
    suffix = path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix not in SEPARATORS and not path.name.lower().endswith(".parquet"):
        raise DataError(f"{path}: unknown kind of file {path.suffix!r}: give a file ending in {FORMS}.")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file: check the path, relative to {Path.cwd()}.")
    polars = needed("polars", "reading files needs polars")
    if suffix in SEPARATORS:
        return _text_table(polars, path, separator or SEPARATORS[suffix], typed_header=suffix == ".inter")
    try:
        return polars.read_parquet(path)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: can't be read as Parquet ({_first_line(error)}): write or copy it again.") from error


def find_column(columns: list[str], wanted: str, *, required: bool) -> str | None:
    """The column that answers to `wanted`: the same name, else in any case, else with `_id` behind it.

    Raises:
      DataError: a required column that isn't there, or several that answer equally well.
    """
    folded = wanted.lower()
    for answers in (
        [name for name in columns if name == wanted],
        [name for name in columns if name.lower() == folded],
        [name for name in columns if name.lower() == f"{folded}_id"],
    ):
        if len(answers) == 1:
            return answers[0]
        if answers:
            raise DataError(f"several columns answer to {wanted!r}: {answers}; rename all but one.")
    if required:
        raise DataError(
            f'there is no column {wanted!r} among {columns}: name it by an argument, such as user="userId", '
            "or give the separator if the columns were not split."
        )
    return None


def _interactions(frame: Any, names: dict[str, str | None], source: str) -> Interactions:
    try:
        columns = _columns(frame, names)
        data = Interactions.from_arrays(
            columns["user"], columns["item"], columns.get("rating"), timestamps=columns.get("timestamp")
        )
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    kept = drop_duplicates(data)
    if len(kept) < len(data):
        warnings.warn(
            f"{source}: {len(data) - len(kept)} of {len(data)} rows repeat a user and item; the last of each was kept.",
            DuplicateWarning,
            stacklevel=3,
        )
    return kept


def _columns(frame: Any, names: dict[str, str | None]) -> dict[str, np.ndarray]:
    """The columns that are there as arrays [n] without gaps."""
    present = [str(name) for name in frame.columns]
    if len(frame) == 0:
        raise DataError(f"there are no rows below the columns {present}: give at least one interaction.")
    found = {}
    for kind, wanted in names.items():
        # A default name may be absent; a name that somebody chose may not.
        required = kind in ("user", "item") or wanted != kind
        name = None if wanted is None else find_column(present, wanted, required=required)
        if name is not None:
            found[kind] = _column(frame[name], kind)
    return found


def _column(column: Any, kind: str) -> np.ndarray:
    missing = np.asarray(column.isna() if hasattr(column, "isna") else column.is_null())
    if missing.any():
        row, count = np.flatnonzero(missing)[0], missing.sum()
        raise DataError(f"{kind} of row {row} is missing ({count} such): drop these rows or fill in their {kind}s.")
    array = column.to_numpy()
    if array.dtype.kind == "M":
        array = array.astype("datetime64[us]").astype(np.int64) / 1e6
    return array


def _text_table(polars: Any, path: Path, separator: str, *, typed_header: bool) -> Any:
    raw = _read_bytes(path)
    if not raw.strip():
        raise DataError(f"{path}: the file is empty: give a header, such as user,item,rating, and rows.")
    try:
        raw.decode("utf-8")
        frame = polars.read_csv(raw, separator=separator, infer_schema=False)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8.") from error
    except (polars.exceptions.PolarsError, TypeError, ValueError) as error:
        reason = _first_line(error)
        raise DataError(f"{path}: can't be split at {separator!r} ({reason}): give its separator.") from error
    if frame.width > 1:
        frame = frame.filter(~polars.all_horizontal(polars.all().is_null()))  # blank lines are no rows
    names = [header.strip() for header in frame.columns]
    frame.columns = [name.rpartition(":")[0] or name for name in names] if typed_header else names
    return frame.with_columns(_whole_numbers(polars, frame[name]) for name in frame.columns)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.suffix.lower() != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip file is cut off or damaged ({error}): copy or download it again.") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error}): check its permissions.") from error


def _whole_numbers(polars: Any, column: Any) -> Any:
    """A column of strings as integers where all of them are whole numbers."""
    text = column.str.strip_chars()
    if not text.str.contains(_WHOLE_NUMBER).all():
        return text
    return text.str.extract(_WHOLE_NUMBER).cast(polars.Int64)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
