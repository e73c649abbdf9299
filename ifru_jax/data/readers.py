"""Reads interactions from files and frames.

CSV, TSV, RecBole's `.inter`, other text, JSON lines and Parquet, also packed; `docs/data.md` lists them. `user` and `item`
are needed, `rating` and `timestamp` are taken where they are, by all the names that the field gives them. polars reads the
files and is imported only then; a pandas or polars frame comes in through `from_frame`, plain arrays through
`Interactions.from_arrays`. What the steps on the way are, `ifru_jax.data.reading` says.

>>> import pandas as pd
>>> from_frame(pd.DataFrame({"user": ["ann", "bob"], "item": [7, 7], "stars": [4.0, 1.5]}))
Interactions(2 of 2 users with 1 items)
"""

from pathlib import Path
from typing import Any, Unpack

import numpy as np

from ifru_jax.data.doubts import on_columns, on_unrated, refuse_kinds, refuse_names
from ifru_jax.data.filters import compact
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.notes import DuplicateWarning, tell, tell_of_duplicates
from ifru_jax.data.reading.columns import find_columns, missing_column
from ifru_jax.data.reading.duplicates import latest
from ifru_jax.data.reading.formats import read_table
from ifru_jax.data.reading.options import FrameOptions, Reading, ReadOptions, frame_reading, listed
from ifru_jax.data.reading.table import Table, table_of
from ifru_jax.data.reading.values import values_of
from ifru_jax.errors import DataError, DataWarning

__all__ = ["DataWarning", "DuplicateWarning", "from_frame", "read_interactions"]


def read_interactions(path: str | Path, **options: Unpack[ReadOptions]) -> Interactions:
    """Reads a file with one interaction per row, or a folder of such files.

    A column answers to its name in any case, with or without `_id` behind it (`user`, `User`, `user_id`, `userId`), and to
    other names that are known (`docs/data.md`). Ids that are all whole numbers become integers, other ids stay texts. Without
    a rating column the data is implicit and every label is 1. Of several rows of a user with an item the one with the latest
    time stays, or without times the last one.

    Args:
      path: a file whose name ends in .csv, .tsv, .inter, .jsonl, .parquet, .txt, .dat or .data, also packed (.gz, .bz2, .xz, or
        .zip with one file in it); a file of any name with `format`; or a folder.
      options: those of `ReadOptions`, such as user="customer", rating=None, columns=("user", "item", "rating", "timestamp") for a
        file without a header, separator="::", encoding="latin-1", unrated=0.

    Returns:
      Interactions with ratings as labels, timestamps in seconds, users and items numbered in the order of their ids.

    Raises:
      DataError: a missing, empty or unreadable file, an unknown kind of file, a missing column, a missing, negative or
        non-numeric entry, or rows of one pair of different kinds, such as purchase and play. The message names the line, in
        Parquet the row, counted from 0. Also when polars is not installed.

    Warns:
      DuplicateWarning: with the number of rows that were dropped.
      DataWarning: columns that may be the rating and were not taken; timestamps that were read as milliseconds; zeros that look
        like no ratings.
    """
    reading = Reading(**options)
    return _interactions(read_table(path, reading), reading, source=str(path))


def from_frame(frame: Any, **options: Unpack[FrameOptions]) -> Interactions:
    """Interactions of a pandas or polars frame, lazy ones included, or of an Arrow table, one per row.

    Names, values, errors and warnings are those of `read_interactions`; rows are counted from 0. Dates become seconds since 1970.

    Args:
      frame: the frame.
      options: those of `ReadOptions` that are not about files, of `FrameOptions`.
    """
    return _interactions(table_of(frame), frame_reading(**options), source="the frame")


def _interactions(table: Table, reading: Reading, source: str) -> Interactions:
    try:
        if not table.size:
            raise DataError(f"there are no rows below the columns {listed(table.names)}: give at least one interaction.")
        columns = find_columns(table.names, reading)
        for kind in ("user", "item"):
            if vars(columns)[kind] is None:
                raise missing_column(table.names, kind, text=table.lines is not None)
        places = {kind: vars(columns)[kind] for kind in ("user", "item", "rating", "timestamp")}
        cells = {kind: table.cells(place) for kind, place in places.items() if place is not None}
        refuse_names(table, columns, cells)
        values, notes = values_of(cells, missing=reading.missing, decimal=reading.decimal)
        data = Interactions(**values)
        kept = np.arange(len(data)) if reading.unrated is None else np.flatnonzero(data.labels != reading.unrated)
        if not len(kept):
            raise DataError(f"all ratings are {reading.unrated}, the one that unrated= drops: nothing is left.")
        data = _without_rows(data, kept)
        timed = data.timestamps is not None and reading.duplicates == "latest"
        stays = latest(data.users, data.items, data.timestamps if timed else None)
        if columns.rating is not None and reading.duplicates == "latest" and len(stays) < len(data):
            refuse_kinds(table, columns, data, kept, stays)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    if len(kept) < table.size:
        notes.append(f"{table.size - len(kept)} of {table.size} rows have the rating {reading.unrated} and were dropped")
    for note in (*notes, *on_columns(table, columns, reading), *on_unrated(data)):
        tell(f"{source}: {note}.")
    tell_of_duplicates(f"{source}: ", len(data), len(stays), timed=timed)
    return data if len(stays) == len(data) else data.select(stays)


def _without_rows(data: Interactions, kept: np.ndarray) -> Interactions:
    """The interactions at these places, in tables of the users and items that they have."""
    return data if len(kept) == len(data) else compact(data.select(kept))
