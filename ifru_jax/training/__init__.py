"""Losses and the objective, training by minibatch Adam with early stopping, and the trained model."""

from ifru_jax.training.fit import History, TrainConfig, fit_params
from ifru_jax.training.losses import (
    LOSSES,
    WMSE,
    FullSoftmax,
    Loss,
    LossLike,
    Pointwise,
    WithAuxiliary,
    as_loss,
    bce,
    bpr,
    softmax,
    wmse,
)
from ifru_jax.training.objective import Objective, squared_norm
from ifru_jax.training.trained import Trained, train, training_set_for

__all__ = [
    "LOSSES",
    "WMSE",
    "FullSoftmax",
    "History",
    "Loss",
    "LossLike",
    "Objective",
    "Pointwise",
    "TrainConfig",
    "Trained",
    "WithAuxiliary",
    "as_loss",
    "bce",
    "bpr",
    "fit_params",
    "softmax",
    "squared_norm",
    "train",
    "training_set_for",
    "wmse",
]
