"""What exact models and their methods have in common: the interactions they stand for, and the way of a request.

A request is resolved into a `Change` as for any other model; the model says how it answers one in `_without`, and nothing of the
forgotten is left in what it returns.
"""

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import jax
import numpy as np
import numpy.typing as npt

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.numbering import Order, in_order, without_idle_ids
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, ModelError, check_kind
from ifru_jax.exact.observed import check_positive, observed
from ifru_jax.graph import Change, TrainingSet
from ifru_jax.models.tables import Tables
from ifru_jax.status import Status
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report

Model = TypeVar("Model", bound="ExactModel")


class ExactMethod(ABC, Generic[Model]):
    """Hyper-parameters of a model that forgets exactly; a `Method` whose state is the model.

    Attributes:
      random: whether two trainings on the same data may end elsewhere.
    """

    random: ClassVar[bool] = False

    @property
    @abstractmethod
    def model_class(self) -> type[Model]:
        """Of what it makes."""

    @abstractmethod
    def _fitted(self, key: jax.Array, data: TrainingSet) -> Model:
        """The model of these interactions."""

    def fit(self, key: jax.Array, data: Split) -> Model:
        """Trains on `data.train`; validation has no say.

        Args:
          key: `jax.random.key`, of where a training begins that is random.
          data: observed interactions, with labels above 0 and each pair once.

        Raises:
          DataError: no key, no split, nothing to train on, or what `exact.observed` refuses.
          NumericsError: the equations have no solution.
        """
        check_kind("key", key, jax.Array, "give jax.random.key(0), or another number")
        check_kind("data", data, Split, "split it first, such as random_split(interactions, shares=(1, 0, 0)) to train on all")
        if not len(data.train):
            raise DataError("no interaction to train on: loosen the filters or split anew.")
        return self._fitted(key, observed(data.train))

    def forget(self, state: Model, request: ForgetRequest) -> tuple[Model, Report]:
        """See `ExactModel.forget`."""
        return self.served(state).forget(request)

    def served(self, state: Model) -> Model:
        """The state itself.

        Raises:
          ModelError: another method made it.
        """
        if not isinstance(state, ExactModel) or state.method != self:
            of = state.method if isinstance(state, ExactModel) else reprlib.repr(state)
            raise ModelError(f"the method is {self}, but the state is of {of}: give it the state that it made.")
        return state


@dataclass(frozen=True, eq=False, repr=False)
class ExactModel(ABC):
    """A model that serves and that forgets exactly; a `Scorer`.

    Attributes:
      training_set: the interactions it stands for.
      method: the hyper-parameters.
    """

    training_set: TrainingSet
    method: ExactMethod

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.method}, {self.interactions})"

    @property
    def interactions(self) -> Interactions:
        """The interactions it stands for, sorted by user and item."""
        return self.training_set.interactions

    @property
    @abstractmethod
    def tables(self) -> Tables:
        """What it has rows of, by name."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """What the model is beside its interactions and its hyper-parameters, by name."""

    @classmethod
    @abstractmethod
    def of_arrays(cls, data: TrainingSet, method: Any, arrays: Mapping[str, np.ndarray]) -> Self:
        """The model of what `arrays` gave.

        Raises:
          KeyError: something is missing.
          ModelError: tables of other sizes than the data, or values that are not finite.
        """

    @abstractmethod
    def _grid(self, users: np.ndarray) -> np.ndarray:
        """Scores [b, num_items] of user rows."""

    @abstractmethod
    def _pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Scores [n] of pairs of rows."""

    @abstractmethod
    def _without(self, change: Change) -> tuple[Self, dict[str, Any]]:
        """The model of the data after, and its evidence by the names of `Report`."""

    @abstractmethod
    def _arrays_in(self, order: Order) -> dict[str, np.ndarray]:
        """`arrays` in these rows."""

    def in_rows(self, order: Order) -> Self:
        """The same model with these users and items, in this order; of whom nothing is left may be left out, or has no id."""
        return self.of_arrays(observed(without_idle_ids(in_order(self.interactions, order))), self.method, self._arrays_in(order))

    def forget(self, request: ForgetRequest) -> tuple[Self, Report]:
        """Forgets, or corrects, what the request names; see `ifru_jax.unlearn`, and for the errors."""
        check_kind("request", request, ForgetRequest, "name ids with ForgetRequest.of(model.interactions, users=[…])")
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
        num_users, num_items = self.training_set.sizes
        who, what = _rows("user", users, num_users), _rows("item", items, num_items)
        if len(who) != len(what):
            raise DataError(f"there are {len(who)} user rows and {len(what)} item rows: give one of each per pair.")
        return self._pairs(who, what)

    def score_grid(self, users: npt.ArrayLike) -> np.ndarray:
        """Scores float [b, num_items] of user rows int [b] with every item; −∞ where the user or the item has no interaction.

        Raises:
          DataError: rows that are no integers, or outside the table.
        """
        rows = _rows("user", users, self.training_set.sizes[0])
        gone = self.training_set.without_data
        return np.where(gone.users[rows][:, None] | gone.items, -np.inf, self._grid(rows))


def _rows(kind: str, given: npt.ArrayLike, size: int) -> np.ndarray:
    rows = np.asarray(given)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise DataError(f"{kind} rows have shape {rows.shape}, dtype {rows.dtype}: give integers, in one row.")
    if len(rows) and not 0 <= rows.min() <= rows.max() < size:
        raise DataError(f"{kind} rows reach from {rows.min()} to {rows.max()}: the table has 0 … {size - 1}.")
    return rows


def check_table(name: str, table: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A table of a model.

    Raises:
      ModelError: no floating numbers of this shape, or some that are not finite.
    """
    if not isinstance(table, np.ndarray) or table.shape != shape or table.dtype.kind != "f":
        found = f"{table.dtype} {table.shape}" if isinstance(table, np.ndarray) else reprlib.repr(table)
        raise ModelError(f"the {name} are {found}, expected a floating array {shape}, with the rows of the data.")
    if not np.isfinite(table).all():
        raise ModelError(f"the {name} are not all finite: train the model again.")
    return table
