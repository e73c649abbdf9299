"""Which cells of a study are asked for."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from ifru_jax.errors import DataError


class Named(Protocol):
    """A cell."""

    @property
    def name(self) -> str:
        """Data set, model and request."""
        ...


C = TypeVar("C", bound=Named)


def chosen(cells: Sequence[C], only: str) -> list[C]:
    """Those whose name contains it.

    Raises:
      DataError: none does.
    """
    found = [cell for cell in cells if only in cell.name]
    if not found:
        raise DataError(f"no cell has {only!r} in its name: choose among {', '.join(cell.name for cell in cells)}.")
    return found
