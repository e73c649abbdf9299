"""Item-based nearest neighbours, and their exact answer to requests.

    C = XᵀX over who has what,   S_ij = C_ij / (√(C_ii C_jj) + h),   s(u, i) = Σ_{j ∈ D_u ∩ N_k(i)} S_ij

C counts, so a request takes its users' counts out and puts those of what is left of them in: whole numbers, without rounding, and
the model is the one that a training on the rest makes, to the bit. Source: Deshpande, Karypis, "Item-based top-N recommendation
algorithms" (TOIS 2004), eq. 2, with the shrinkage of Bell, Koren (ICDM 2007).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
import scipy.sparse

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.numbering import Order
from ifru_jax.errors import DataError, check_number, check_whole
from ifru_jax.exact.model import ExactMethod, ExactModel
from ifru_jax.exact.observed import matrix
from ifru_jax.graph import Change, TrainingSet
from ifru_jax.models.tables import Tables


@dataclass(frozen=True)
class ItemKNN(ExactMethod["ItemKNNModel"]):
    """Item-based nearest neighbours as a `Method`; its state is an `ItemKNNModel`. Labels are above 0 or not there.

    Attributes:
      neighbours: k ≥ 1, of each item; of equally similar ones those of lower ids, so that the order of the rows is of no account.
      shrinkage: h ≥ 0, which holds back similarities that few users make.
    """

    neighbours: int = 50
    shrinkage: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "neighbours", "shrinkage")
        check_whole(self, "neighbours")
        if self.neighbours < 1 or self.shrinkage < 0:
            raise DataError(f"{self}: an item has at least one neighbour, and shrinkage is 0 or more.")

    @property
    def model_class(self) -> type["ItemKNNModel"]:
        return ItemKNNModel

    def _fitted(self, key: jax.Array, data: TrainingSet) -> "ItemKNNModel":
        """There is nothing random."""
        who = _who_has_what(data.interactions)
        return ItemKNNModel(data, self, scipy.sparse.csr_array(who.T @ who))


@dataclass(frozen=True, eq=False, repr=False)
class ItemKNNModel(ExactModel):
    """Counts, from which similarities follow.

    Attributes:
      counts: C, sparse int64 [num_items, num_items], without stored zeros.
    """

    method: ItemKNN
    counts: scipy.sparse.csr_array

    @property
    def tables(self) -> Tables:
        return {"counts": "item"}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def of_arrays(cls, data: TrainingSet, method: ItemKNN, arrays: Mapping[str, np.ndarray]) -> "ItemKNNModel":
        """Counts follow from the data alone."""
        return method._fitted(jax.random.key(0), data)

    def _arrays_in(self, order: Order) -> dict[str, np.ndarray]:
        return {}

    @cached_property
    def weights(self) -> scipy.sparse.csr_array:
        """S of the neighbours, float64 [num_items, num_items], a row for each item that is scored."""
        sizes = np.sqrt(self.counts.diagonal().astype(float))
        pairs = self.counts.tocoo()
        rows, columns = pairs.coords
        apart = rows != columns
        rows, columns, together = rows[apart], columns[apart], pairs.data[apart]
        similar = together / (sizes[rows] * sizes[columns] + self.method.shrinkage)
        ids = self.interactions.item_ids
        named = columns if ids is None else ids[columns]
        order = np.lexsort((named, -similar, rows))
        rows = rows[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = order[place < self.method.neighbours]
        entries = similar[kept], (rows[place < self.method.neighbours], columns[kept])
        return scipy.sparse.csr_array(entries, shape=self.counts.shape)

    @cached_property
    def _who(self) -> scipy.sparse.csr_array:
        return _who_has_what(self.interactions)

    def _grid(self, users: np.ndarray) -> np.ndarray:
        return (self._who[users] @ self.weights.T).toarray()

    def _pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.asarray((self._who[users] * self.weights[items]).sum(axis=1), float)

    def _without(self, change: Change) -> tuple["ItemKNNModel", dict[str, Any]]:
        users = np.unique(change.touched.users)
        old, new = self._who[users], _who_has_what(change.after.interactions)[users]
        counts = scipy.sparse.csr_array(self.counts - old.T @ old + new.T @ new)
        counts.eliminate_zeros()
        return ItemKNNModel(change.after, self.method, counts), {}


def _who_has_what(data: Interactions) -> scipy.sparse.csr_array:
    """1 where there is an interaction, int64 [num_users, num_items]."""
    found = matrix(data, dtype=np.int64)
    found.data[:] = 1
    return found
