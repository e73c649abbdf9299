"""Is an imported model what it was, and was it trained on this data with this objective?

Three things are measured. Scores that were written where the model comes from are met, or it is refused. Interactions score above
pairs that nobody had, or users, items and rows are not in the order that was said. And training had ended where it should:

    stationarity = ‖∇L(θ̂)‖ / ‖∇L(θ̂ with the users' rows shuffled)‖           of a model with an objective
    stationarity = ‖Y − argmin_Y L(X, Y)‖ / ‖Y‖                              of alternating least squares, which ends with items

which is 0 at a minimum of this objective on this data, and about 1 for rows that have nothing to do with it.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import optax

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.errors import DataError, DataWarning, ModelError
from ifru_jax.exact import ALSModel
from ifru_jax.exact.als import solved
from ifru_jax.exact.observed import matrix
from ifru_jax.metrics import auc_or_none
from ifru_jax.models import Scorer
from ifru_jax.training import Objective, Squares, Trained, WithDecay

TOLERANCE = 1e-5
# Above these, training ended elsewhere than where this objective on this data does. Right imports were found below .005 and .25.
MOST_MOVED, MOST_GRADIENT = 0.02, 0.5
LEAST_AUC = 0.6


@dataclass(frozen=True)
class Scored:
    """Scores that the source wrote along.

    Attributes:
      users, items: rows int [n] of its tables.
      scores: float [n].
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, users: npt.ArrayLike, items: npt.ArrayLike, scores: npt.ArrayLike) -> "Scored":
        """Three columns of one length.

        Raises:
          DataError: they are none.
        """
        rows, columns, values = np.asarray(users), np.asarray(items), np.asarray(scores, float)
        if rows.ndim != 1 or not rows.shape == columns.shape == values.shape or {rows.dtype.kind, columns.dtype.kind} - set("iu"):
            raise DataError(
                f"scores come as rows {rows.shape}, {columns.shape} and values {values.shape}: give one of each per pair."
            )
        return cls(rows, columns, values)


@dataclass(frozen=True)
class Evidence:
    """What was found of a model that came in.

    Attributes:
      pairs: whose scores were compared with the source's; 0 where none came along.
      score_error: the largest difference, relative to the largest score; None without scores.
      auc: of interactions against as many pairs drawn at random from the rest; of ratings, those above the mean against others.
      stationarity: 0 where training ended at a minimum of the objective on the data; see the module.
    """

    pairs: int
    score_error: float | None
    auc: float | None
    stationarity: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"pairs": self.pairs, "score_error": self.score_error, "auc": self.auc, "stationarity": self.stationarity}


def examined(model: Trained | ALSModel, scored: Scored | None = None) -> Evidence:
    """Measures, refuses what is another model, and warns of what looks like another order or objective.

    Raises:
      ModelError: scores are not the source's.

    Warns:
      DataWarning: the order of rows or the objective does not fit.
    """
    error = None if scored is None else _score_error(model, scored)
    stationarity = _moved(model) if isinstance(model, ALSModel) else _gradient_left(model)
    found = Evidence(0 if scored is None else len(scored.scores), error, _auc(model), stationarity)
    if found.auc is not None and found.auc < LEAST_AUC:
        warnings.warn(
            f"interactions hardly score higher than other pairs (AUC {found.auc:.2f}): the rows of the model are probably in "
            "another order than its users and items. Give user_ids and item_ids in the order of the rows.",
            DataWarning,
            stacklevel=3,
        )
    elif found.stationarity > (MOST_MOVED if isinstance(model, ALSModel) else MOST_GRADIENT):
        warnings.warn(
            f"training ended elsewhere than this objective on this data does (stationarity {found.stationarity:.3f}): look at "
            "alpha, reg, the labels, the loss and its negatives, and whether these are the interactions it was trained on. What is "
            "forgotten will be less than what was learned, or more.",
            DataWarning,
            stacklevel=3,
        )
    return found


def _score_error(model: Scorer, scored: Scored) -> float:
    found = np.asarray(model.score_rows(scored.users, scored.items), float)
    scale = max(1e-30, float(np.abs(scored.scores).max(initial=0)))
    apart = np.abs(found - scored.scores) / scale
    if not len(apart) or apart.max() <= TOLERANCE:
        return float(apart.max(initial=0))
    worst = int(apart.argmax())
    raise ModelError(
        f"user row {scored.users[worst]} with item row {scored.items[worst]} scores {found[worst]:.6g}, the source says "
        f"{scored.scores[worst]:.6g} ({int((apart > TOLERANCE).sum())} of {len(apart)} pairs differ): look at rows of nobody, "
        "the order of ids, layers (tables before propagation are needed), biases, and whether the scores are logits."
    )


def _auc(model: Scorer, *, most: int = 20_000, seed: int = 0) -> float | None:
    """Of interactions against as many other pairs of users and items that have some; of ratings, of high ones against low ones."""
    if rates(model):
        data = model.interactions
        return auc_or_none(np.asarray(model.score_rows(data.users, data.items), float), data.labels > data.labels.mean())
    data, rng = positives(model.interactions), np.random.default_rng(seed)
    chosen = data.select(rng.permutation(len(data))[:most])
    items = rng.choice(data.items, len(chosen))
    observed = distinct(pair_keys(data.users, data.items, data.num_items))
    new = ~contains(observed, pair_keys(chosen.users, items, data.num_items))
    users, items = np.append(chosen.users, chosen.users[new]), np.append(chosen.items, items[new])
    labels = np.append(np.ones(len(chosen)), np.zeros(int(new.sum())))
    return auc_or_none(np.asarray(model.score_rows(users, items), float), labels)


def rates(model: Scorer) -> bool:
    """Whether the scores are ratings."""
    loss = model.loss if isinstance(model, Trained) else None
    return isinstance(loss.loss if isinstance(loss, WithDecay) else loss, Squares)


def positives(data: Interactions) -> Interactions:
    """Those with a label above ½, without the negatives that were sampled for them."""
    return data.select(data.labels > 0.5)


def _moved(model: ALSModel) -> float:
    tables = model.item_factors.astype(float), model.user_factors.astype(float)
    ratings = matrix(model.interactions).T.tocsr()
    return float(np.linalg.norm(solved(model.method, ratings, tables) - tables[0]) / max(np.linalg.norm(tables[0]), 1e-30))


def _gradient_left(model: Trained, *, seed: int = 0) -> float:
    order = np.random.default_rng(seed).permutation(model.interactions.num_users)
    of_users = [name for name, side in model.model.tables.items() if side == "user"]
    shuffled = model.params | {name: model.params[name][order] for name in of_users}
    here, there = (float(_norm(_gradient(model.objective, params, model.batch))) for params in (model.params, shuffled))
    return here / max(there, 1e-30)


_gradient, _norm = jax.jit(Objective.gradient), jax.jit(optax.tree.norm)
