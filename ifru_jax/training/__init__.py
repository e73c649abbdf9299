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
from ifru_jax.training.objectives import objective, weighted_loss
from ifru_jax.training.trained import Trained, score_pairs, train, training_set_for

__all__ = [
    "LOSSES",
    "WMSE",
    "FullSoftmax",
    "History",
    "Loss",
    "LossLike",
    "Pointwise",
    "TrainConfig",
    "Trained",
    "WithAuxiliary",
    "as_loss",
    "bce",
    "bpr",
    "fit_params",
    "objective",
    "score_pairs",
    "softmax",
    "train",
    "training_set_for",
    "weighted_loss",
    "wmse",
]
