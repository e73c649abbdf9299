"""Warnings about data, at the caller's line whatever the depth of what warns."""

import sys
import warnings
from pathlib import Path

from ifru_jax.errors import DataWarning

_PACKAGE = str(Path(__file__).parents[1])


class DuplicateWarning(DataWarning):
    """Several rows of the same user and item came in; one of them was kept."""


def tell(message: str, category: type[DataWarning] = DataWarning) -> None:
    """Warns at the first line of the stack that is not of the package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def tell_of_duplicates(source: str, rows: int, kept: int, *, timed: bool) -> None:
    """Warns where fewer rows were kept than came in. `source`: how the message begins."""
    if kept < rows:
        which = "with the latest time" if timed else "that came last"
        tell(f"{source}{rows - kept} of {rows} rows repeat a user and item; of each the one {which} was kept.", DuplicateWarning)
