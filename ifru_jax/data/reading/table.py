"""A table: what a format or a frame becomes, before anybody asks what its columns mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.data.reading.cells import Cells, cells_of, library_of
from ifru_jax.errors import DataError


@dataclass(frozen=True, eq=False)
class Table:
    """Columns side by side.

    Attributes:
      names: of the columns; "" for one that is to be ignored.
      columns: polars or pandas Series, or sequences of Python values, [n] each.
      size: n.
      lines: int [n], the line of a text file each row stands on, from 1; None where rows are counted from 0.
    """

    names: Sequence[str]
    columns: Sequence[Any]
    size: int
    lines: np.ndarray | None = None

    def cells(self, place: int) -> Cells:
        """The cells of one column."""
        return cells_of(self.columns[place], self.lines)


def table_of(frame: Any) -> Table:
    """The table of a pandas or polars frame, lazy ones included, or of an Arrow table.

    Raises:
      DataError: anything else.
    """
    library = library_of(frame)
    if library == "polars" and type(frame).__name__ == "LazyFrame":
        frame = frame.collect()
    elif library is None and hasattr(frame, "__arrow_c_stream__"):
        polars = needed("polars", "Arrow tables need polars", extra="data")
        try:
            frame = polars.DataFrame(frame)
        except polars.exceptions.PolarsError as error:
            raise DataError(f"the Arrow table can't be taken ({error}): give each column a name of its own.") from error
    elif library is None or not hasattr(frame, "columns"):
        raise DataError(
            f"from_frame takes a pandas or polars frame or an Arrow table, got {type(frame).__name__}: "
            "give arrays to Interactions.from_arrays and files to read_interactions."
        )
    names = [str(name) for name in frame.columns]
    columns = frame.get_columns() if library != "pandas" else [frame.iloc[:, place] for place in range(len(names))]
    return Table(names, columns, len(frame))
