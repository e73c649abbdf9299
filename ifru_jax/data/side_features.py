"""What is known of users or items beside their interactions: fields of numbers, one row per user or item.

A field is a group of columns of which a row holds a mixture with weights that sum to 1 (or to 0, where nothing is known): the
genres of a film, or the two knots around its year. This is the input of a factorisation machine (Rendle, ICDM 2010, §V).

>>> genre = mixture("genre", [["Drama"], ["Comedy", "Drama"], []])
>>> year = between_knots("year", [1995.0, 1987.5, float("nan")], knots=[1980, 1990, 2000])
>>> features = join_fields([genre, year])
>>> features.widths, features.values.tolist()
((2, 3), [[0.0, 1.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.25, 0.75, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from ifru_jax.errors import DataError


@dataclass(frozen=True, eq=False)
class SideFeatures:
    """Fields side by side.

    Attributes:
      names: of the fields.
      widths: columns of each field.
      values: float32 [rows, sum of widths].

    Raises:
      DataError: columns that don't match the widths, or values that are not finite.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if len(self.names) != len(self.widths) or self.values.ndim != 2 or self.values.shape[1] != sum(self.widths):
            raise DataError(
                f"features have shape {self.values.shape} for fields {self.names} of widths {self.widths}: "
                "give one row per user or item and one width per field."
            )
        bad = np.flatnonzero(~np.isfinite(self.values).all(axis=1))
        if bad.size:
            raise DataError(f"the features of row {bad[0]} are not finite ({bad.size} such): leave unknown ones 0.")
        object.__setattr__(self, "values", self.values.astype(np.float32))

    def __len__(self) -> int:
        return len(self.values)

    def select(self, rows: np.ndarray) -> Self:
        """The features of these rows (indices or a mask)."""
        return replace(self, values=self.values[rows])

    def erase(self, rows: np.ndarray) -> Self:
        """The same with nothing known of these rows."""
        if not len(rows):
            return self
        values = self.values.copy()
        values[rows] = 0
        return replace(self, values=values)


def join_fields(fields: Sequence[SideFeatures]) -> SideFeatures:
    """Several fields of the same rows side by side."""
    lengths = {len(field) for field in fields}
    if len(lengths) != 1:
        raise DataError(f"the fields have {sorted(lengths)} rows: give at least one field, all of the same users or items.")
    return SideFeatures(
        names=sum((field.names for field in fields), ()),
        widths=sum((field.widths for field in fields), ()),
        values=np.concatenate([field.values for field in fields], axis=1),
    )


def mixture(name: str, categories: Sequence[Sequence[str]]) -> SideFeatures:
    """A field from the categories of each row, equal shares of 1; a row without categories is 0."""
    known = sorted({category for row in categories for category in row})
    column = {category: k for k, category in enumerate(known)}
    values = np.zeros((len(categories), len(known)), np.float32)
    for row, mine in enumerate(categories):
        for category in set(mine):
            values[row, column[category]] = 1 / len(set(mine))
    return SideFeatures((name,), (len(known),), values)


def between_knots(name: str, numbers: npt.ArrayLike, knots: Sequence[float]) -> SideFeatures:
    """A field from one number per row, interpolated linearly between knots that ascend; NaN gives 0, the ends extend outwards."""
    numbers, places = np.asarray(numbers, np.float64), np.asarray(knots, np.float64)
    if len(places) < 2 or (np.diff(places) <= 0).any():
        raise DataError(f"the knots of {name} are {list(knots)}: give at least two, ascending.")
    position = np.interp(numbers, places, np.arange(len(places)))
    values = np.clip(1 - np.abs(position[:, None] - np.arange(len(places))), 0, 1)
    return SideFeatures((name,), (len(places),), np.where(np.isnan(numbers)[:, None], 0, values))
