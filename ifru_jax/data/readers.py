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

from ifru_jax.data.corrections import row_name
from ifru_jax.data.filters import compact
from ifru_jax.data.interactions import Interactions, of_cells, tell_of_duplicates
from ifru_jax.data.notes import DuplicateWarning, tell
from ifru_jax.data.pair_keys import pair_keys
from ifru_jax.data.reading.columns import KINDS, Columns, find_columns, missing_column, rating_names
from ifru_jax.data.reading.duplicates import latest
from ifru_jax.data.reading.formats import read_table
from ifru_jax.data.reading.options import FrameOptions, Reading, ReadOptions, folded, frame_reading, listed
from ifru_jax.data.reading.table import Table, table_of
from ifru_jax.errors import DataError, DataWarning

__all__ = ["DataWarning", "DuplicateWarning", "from_frame", "read_interactions"]

_FEW_KINDS = 20  # distinct texts of a column that may say of which kind an interaction is
_SCALE = range(3, 21)  # ratings above 0 that make a scale: up to ten stars in halves
_OFTEN = 5  # times as many zeros as lowest ratings are no ratings


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
                raise missing_column(table.names, kind)
        places = {kind: vars(columns)[kind] for kind in ("user", "item", "rating", "timestamp")}
        cells = {kind: table.cells(place) for kind, place in places.items() if place is not None}
        data, notes = of_cells(cells, missing=reading.missing, decimal=reading.decimal)
        kept = np.arange(len(data)) if reading.unrated is None else np.flatnonzero(data.labels != reading.unrated)
        if not len(kept):
            raise DataError(f"all ratings are {reading.unrated}, the one that unrated= drops: nothing is left.")
        data = _without_rows(data, kept)
        timed = data.timestamps is not None and reading.duplicates == "latest"
        stays = latest(data.users, data.items, data.timestamps if timed else None)
        if columns.rating is not None and reading.duplicates == "latest" and len(stays) < len(data):
            _refuse_kinds(table, columns, data, kept, stays)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    if len(kept) < table.size:
        notes.append(f"{table.size - len(kept)} of {table.size} rows have the rating {reading.unrated} and were dropped")
    for note in (*notes, *_on_columns(table, columns, reading), *_on_unrated(data)):
        tell(f"{source}: {note}.")
    tell_of_duplicates(f"{source}: ", len(data), len(stays), timed=timed)
    return data if len(stays) == len(data) else data.select(stays)


def _without_rows(data: Interactions, kept: np.ndarray) -> Interactions:
    """The interactions at these places, in tables of the users and items that they have."""
    return data if len(kept) == len(data) else compact(data.select(kept))


def _on_columns(table: Table, columns: Columns, reading: Reading) -> list[str]:
    left = [table.names[place] for place in columns.left if table.names[place]]
    if reading.rating is None or not left:
        return []
    if columns.rating is None:
        return [
            f"no column is known to be the rating, so every label is 1; {listed(left)} were ignored: "
            "rating= takes one of them, rating=None none"
        ]
    others = [name for name in left if name in rating_names(left)]
    if not others or reading.rating != "rating":
        return []
    return [f"{table.names[columns.rating]!r} was taken for the rating, {listed(others)} ignored: rating= chooses"]


def _on_unrated(data: Interactions) -> list[str]:
    """A hint where 0, or −1, looks like "not rated" rather than like the lowest rating."""
    distinct, counts = np.unique(data.labels, return_counts=True)
    if len(distinct) - 1 not in _SCALE or distinct[0] not in (0, -1) or distinct[1] <= 0:
        return []
    step = np.diff(distinct[1:]).min()
    if distinct[0] == 0 and distinct[1] < 2 * step and counts[0] < _OFTEN * counts[1]:
        return []
    lowest = f"{distinct[0]:g}"
    return [
        f"{counts[0]} of {len(data)} ratings are {lowest}, and the next is {distinct[1]:g}: if {lowest} means that there is "
        f"no rating, drop these rows by unrated={lowest}"
    ]


def _refuse_kinds(table: Table, columns: Columns, data: Interactions, kept: np.ndarray, stays: np.ndarray) -> None:
    """Refuses a row that gives way to one with another label and of another kind, such as purchase to play.

    A column of a few texts says of which kind a row is; where there are times, only one that is called so.

    Args:
      table, columns: as they were read.
      data: the interactions of the rows at `kept`.
      stays: places of the interactions that stay, one per pair.

    Raises:
      DataError: with the column, the two kinds and the pair.
    """
    keys = pair_keys(data.users, data.items, data.num_items)
    by_key = stays[np.argsort(keys[stays])]
    gone = np.delete(np.arange(len(data)), stays)
    winner = by_key[np.searchsorted(keys[by_key], keys[gone])]
    other_label = data.labels[gone] != data.labels[winner]
    for place in columns.left if other_label.any() else ():
        cells = table.cells(place)
        named = folded(table.names[place]) in KINDS
        if not isinstance(cells.values, list) or len(cells.values) > _FEW_KINDS or not (named or data.timestamps is None):
            continue
        kinds = cells.codes[kept]
        rows = np.flatnonzero(other_label & (kinds[gone] != kinds[winner]))
        if rows.size:
            row = gone[rows[0]]
            shown = " and ".join(repr((*cells.values, None)[kinds[at]]) for at in (row, winner[rows[0]]))
            user, item = row_name(int(data.users[row]), data.user_ids), row_name(int(data.items[row]), data.item_ids)
            raise DataError(
                f"the rows of user {user} with item {item} are of the kinds {shown} in the column {table.names[place]!r} and have "
                f"different ratings ({rows.size} such rows): give the rows of one kind only, or rating=None, or "
                'duplicates="last", which takes the last one whatever its kind.'
            )
