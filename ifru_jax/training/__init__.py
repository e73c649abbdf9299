"""Objectives, training by minibatch Adam with early stopping, and the trained model."""

from ifru_jax.training.fit import History, TrainConfig, fit_params
from ifru_jax.training.objectives import Loss, bce, objective, weighted_loss
from ifru_jax.training.trained import Trained, score_pairs, train

__all__ = [
    "History",
    "Loss",
    "TrainConfig",
    "Trained",
    "bce",
    "fit_params",
    "objective",
    "score_pairs",
    "train",
    "weighted_loss",
]
