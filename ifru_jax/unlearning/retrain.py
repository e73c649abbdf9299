"""Full retraining: the gold standard, and what every other method is measured against.

The model is trained from fresh parameters on D_r, to the same objective: the mean over |D_r| goes with λ₂ N / |D_r|, so that both
objectives are sums divided by the same N. Users and items without a retained interaction are forgotten in the validation data
too: they steer no early stopping.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.graph import TrainingSet
from ifru_jax.models import Params, Recommender
from ifru_jax.training import LossLike, TrainConfig, Trained, bce, fit_params, train
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report


@dataclass(frozen=True, eq=False)
class RetrainState:
    """A model and what training it again takes."""

    trained: Trained
    valid: Interactions
    key: jax.Array


@dataclass(frozen=True)
class Retrain:
    """Retraining as a `Method`. Each retraining draws a new key from the one of `fit`: other initialisation, other batches."""

    model: Recommender
    train_config: TrainConfig
    loss: LossLike = bce

    def fit(self, key: jax.Array, data: Split) -> RetrainState:
        return RetrainState(train(key, self.model, data, self.train_config, loss=self.loss), data.valid, key)

    def forget(self, state: RetrainState, request: ForgetRequest) -> tuple[RetrainState, Report]:
        return train_again(self.model, self.train_config, state, request)

    def score(self, state: RetrainState, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state.trained.score(users, items)

    def score_grid(self, state: RetrainState, users: np.ndarray) -> jax.Array:
        """Logits float [b, num_items] of user rows int [b] with every item."""
        return state.trained.score_grid(users)


def train_again(
    model: Recommender,
    config: TrainConfig,
    state: RetrainState,
    request: ForgetRequest,
    *,
    start: Callable[[TrainingSet], Params] | None = None,
) -> tuple[RetrainState, Report]:
    """Trains on what is retained, to the objective of the first training.

    Args:
      start: the parameters to start from, given D_r; None draws fresh ones.
    """
    clock = Clock()
    before = state.trained
    forgotten = request.select(before.interactions)
    retained = before.training_set.without(forgotten).without_names(before.training_set)
    valid = surviving(state.valid, retained.interactions)
    initial = None if start is None else start(retained)
    clock.part("graph", retained.graph, initial)
    key, fresh = next_key(state.key)
    params, history = fit_params(fresh, model, retained, valid, config, loss=before.loss, total=before.total, initial=initial)
    clock.part("training", params)
    after = replace(before, params=params, training_set=retained, num_steps=history.num_steps)
    report = Report(
        forgotten=int(forgotten.sum()),
        retained=len(retained),
        status="RETRAINED",
        valid_metric=max(history.valid_metric),
        seconds=clock.seconds(),
    )
    return RetrainState(after, valid, key), report


def next_key(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The key of the next request, and one to train with now."""
    # `fit` splits its key and folds in epochs; a word no epoch reaches keeps the two apart.
    following, now = jax.random.split(jax.random.fold_in(key, 0x5EED0000))
    return following, now


def surviving(valid: Interactions, retained: Interactions) -> Interactions:
    """The validation interactions of users and items that still have a retained interaction; rows only, no original ids."""
    users, items = retained.user_degrees() > 0, retained.item_degrees() > 0
    return replace(valid.select(users[valid.users] & items[valid.items]), user_ids=None, item_ids=None)
