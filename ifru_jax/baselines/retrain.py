"""Full retraining: the gold standard, and what every other method is measured against.

The model is trained from fresh parameters on D_r, to the same objective: the mean over |D_r| goes with λ₂ N / |D_r|, so that both
objectives are sums divided by the same N. Users and items without a retained interaction are forgotten in the validation data
too: they steer no early stopping.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.errors import check_kind
from ifru_jax.forks import check_not_forked
from ifru_jax.graph import Change
from ifru_jax.models import Params, Recommender, Scorer
from ifru_jax.status import Status
from ifru_jax.training import History, LossLike, TrainConfig, Trained, bce, fit_params, train
from ifru_jax.training.validation import stopping_pairs
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.method import check_model
from ifru_jax.unlearning.report import Report, Training


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
        return self.prepare(train(key, self.model, data, self.train_config, loss=self.loss), data, key)

    def prepare(self, trained: Trained, data: Split, key: jax.Array) -> RetrainState:
        """The state of a model that was trained on `data`."""
        check_model(self.model, trained.model)
        return RetrainState(trained, data.valid, key)

    def forget(self, state: RetrainState, request: ForgetRequest) -> tuple[RetrainState, Report]:
        """Trains without what the request names; an empty request returns the very same state."""
        check_model(self.model, state.trained.model)
        clock, before = Clock(), state.trained
        change = before.resolved(request)
        if not len(change):
            return state, Report.of_nothing(len(before.training_set), clock.seconds())
        valid, initial = stopping_pairs(state.valid, change.after.interactions), self.start(state, change)
        clock.part("graph", change.after.batch, initial)
        key, fresh = next_key(state.key)
        params, history = fit_params(fresh, before.objective, change.after, valid, self.train_config.unrecorded, initial=initial)
        clock.part("training", params)
        after = replace(before.with_params(params), training_set=change.after)
        report = Report.of(change, Status.RETRAINED, before.model.tables, clock.seconds(), training=training_of(history))
        return RetrainState(after, valid, key), report

    def start(self, state: RetrainState, change: Change) -> Params | None:
        """The parameters to start from; None draws fresh ones."""
        return None

    def served(self, state: RetrainState) -> Scorer:
        check_model(self.model, state.trained.model)
        return state.trained


def retrain(
    key: jax.Array,
    trained: Trained,
    request: ForgetRequest,
    valid: Interactions | None = None,
    *,
    seeds: int = 1,
    config: TrainConfig | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[Trained]:
    """Models that were trained without what a request names: the yardsticks of every other method.

    Args:
      key: of which each seed takes its own; another than the one the original was trained with.
      trained: the original, for its model, its objective and its data.
      request: what is forgotten or corrected; an empty one trains on all data.
      valid: for early stopping; pairs of users and items that are left without data are not looked at. None, or without any,
        training runs for the epochs of its configuration.
      seeds: how many models.
      config: hyper-parameters; None takes those of the original.
      on_epoch: called with epoch and validation metric.

    Raises:
      DataError: the request names something that isn't there or everything, `valid` has one label only or none of those that
        have data, or there is none and no number of epochs.
      NumericsError: training diverged.
    """
    check_not_forked()
    check_kind("trained", trained, Trained, "give what fit, load or unlearn returned; a file is read by load")
    check_kind("request", request, ForgetRequest, "make one with ForgetRequest.of(trained.interactions, users=[…])")
    check_kind("valid", valid, (Interactions, type(None)), "give interactions, such as split.valid")
    change = trained.resolved(request)
    data = change.after if len(change) else trained.training_set
    retained, config = data.interactions, config or trained.config
    valid = retained.select(np.zeros(0, int)) if valid is None else stopping_pairs(valid, retained)
    found = []
    for seed in range(seeds):
        fresh = jax.random.fold_in(key, seed)
        params, _ = fit_params(fresh, trained.objective, data, valid, config.unrecorded, on_epoch=on_epoch)
        found.append(replace(trained.with_params(params), training_set=data, config=config))
    return found


def training_of(history: History) -> Training:
    """What a report says of a training."""
    return Training(history.num_steps, max(history.valid_metric, default=None))


def next_key(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The key of the next request, and one to train with now."""
    # `fit` splits its key and folds in epochs; a word no epoch reaches keeps the two apart.
    following, now = jax.random.split(jax.random.fold_in(key, 0x5EED0000))
    return following, now
