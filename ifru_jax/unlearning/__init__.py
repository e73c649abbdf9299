"""Ways to unlearn, one signature: IFRU, full retraining, and the rivals that approximate it."""

from ifru_jax.unlearning.batch import independent_steps
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.finetune import Finetune
from ifru_jax.unlearning.gif import GIF, GIFConfig
from ifru_jax.unlearning.gradient import Gradient, GradientConfig
from ifru_jax.unlearning.gradient_ascent import GradientAscent
from ifru_jax.unlearning.ifru import IFRU, forget
from ifru_jax.unlearning.ifru_authors import IFRUAuthors, IFRUAuthorsConfig
from ifru_jax.unlearning.method import Method
from ifru_jax.unlearning.prepare import prepare
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.retrain import Retrain, RetrainState
from ifru_jax.unlearning.scif import SCIF, SCIFConfig
from ifru_jax.unlearning.timed_adam import BudgetConfig
from ifru_jax.unlearning.warm_up import warm_up

__all__ = [
    "GIF",
    "IFRU",
    "SCIF",
    "BudgetConfig",
    "Finetune",
    "GIFConfig",
    "Gradient",
    "GradientAscent",
    "GradientConfig",
    "IFRUAuthors",
    "IFRUAuthorsConfig",
    "IFRUConfig",
    "Method",
    "Report",
    "Retrain",
    "RetrainState",
    "SCIFConfig",
    "forget",
    "independent_steps",
    "prepare",
    "warm_up",
]
