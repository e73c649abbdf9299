"""Ways to unlearn, one signature: IFRU, retraining (cold, warm, in shards), and the rivals that approximate it."""

from ifru_jax.unlearning.batch import independent_steps
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.finetune import Finetune
from ifru_jax.unlearning.gif import GIF, GIFConfig
from ifru_jax.unlearning.gradient import Gradient, GradientConfig
from ifru_jax.unlearning.gradient_ascent import GradientAscent
from ifru_jax.unlearning.ifru import IFRU, forget
from ifru_jax.unlearning.ifru_authors import IFRUAuthors, IFRUAuthorsConfig
from ifru_jax.unlearning.linearity import Linearity, linearity, with_linearity
from ifru_jax.unlearning.method import Method
from ifru_jax.unlearning.prepare import prepare
from ifru_jax.unlearning.receraser import RecEraser, RecEraserState
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.retrain import Retrain, RetrainState
from ifru_jax.unlearning.scif import SCIF, SCIFConfig
from ifru_jax.unlearning.shards import Shards
from ifru_jax.unlearning.sisa import SISA
from ifru_jax.unlearning.timed_adam import BudgetConfig
from ifru_jax.unlearning.warm_retrain import WarmRetrain
from ifru_jax.unlearning.warm_up import warm_up

__all__ = [
    "GIF",
    "IFRU",
    "SCIF",
    "SISA",
    "BudgetConfig",
    "Finetune",
    "GIFConfig",
    "Gradient",
    "GradientAscent",
    "GradientConfig",
    "IFRUAuthors",
    "IFRUAuthorsConfig",
    "IFRUConfig",
    "Linearity",
    "Method",
    "RecEraser",
    "RecEraserState",
    "Report",
    "Retrain",
    "RetrainState",
    "SCIFConfig",
    "Shards",
    "WarmRetrain",
    "forget",
    "independent_steps",
    "linearity",
    "prepare",
    "warm_up",
    "with_linearity",
]
