"""The row groups of Parquet files: what is read at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.data.reading.cells import Cells, cells_of
from ifru_jax.data.reading.files import files_of
from ifru_jax.data.reading.options import listed
from ifru_jax.errors import DataError

Found = TypeVar("Found")


@dataclass(frozen=True)
class RowGroup:
    """Some rows of a file.

    Attributes:
      path: the file.
      number: of the group within it, from 0.
      size: rows.
    """

    path: Path
    number: int
    size: int

    def __str__(self) -> str:
        return f"{self.path}, row group {self.number}"

    def cells(self, columns: Mapping[str, str]) -> dict[str, Cells]:
        """The cells of these columns (name by kind); rows are counted from 0 within the group.

        Raises:
          DataError: it can't be read; the message names file and row group.
        """
        parquet, polars = _parquet(), needed("polars", "reading files needs polars", extra="data")

        def read() -> dict[str, Cells]:
            with parquet.ParquetFile(self.path) as file:
                table = file.read_row_group(self.number, columns=list(columns.values()))
            return {kind: cells_of(polars.from_arrow(table[name])) for kind, name in columns.items()}

        return _readable(str(self), read)

    def checked(self, read: Callable[[], Found]) -> Found:
        """What `read` gives; its errors name file and row group."""
        try:
            return read()
        except DataError as error:
            raise DataError(f"{self}: {error}") from error


def row_groups(path: str | Path) -> tuple[list[RowGroup], list[str]]:
    """The row groups of a file, or of all files of a folder in the order of their names, and the names of their columns.

    Raises:
      DataError: nothing of that name, files that are no Parquet or not alike, no rows, or pyarrow is not installed.
    """
    parquet, files = _parquet(), files_of(Path(path))
    groups: list[RowGroup] = []
    names: list[str] = []
    for file in files:
        metadata = _readable(str(file), lambda file=file: parquet.read_metadata(file))
        found = list(metadata.schema.to_arrow_schema().names)
        names = names or found
        if found != names:
            raise DataError(
                f"{file}: has the columns {listed(found)}, but {files[0]} has {listed(names)}: give files that are alike."
            )
        sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
        groups += [RowGroup(file, number, size) for number, size in enumerate(sizes) if size]
    if not groups:
        raise DataError(f"{path}: there are no rows: give at least one interaction.")
    return groups, names


def share_of(groups: Sequence[RowGroup], index: int, count: int) -> list[RowGroup]:
    """The groups of process `index` of `count`: those whose middle lies in its part of all rows; each is of one process.

    Raises:
      DataError: no such process, or no group for it.
    """
    if not 0 <= index < count:
        raise DataError(f"process_index is {index} of {count} processes: give one from 0 to {count - 1}.")
    ends = np.cumsum([group.size for group in groups], dtype=np.int64)
    part = (2 * ends - [group.size for group in groups]) * count // (2 * ends[-1])
    found = [group for group, of in zip(groups, part, strict=True) if of == index]
    if not found:
        raise DataError(
            f"process {index} of {count} has none of {len(groups)} row groups: write smaller ones, or take fewer processes."
        )
    return found


def _parquet() -> Any:
    return needed("pyarrow.parquet", "reading Parquet by row groups needs pyarrow", extra="large")


def _readable(name: str, read: Callable[[], Found]) -> Found:
    arrow = needed("pyarrow", "reading Parquet by row groups needs pyarrow", extra="large")
    try:
        return read()
    except (arrow.ArrowException, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{name}: can't be read as Parquet ({reason}): write or copy it again.") from error
