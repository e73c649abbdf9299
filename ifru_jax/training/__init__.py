"""Losses and the objective, training by minibatch Adam with early stopping, and the trained model."""

from ifru_jax.training.all_pairs import AllPairs
from ifru_jax.training.decay import WithDecay
from ifru_jax.training.described_losses import LOSSES
from ifru_jax.training.fit import History, TrainConfig, fit_params
from ifru_jax.training.losses import (
    WMSE,
    FullSoftmax,
    Loss,
    LossLike,
    Pointwise,
    Squares,
    WithAuxiliary,
    as_loss,
    bce,
    bpr,
    softmax,
    wmse,
)
from ifru_jax.training.objective import Objective, squared_norm
from ifru_jax.training.per_user import PerUser
from ifru_jax.training.trained import Trained, train, training_set_for
from ifru_jax.training.tuning import Tried, tuned

__all__ = [
    "LOSSES",
    "WMSE",
    "AllPairs",
    "FullSoftmax",
    "History",
    "Loss",
    "LossLike",
    "Objective",
    "PerUser",
    "Pointwise",
    "Squares",
    "TrainConfig",
    "Trained",
    "Tried",
    "WithAuxiliary",
    "WithDecay",
    "as_loss",
    "bce",
    "bpr",
    "fit_params",
    "softmax",
    "squared_norm",
    "train",
    "training_set_for",
    "tuned",
    "wmse",
]
