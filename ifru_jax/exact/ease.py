"""EASE, an item-item model in closed form, and its exact answer to requests.

    P = (XᵀX + λ I)⁻¹,   B_ij = −P_ij / P_jj,  B_jj = 0,   s(u, ·) = x_u B
    P_r = P − P Vᵀ (S + V P Vᵀ)⁻¹ V P                    V: rows of X before (S = −1) and after (S = +1), of the users concerned

A request changes XᵀX by as many outer products as it has users, or twice as many where something is left of them; the identity of
Woodbury takes them out of the inverse. Where they are many, the inverse is computed anew. Sources: Steck, "Embarrassingly shallow
autoencoders for sparse data" (WWW 2019), eq. 8; Woodbury, "Inverting modified matrices" (1950).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
import scipy.linalg
import scipy.sparse

from ifru_jax.data.numbering import Order
from ifru_jax.errors import DataError, NumericsError, check_number
from ifru_jax.exact.model import ExactMethod, ExactModel, check_table
from ifru_jax.exact.observed import matrix
from ifru_jax.graph import Change, TrainingSet
from ifru_jax.models.tables import Tables

# Outer products, as a share of the items, above which an inverse costs less than the update.
_MANY = 1 / 4


@dataclass(frozen=True)
class EASE(ExactMethod["EASEModel"]):
    """EASE as a `Method`; its state is an `EASEModel`.

    Attributes:
      reg: λ > 0.
    """

    reg: float = 250.0

    def __post_init__(self) -> None:
        check_number(self, "reg")
        if not self.reg > 0:
            raise DataError(f"reg is {self.reg}: it is what makes the inverse exist, give it above 0.")

    @property
    def model_class(self) -> type["EASEModel"]:
        return EASEModel

    def _fitted(self, key: jax.Array, data: TrainingSet) -> "EASEModel":
        """There is nothing random."""
        return _inverted(data, self)


@dataclass(frozen=True, eq=False, repr=False)
class EASEModel(ExactModel):
    """The inverse P, from which the weights follow.

    Attributes:
      inverse: P, float64 [num_items, num_items]; 8 bytes each.
    """

    method: EASE
    inverse: np.ndarray

    @property
    def tables(self) -> Tables:
        return {"inverse": "item"}

    def arrays(self) -> dict[str, np.ndarray]:
        return {"inverse": self.inverse}

    @classmethod
    def of_arrays(cls, data: TrainingSet, method: EASE, arrays: Mapping[str, np.ndarray]) -> "EASEModel":
        return cls(data, method, check_table("inverse", arrays["inverse"], 2 * data.sizes[1:]))

    def _arrays_in(self, order: Order) -> dict[str, np.ndarray]:
        return {"inverse": self.inverse[np.ix_(order[1], order[1])]}

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
        return EASEModel(change.after, self.method, (inverse + inverse.T) / 2), {}


def _inverted(training_set: TrainingSet, method: EASE) -> EASEModel:
    ratings = matrix(training_set.interactions)
    gram = (ratings.T @ ratings).toarray() + method.reg * np.eye(training_set.sizes[1])
    try:
        factor = scipy.linalg.cho_factor(gram)
        least = np.finfo(float).eps * len(gram) * np.diag(gram).max()
        if not np.square(np.diag(factor[0])).min() > least:
            raise scipy.linalg.LinAlgError("a pivot is lost in rounding")
    except (scipy.linalg.LinAlgError, ValueError) as error:
        raise NumericsError(f"XᵀX + {method.reg} I has no inverse in double precision ({error}): give a larger reg.") from error
    inverse = scipy.linalg.cho_solve(factor, np.eye(len(gram)))
    return EASEModel(training_set, method, (inverse + inverse.T) / 2)
