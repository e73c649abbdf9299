"""Retraining from θ̂ instead of fresh parameters: the same objective on D_r, the same early stopping, a head start.

    θ' = argmin over D_r, started at θ̂ with the rows of users and items without a retained interaction set to zero

It ends where training on D_r leads from θ̂, not where it leads from nowhere: what θ̂ learned from D_f and D_r does not contradict
may stay. So it is fast and no gold standard; how complete it is has to be measured like that of every approximate method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.models import Recommender
from ifru_jax.training import TrainConfig, fit_params
from ifru_jax.unlearning.clear_rows import clear_rows
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.retrain import Retrain, RetrainState, next_key, surviving


@dataclass(frozen=True)
class WarmRetrain:
    """Warm-started retraining as a `Method`; its state is that of `Retrain`. Adam starts without moments: nobody kept them."""

    model: Recommender
    train_config: TrainConfig

    def fit(self, key: jax.Array, data: Split) -> RetrainState:
        return Retrain(self.model, self.train_config).fit(key, data)

    def forget(self, state: RetrainState, request: ForgetRequest) -> tuple[RetrainState, Report]:
        """Forgets by training on; an empty request returns the very same state."""
        clock = Clock()
        before = state.trained
        forgotten = request.select(before.interactions)
        if not forgotten.any():
            return state, Report(retained=len(before.interactions), seconds=clock.seconds())
        retained = before.training_set.without(forgotten).without_names(before.training_set)
        valid = surviving(state.valid, retained.interactions)
        initial = clear_rows(self.model, before.params, retained)
        clock.part("graph", retained.graph, initial)
        key, fresh = next_key(state.key)
        params, history = fit_params(
            fresh, self.model, retained, valid, self.train_config, loss=before.loss, total=before.total, initial=initial
        )
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

    def score(self, state: RetrainState, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state.trained.score(users, items)

    def score_grid(self, state: RetrainState, users: np.ndarray) -> jax.Array:
        """Logits float [b, num_items] of user rows int [b] with every item."""
        return state.trained.score_grid(users)
