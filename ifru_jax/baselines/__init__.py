"""What IFRU is measured against: retraining (cold, warm, in shards), and the rivals that approximate it."""

from ifru_jax.baselines.finetune import Finetune
from ifru_jax.baselines.gif import GIF, GIFConfig
from ifru_jax.baselines.gradient import Gradient, GradientConfig
from ifru_jax.baselines.gradient_ascent import GradientAscent
from ifru_jax.baselines.ifru_authors import IFRUAuthors, IFRUAuthorsConfig
from ifru_jax.baselines.retrain import Retrain, RetrainState, retrain
from ifru_jax.baselines.scif import SCIF, SCIFConfig
from ifru_jax.baselines.sharded import SISA, RecEraser, RecEraserState, ShardedModel
from ifru_jax.baselines.timed_adam import BudgetConfig
from ifru_jax.baselines.warm_retrain import WarmRetrain

__all__ = [
    "GIF",
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
    "RecEraser",
    "RecEraserState",
    "Retrain",
    "RetrainState",
    "SCIFConfig",
    "ShardedModel",
    "WarmRetrain",
    "retrain",
]
