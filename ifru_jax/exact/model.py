"""What exact models have in common: the interactions they stand for, and the way of a request.

A request is resolved into a `Change` as for any other model; the model says how it answers one in `_without`, and nothing of the
forgotten is left in what it returns.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import pair_keys
from ifru_jax.errors import DataError
from ifru_jax.graph import Change, TrainingSet, build_training_set
from ifru_jax.models.tables import Tables
from ifru_jax.status import Status
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report


@dataclass(frozen=True, eq=False, repr=False)
class ExactModel(ABC):
    """A model that serves and that forgets exactly; a `Scorer`.

    Attributes:
      training_set: the interactions it stands for.
    """

    training_set: TrainingSet

    @property
    def interactions(self) -> Interactions:
        """The interactions it stands for, sorted by user and item."""
        return self.training_set.interactions

    @property
    @abstractmethod
    def tables(self) -> Tables:
        """What it has rows of, by name."""

    @abstractmethod
    def _grid(self, users: np.ndarray) -> np.ndarray:
        """Scores [b, num_items] of user rows."""

    @abstractmethod
    def _pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Scores [n] of pairs of rows."""

    @abstractmethod
    def _without(self, change: Change) -> tuple[Self, dict[str, Any]]:
        """The model of the data after, and its evidence by the names of `Report`."""

    def forget(self, request: ForgetRequest) -> tuple[Self, Report]:
        """Forgets, or corrects, what the request names; see `ifru_jax.unlearn`, and for the errors."""
        clock = Clock()
        change = Change.of(self.training_set, request)
        if not len(change):
            return self, Report.of_nothing(len(self.interactions), clock.seconds())
        if len(change.corrected):
            check_positive(change.after.interactions)
        clock.part("graph")
        unlearned, evidence = self._without(change)
        clock.part("solve")
        status = evidence.pop("status", Status.RETRAINED)
        return unlearned, Report.of(change, status, self.tables, clock.seconds(), **evidence)

    def score_rows(self, users: npt.ArrayLike, items: npt.ArrayLike) -> np.ndarray:
        """Scores float [n] of user rows int [n] with item rows int [n].

        Raises:
          DataError: arrays of different lengths, or rows outside the tables.
        """
        who, what = np.asarray(users), np.asarray(items)
        for kind, rows, size in (("user", who, self.training_set.sizes[0]), ("item", what, self.training_set.sizes[1])):
            if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(rows) != len(who):
                raise DataError(f"{kind} rows have shape {rows.shape}, dtype {rows.dtype}: give one integer per pair.")
            if len(rows) and not 0 <= rows.min() <= rows.max() < size:
                raise DataError(f"{kind} rows reach from {rows.min()} to {rows.max()}: the table has 0 … {size - 1}.")
        return self._pairs(who, what)

    def score_grid(self, users: npt.ArrayLike) -> np.ndarray:
        """Scores float [b, num_items] of user rows int [b] with every item; −∞ where the user or the item has no interaction."""
        rows = np.asarray(users)
        gone = self.training_set.without_data
        return np.where(gone.users[rows][:, None] | gone.items, -np.inf, self._grid(rows))


def observed(data: Interactions) -> TrainingSet:
    """Observed interactions as a training set, for a model that takes everything else as not observed.

    Raises:
      DataError: sampled negatives, a label that is not positive, or a pair that comes twice.
    """
    check_positive(data)
    keys = pair_keys(data.users, data.items, data.num_items)
    if len(np.unique(keys)) < len(keys):
        raise DataError(f"{len(keys) - len(np.unique(keys))} pairs come more than once: use drop_duplicates first.")
    # Groups are of a positive with its negatives, which are gone.
    return build_training_set(replace(data, groups=None), with_graph=False)


def check_positive(data: Interactions) -> None:
    """Refuses what is no observed interaction.

    Raises:
      DataError: a label that is not above 0.
    """
    if len(data) and not data.labels.min() > 0:
        count = int((data.labels <= 0).sum())
        raise DataError(
            f"{count} of {len(data)} labels are not above 0, but this model takes all that was not observed as negative: keep the "
            "positives only, data.select(data.labels > 0)."
        )


def matrix(data: Interactions, *, dtype: npt.DTypeLike = np.float64) -> scipy.sparse.csr_array:
    """X [num_users, num_items], labels where there are interactions."""
    entries = data.labels.astype(dtype), (data.users, data.items)
    return scipy.sparse.csr_array(entries, shape=(data.num_users, data.num_items))
