"""Ways to unlearn, one signature: IFRU, full and warm-started retraining, sharded training."""

from ifru_jax.unlearning.batch import independent_steps
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.ifru import IFRU, forget
from ifru_jax.unlearning.linearity import Linearity, linearity, with_linearity
from ifru_jax.unlearning.method import Method
from ifru_jax.unlearning.prepare import prepare
from ifru_jax.unlearning.receraser import RecEraser, RecEraserState
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.retrain import Retrain, RetrainState
from ifru_jax.unlearning.shards import Shards
from ifru_jax.unlearning.sisa import SISA
from ifru_jax.unlearning.warm_retrain import WarmRetrain
from ifru_jax.unlearning.warm_up import warm_up

__all__ = [
    "IFRU",
    "SISA",
    "IFRUConfig",
    "Linearity",
    "Method",
    "RecEraser",
    "RecEraserState",
    "Report",
    "Retrain",
    "RetrainState",
    "Shards",
    "WarmRetrain",
    "forget",
    "independent_steps",
    "linearity",
    "prepare",
    "warm_up",
    "with_linearity",
]
