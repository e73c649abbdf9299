"""EASE, an item-item model in closed form, and its exact answer to requests.

    P = (XᵀX + λ I)⁻¹,   B_ij = −P_ij / P_jj,  B_jj = 0,   s(u, ·) = x_u B
    P_r = P − P Vᵀ (S + V P Vᵀ)⁻¹ V P                    V: rows of X before (S = −1) and after (S = +1), of the users concerned

A request changes XᵀX by as many outer products as it has users, or twice as many where something is left of them; the identity of
Woodbury takes them out of the inverse. Where they are many, the inverse is computed anew. Sources: Steck, "Embarrassingly shallow
autoencoders for sparse data" (WWW 2019), eq. 8; Woodbury, "Inverting modified matrices" (1950).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
import scipy.sparse

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, ModelError
from ifru_jax.exact.model import ExactModel, matrix, observed
from ifru_jax.graph import Change, TrainingSet
from ifru_jax.models.tables import Tables
from ifru_jax.unlearning.report import Report

# Outer products, as a share of the items, above which an inverse costs less than the update.
_MANY = 1 / 4


@dataclass(frozen=True)
class EASE:
    """EASE as a `Method`; its state is an `EASEModel`.

    Attributes:
      reg: λ > 0.
    """

    reg: float = 250.0

    def __post_init__(self) -> None:
        if not self.reg > 0:
            raise DataError(f"reg is {self.reg}: it is what makes the inverse exist, give it above 0.")

    def fit(self, key: jax.Array, data: Split) -> "EASEModel":
        """Solves for `data.train`; there is nothing random, and validation has no say."""
        return _inverted(observed(data.train), self)

    def forget(self, state: "EASEModel", request: ForgetRequest) -> tuple["EASEModel", Report]:
        return self.served(state).forget(request)

    def served(self, state: "EASEModel") -> "EASEModel":
        if state.method != self:
            raise ModelError(f"the method is {self}, but the state is of {state.method}: give it the state that it made.")
        return state


@dataclass(frozen=True, eq=False, repr=False)
class EASEModel(ExactModel):
    """The inverse P, from which the weights follow.

    Attributes:
      inverse: P, float64 [num_items, num_items]; 8 bytes each.
      method: the hyper-parameters.
    """

    inverse: np.ndarray
    method: EASE

    def __repr__(self) -> str:
        return f"EASEModel({self.method}, {self.interactions})"

    @property
    def tables(self) -> Tables:
        return {"weights": "item"}

    @cached_property
    def weights(self) -> np.ndarray:
        """B, float64 [num_items, num_items]."""
        found = -self.inverse / np.diag(self.inverse)
        np.fill_diagonal(found, 0)
        return found

    @cached_property
    def _ratings(self) -> scipy.sparse.csr_array:
        return matrix(self.interactions)

    def _grid(self, users: np.ndarray) -> np.ndarray:
        return self._ratings[users] @ self.weights

    def _pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        rows, at = np.unique(users, return_inverse=True)
        return self._grid(rows)[at, items]

    def _without(self, change: Change) -> tuple["EASEModel", dict[str, Any]]:
        users = np.unique(change.touched.users)
        old, new = self._ratings[users], matrix(change.after.interactions)[users]
        old, new = old.toarray(), new.toarray()
        changed = np.concatenate([old, new[new.any(axis=1)]])
        if len(changed) > _MANY * len(self.inverse):
            return _inverted(change.after, self.method), {}
        signs = np.where(np.arange(len(changed)) < len(users), -1.0, 1.0)
        projected = changed @ self.inverse
        capacitance = np.diag(signs) + projected @ changed.T
        inverse = self.inverse - projected.T @ np.linalg.solve(capacitance, projected)
        # An item that nobody has any more touches no other: exactly so, not up to rounding.
        gone = change.without_data.items
        inverse[gone] = inverse[:, gone] = 0
        inverse[gone, gone] = 1 / self.method.reg
        return EASEModel(change.after, (inverse + inverse.T) / 2, self.method), {}


def _inverted(training_set: TrainingSet, method: EASE) -> EASEModel:
    ratings = matrix(training_set.interactions)
    gram = (ratings.T @ ratings).toarray() + method.reg * np.eye(training_set.sizes[1])
    return EASEModel(training_set, np.linalg.inv(gram), method)
