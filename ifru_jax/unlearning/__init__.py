"""IFRU: the step over all data or on a request's own problem, what is prepared and reported; the contract of every method."""

from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.ifru import IFRU, forget
from ifru_jax.unlearning.linearity import linearity, with_linearity
from ifru_jax.unlearning.local import independent_steps
from ifru_jax.unlearning.method import FromTrained, Method
from ifru_jax.unlearning.prepare import Prepared, prepare
from ifru_jax.unlearning.report import Linearity, Report
from ifru_jax.unlearning.warm_up import warm_up

__all__ = [
    "IFRU",
    "FromTrained",
    "IFRUConfig",
    "Linearity",
    "Method",
    "Prepared",
    "Report",
    "forget",
    "independent_steps",
    "linearity",
    "prepare",
    "warm_up",
    "with_linearity",
]
