"""Cells of studies, and which of them are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.records import environment
from experiments.run.models import ModelName
from ifru_jax.errors import DataError

# The two models of the paper.
PAPER: tuple[tuple[ModelName, int], ...] = (("mf", 0), ("lightgcn", 1))


class Named(Protocol):
    """A cell."""

    @property
    def name(self) -> str:
        """Data set, model and request."""
        ...


C = TypeVar("C", bound=Named)


@dataclass(frozen=True)
class ModelCell:
    """Data and a model, with 2 % of flipped labels."""

    dataset: str
    model: ModelName
    layers: int

    @property
    def name(self) -> str:
        return f"{self.dataset}_{self.model}" + (f"-{self.layers}" if self.layers else "")


def chosen(cells: Sequence[C], only: str) -> list[C]:
    """Those whose name contains it.

    Raises:
      DataError: none does.
    """
    found = [cell for cell in cells if only in cell.name]
    if not found:
        raise DataError(f"no cell has {only!r} in its name: choose among {', '.join(cell.name for cell in cells)}.")
    return found


def missing(cells: Sequence[C], only: str, path: Path) -> list[C]:
    """Those of them that have no line in a file.

    Raises:
      DataError: no cell's name contains it.
    """
    done = {line["cell"] for _, line in read_lines(path)}
    return [cell for cell in chosen(cells, only) if cell.name not in done]


def append_cell(path: Path, cell: Named, lines: Sequence[dict[str, Any]]) -> None:
    """Appends all lines of a cell, which so counts as done only when it is complete; the first says where they were measured."""
    for number, line in enumerate(lines):
        append_line(path, {"cell": cell.name} | line | ({} if number else {"environment": environment()}))
