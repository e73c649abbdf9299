"""Alternating least squares over all pairs, and its exact answer to requests.

    L(X, Y) = Σ_{u,i} c_ui (p_ui − ⟨x_u, y_i⟩)² + λ (‖X‖² + ‖Y‖²),   p = 1, c = α r on interactions;  p = 0, c = 1 elsewhere
    x_u = (YᵀY + λ I + Σ_{i ∈ D_u} (c_ui − 1) y_i y_iᵀ)⁻¹ Σ_{i ∈ D_u} c_ui y_i

A user's row is a ridge regression on the item rows, and an item's one on the user rows. A request is answered by *folding out*: the
rows of its users and items are solved on what is left of them, which nothing of the forgotten interactions enters. The others have
still learned from them, so the alternation goes on from there, for some sweeps or
until the rows move no more.

Source: Hu, Koren, Volinsky (ICDM 2008), eq. 3–5, with the confidence of the package implicit, α r in place of 1 + α r.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import jax
import numpy as np
import scipy.linalg
import scipy.sparse

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.numbering import Order
from ifru_jax.errors import DataError, NumericsError, check_number, check_whole
from ifru_jax.exact.model import ExactMethod, ExactModel, check_table
from ifru_jax.exact.observed import matrix, observed
from ifru_jax.graph import Change, TrainingSet
from ifru_jax.models.tables import Tables
from ifru_jax.status import Status
from ifru_jax.unlearning.report import Training


@dataclass(frozen=True)
class ALS(ExactMethod["ALSModel"]):
    """Alternating least squares as a `Method`; its state is an `ALSModel`.

    Attributes:
      embedding_size: d, columns of both tables.
      reg: λ ≥ 0, the weight of the squared norm of every row.
      alpha: α > 0; an interaction with label r counts α r times as much as a pair without one.
      epochs: alternations of a training, users first.
      sweeps: alternations of a request at the most, after its own rows are solved; 0 leaves all other rows as they are. Many end at
        a stationary point, which is more training than a model had that was stopped before.
      tolerance: change of the rows in an alternation, relative to their size, at which a request is done.
    """

    embedding_size: int = 64
    reg: float = 0.01
    alpha: float = 1.0
    epochs: int = 15
    sweeps: int = 5
    tolerance: float = 1e-4

    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self, *(one.name for one in fields(self)))
        check_whole(self, "embedding_size", "epochs", "sweeps")
        if self.embedding_size < 1 or self.epochs < 1 or self.sweeps < 0:
            raise DataError(f"{self}: give a size, a number of epochs and 0 or more sweeps.")
        if not (self.reg >= 0 and self.alpha > 0 and self.tolerance >= 0):
            raise DataError(f"{self}: reg and tolerance are 0 or more, alpha is above 0.")

    @property
    def model_class(self) -> type["ALSModel"]:
        return ALSModel

    def _fitted(self, key: jax.Array, data: TrainingSet) -> "ALSModel":
        """After `epochs` alternations from rows drawn uniformly up to 0.01."""
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        drawn = [rng.random((size, self.embedding_size)) * 0.01 for size in data.sizes]
        (users, items), _, _ = alternated(self, matrix(data.interactions), (drawn[0], drawn[1]), sweeps=self.epochs)
        return ALSModel(data, self, users, items)

    def model(self, data: Interactions, user_factors: np.ndarray, item_factors: np.ndarray) -> "ALSModel":
        """A model with these rows, float [num_users, d] and [num_items, d], wherever they come from.

        Raises:
          DataError: interactions that aren't all observed ones, see `exact.observed`.
          ModelError: tables of other shapes, or rows that are not finite.
        """
        return ALSModel.of_arrays(observed(data), self, {"user_factors": user_factors, "item_factors": item_factors})


@dataclass(frozen=True, eq=False, repr=False)
class ALSModel(ExactModel):
    """Rows that alternate.

    Attributes:
      user_factors, item_factors: float [num_users, d], [num_items, d], in the precision in which they were given. Rows are solved
        in double precision.
    """

    method: ALS
    user_factors: np.ndarray
    item_factors: np.ndarray

    @property
    def tables(self) -> Tables:
        return {"user_factors": "user", "item_factors": "item"}

    def arrays(self) -> dict[str, np.ndarray]:
        return {"user_factors": self.user_factors, "item_factors": self.item_factors}

    @classmethod
    def of_arrays(cls, data: TrainingSet, method: ALS, arrays: Mapping[str, np.ndarray]) -> "ALSModel":
        sizes = {"user_factors": data.sizes[0], "item_factors": data.sizes[1]}
        users, items = (check_table(name.replace("_", " "), arrays[name], (n, method.embedding_size)) for name, n in sizes.items())
        return cls(data, method, users, items)

    def _arrays_in(self, order: Order) -> dict[str, np.ndarray]:
        return {"user_factors": self.user_factors[order[0]], "item_factors": self.item_factors[order[1]]}

    def _grid(self, users: np.ndarray) -> np.ndarray:
        return self.user_factors[users] @ self.item_factors.T

    def _pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.einsum("nd,nd->n", self.user_factors[users], self.item_factors[items])

    def _without(self, change: Change) -> tuple["ALSModel", dict[str, Any]]:
        config, ratings = self.method, matrix(change.after.interactions)
        tables = self.user_factors.astype(float), self.item_factors.astype(float)
        touched = change.touched
        users = solved(config, ratings, tables, rows=np.unique(touched.users))
        items = solved(config, ratings.T.tocsr(), (tables[1], users), rows=np.unique(touched.items))
        (users, items), sweeps, settled = alternated(config, ratings, (users, items), sweeps=config.sweeps)
        status = Status.CONVERGED if settled else Status.RETRAINED
        precision = self.user_factors.dtype
        found = replace(
            self,
            training_set=change.after,
            user_factors=_stored(self.user_factors, users, precision),
            item_factors=_stored(self.item_factors, items, precision),
        )
        moves = found.user_factors - self.user_factors, found.item_factors - self.item_factors
        lost = change.lost
        moves = moves[0][~lost.users], moves[1][~lost.items]
        norm = float(np.sqrt(sum(float(np.square(move.astype(float)).sum()) for move in moves)))
        return found, {"status": status, "norm_step": norm, "training": Training(num_steps=sweeps)}


def solved(
    config: ALS, ratings: scipy.sparse.csr_array, tables: tuple[np.ndarray, np.ndarray], *, rows: Iterable[int] | None = None
) -> np.ndarray:
    """The first table with these rows (None: all) solved on the second; a row without an interaction is 0.

    Args:
      config: for λ and α.
      ratings: r [n, m] of the rows of the first table with those of the second.
      tables: float64 [n, d] and [m, d].
      rows: that are solved.
    """
    first, second = tables[0].copy(), tables[1]
    gram = second.T @ second + config.reg * np.eye(second.shape[1])
    starts, columns, values = ratings.indptr, ratings.indices, config.alpha * ratings.data
    for row in range(len(first)) if rows is None else rows:
        inside = slice(starts[row], starts[row + 1])
        if inside.start == inside.stop:
            first[row] = 0
            continue
        others, confidence = second[columns[inside]], values[inside]
        system = gram + (others * (confidence - 1)[:, None]).T @ others
        try:
            first[row] = scipy.linalg.solve(system, confidence @ others, assume_a="pos", check_finite=False)
        except scipy.linalg.LinAlgError as error:
            raise NumericsError(
                f"the normal equations of row {row} have no solution: give reg above 0, and labels of one scale."
            ) from error
    return first


def alternated(
    config: ALS, ratings: scipy.sparse.csr_array, tables: tuple[np.ndarray, np.ndarray], *, sweeps: int
) -> tuple[tuple[np.ndarray, np.ndarray], int, bool]:
    """Both tables after so many alternations at the most, users first; how many there were; whether they settled."""
    (users, items), transposed = tables, ratings.T.tocsr()
    for sweep in range(sweeps):
        before = users, items
        users = solved(config, ratings, (users, items))
        items = solved(config, transposed, (items, users))
        moved = np.hypot(np.linalg.norm(users - before[0]), np.linalg.norm(items - before[1]))
        if moved <= config.tolerance * np.hypot(np.linalg.norm(users), np.linalg.norm(items)):
            return (users, items), sweep + 1, True
    return (users, items), sweeps, False


def _stored(old: np.ndarray, new: np.ndarray, precision: np.dtype) -> np.ndarray:
    """In the precision of the table; rows that were not solved stay to the bit."""
    return np.where(new == old, old, new.astype(precision))
