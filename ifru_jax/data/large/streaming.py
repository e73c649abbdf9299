"""Interactions of Parquet files of any size: ids in a first pass, rows in a second, a row group in memory at a time.

    into/user_ids.npy, item_ids.npy         distinct ids, ascending, of all files
    into/vocabulary.json                    of which files they are; written last
    into/rows-0-of-2/users.npy, …           int32 rows, labels and times of the row groups of a process

The arrays of what comes back stay on disk and are read as they are used (`numpy.memmap`). What is in `into` already is used again.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.large.row_groups import RowGroup, row_groups, share_of
from ifru_jax.data.large.vocabulary import MOST, write_vocabulary
from ifru_jax.data.notes import tell
from ifru_jax.data.reading.cells import Cells
from ifru_jax.data.reading.columns import find_columns, missing_column
from ifru_jax.data.reading.ids import ids
from ifru_jax.data.reading.numbers import numbers
from ifru_jax.data.reading.options import Reading
from ifru_jax.data.reading.times import times
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic

_SIDES = ("user", "item")
_DESCRIBED = "vocabulary.json"


class StreamOptions(TypedDict, total=False):
    """Those of `ReadOptions` that can be said of typed columns."""

    user: str
    item: str
    rating: str | None
    timestamp: str | None
    missing: tuple[str, ...]


def stream_interactions(
    path: str | Path,
    into: str | Path,
    *,
    process_index: int = 0,
    process_count: int = 1,
    most: int = MOST,
    **options: Unpack[StreamOptions],
) -> Interactions:
    """The interactions of a Parquet file, or of a folder of them, or a share of them, in arrays on disk.

    Users and items are numbered in the order of their ids, as `read_interactions` does, over all files, whatever the share. All
    rows are kept, also several of one user with one item: `drop_duplicates` needs them in memory. The folder is a copy of the data,
    which no request reaches: remove it once the model is trained.

    Args:
      path: the file or folder.
      into: folder for the arrays, made if it isn't there. Processes may share one.
      process_index, process_count: whose share of the row groups, such as `jax.process_index()` of `jax.process_count()`. Process 0
        makes the vocabulary; the others are to be called when it is there.
      most: ids that are held in memory at a time.
      options: those of `StreamOptions`, as of `read_interactions`.

    Raises:
      DataError: what `read_interactions` refuses, with file and row group; a folder that holds other data; no vocabulary yet; fewer
        row groups than processes; pyarrow or polars is not installed.
    """
    reading, into = Reading(**options), Path(into)
    groups, names = row_groups(path)
    share = share_of(groups, process_index, process_count)
    columns = _columns(names, reading)
    described = _described(groups, Path(path), columns, reading)
    into.mkdir(parents=True, exist_ok=True)
    known = into / _DESCRIBED
    if not known.exists() and process_index:
        raise DataError(
            f"there is no vocabulary in {into} yet: process 0 makes it, and process {process_index} is to wait until then."
        )
    if known.exists() and json.loads(known.read_text()) != described:
        raise DataError(f"{into} holds the vocabulary of other files or columns: give an empty folder, or remove it.")
    if not known.exists():
        for side in _SIDES:
            write_vocabulary(into / f"{side}_ids.npy", _chunks(groups, side, columns, reading), most=most)
        write_atomic(known, json.dumps(described))
    tables = {side: np.load(into / f"{side}_ids.npy", mmap_mode="r") for side in _SIDES}
    rows = into / f"rows-{process_index}-of-{process_count}"
    if not rows.exists():
        _write_rows(rows, share, tables, columns, reading)
    arrays: dict[str, Any] = {file.stem: np.load(file, mmap_mode="r") for file in sorted(rows.glob("*.npy"))}
    user_ids, item_ids = (tables[side] for side in _SIDES)
    return Interactions(**arrays, num_users=len(user_ids), num_items=len(item_ids), user_ids=user_ids, item_ids=item_ids)


def _columns(names: list[str], reading: Reading) -> dict[str, str]:
    """Names of the columns by kind."""
    found = vars(find_columns(names, reading))
    for side in _SIDES:
        if found[side] is None:
            raise missing_column(names, side, text=False)
    return {kind: names[found[kind]] for kind in (*_SIDES, "rating", "timestamp") if found[kind] is not None}


def _described(groups: list[RowGroup], path: Path, columns: Mapping[str, str], reading: Reading) -> dict[str, Any]:
    """What arrays are made of."""
    files = dict.fromkeys(group.path for group in groups)
    stats = [[str(file.relative_to(path) if path.is_dir() else file.name), *_size_and_time(file)] for file in files]
    return {"files": stats, "columns": dict(columns), "missing": list(reading.missing)}


def _size_and_time(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _chunks(groups: list[RowGroup], side: str, columns: Mapping[str, str], reading: Reading) -> Iterator[np.ndarray]:
    """The distinct ids of every row group."""
    first: tuple[str, RowGroup] | None = None
    for group in groups:
        cells = group.cells({side: columns[side]})[side]
        found = group.checked(lambda cells=cells: ids(cells, side, reading.missing)[0])
        # What looks like 7.0 among numbers is 7, and among texts itself: it has to be the one or the other in all row groups.
        unusual = found.dtype.kind == "i" and isinstance(cells.values, list) and {*map(str, found)} != {*map(str, cells.values)}
        kind = "numbers" if unusual else "texts" if found.dtype.kind == "U" else ""
        if kind and first and first[0] != kind:
            other = f"{side} ids are {kind}, but {first[0]} in {first[1]}"
            raise DataError(f"{group}: {other}: write them alike, as a column of integers or of texts.")
        first = first or ((kind, group) if kind else None)
        yield found


def _write_rows(
    folder: Path, groups: list[RowGroup], tables: Mapping[str, np.ndarray], columns: Mapping[str, str], reading: Reading
) -> None:
    """The arrays of these row groups; the folder is there when all of them are."""
    total, partial = sum(group.size for group in groups), folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    kinds = {"users": np.int32, "items": np.int32, "labels": np.float32}
    kinds |= {"timestamps": np.float64} if "timestamp" in columns else {}
    arrays = {
        name: np.lib.format.open_memmap(partial / f"{name}.npy", mode="w+", dtype=dtype, shape=(total,))
        for name, dtype in kinds.items()
    }
    try:
        at, unit = 0, ""
        for group in groups:
            cells = group.cells(columns)
            found, unit_here = group.checked(lambda cells=cells: _values(cells, tables, reading))
            if at and unit_here != unit:
                other = f"timestamps are {unit_here or 'seconds'}, but {unit or 'seconds'} in {groups[0]}"
                raise DataError(f"{group}: {other}: give all in seconds.")
            unit = unit_here
            for name, values in found.items():
                arrays[name][at : at + group.size] = values
            at += group.size
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for array in arrays.values():
        array.flush()
    os.replace(partial, folder)
    if unit:
        tell(f"the timestamps were read as {unit}.")


def _values(cells: Mapping[str, Cells], tables: Mapping[str, np.ndarray], reading: Reading) -> tuple[dict[str, np.ndarray], str]:
    """The columns of some rows, and what their times count, "" for seconds."""
    missing = reading.missing
    found = {f"{side}s": _rows(tables[side], *ids(cells[side], side, missing)) for side in _SIDES}
    size = len(cells["user"])
    found["labels"] = numbers(cells["rating"], "rating", missing=missing) if "rating" in cells else np.ones(size)
    if "timestamp" not in cells:
        return found, ""
    found["timestamps"], note = times(cells["timestamp"], missing=missing)
    return found, note.rpartition(" read as ")[2]


def _rows(table: np.ndarray, distinct: np.ndarray, places: np.ndarray) -> np.ndarray:
    """int32 [n]: the row of each id in the vocabulary."""
    return np.searchsorted(table, distinct.astype(table.dtype)).astype(np.int32)[places]
