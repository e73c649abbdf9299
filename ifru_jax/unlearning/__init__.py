"""Ways to unlearn, one signature: IFRU and full retraining."""

from ifru_jax.unlearning.batch import independent_steps
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.ifru import IFRU, forget
from ifru_jax.unlearning.linearity import Linearity, linearity, with_linearity
from ifru_jax.unlearning.method import Method
from ifru_jax.unlearning.prepare import prepare
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.retrain import Retrain, RetrainState
from ifru_jax.unlearning.warm_up import warm_up

__all__ = [
    "IFRU",
    "IFRUConfig",
    "Linearity",
    "Method",
    "Report",
    "Retrain",
    "RetrainState",
    "forget",
    "independent_steps",
    "linearity",
    "prepare",
    "warm_up",
    "with_linearity",
]
