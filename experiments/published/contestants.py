"""What is trained: models with objectives, in the sizes of the published ones, and settings that are tried.

Mult-VAE's figures are of RecBole, whose data is the 10-core of the same positives.
"""

from dataclasses import dataclass, replace
from typing import Literal

from experiments.published.training import Recipe
from experiments.run.models import ModelName, build_model
from ifru_jax.models import FlaxRecommender, multvae, multvae_term, simgcl_contrast
from ifru_jax.training import FullSoftmax, Loss, WithAuxiliary, bce, bpr

SIZE = 64
Objective = Literal["bpr", "bce", "full-softmax", "bpr-fixed"]


@dataclass(frozen=True)
class Contestant:
    """A model with an objective.

    Attributes:
      model, objective: what is trained.
      recipes: settings that are tried.
      core: fewest interactions of a user or an item.
      eval_batch: users that are ranked at once.
    """

    model: ModelName
    objective: Objective
    recipes: tuple[Recipe, ...]
    core: int = 1
    eval_batch: int = 2048

    @property
    def name(self) -> str:
        return f"{self.model}+{self.objective}"


_NEUMF = Recipe(3e-3, 1e-6, batch_size=8192, every=8, patience=2)
_NGCF = Recipe(1e-2, 1e-5, init_std=0.1, layers=2)
_SIMGCL = Recipe(2e-2, 2e-6, init_std=0.1, layers=2, contrast=0.1)
CONTESTANTS = (
    Contestant("mf", "full-softmax", tuple(Recipe(1e-2, reg, init_std=0.1) for reg in (1e-5, 3e-5, 1e-4))),
    Contestant("mf", "bpr", (Recipe(3e-3, 3e-6, batch_size=8192),)),
    Contestant("lightgcn", "full-softmax", tuple(Recipe(2e-2, reg, init_std=0.1, layers=2) for reg in (1e-5, 2e-6))),
    Contestant("multvae", "full-softmax", (Recipe(3e-3, 1e-6, dropout=0.5),), core=10),
    Contestant("neumf", "bce", (_NEUMF, replace(_NEUMF, learning_rate=1e-3, reg=5e-6, every=6)), eval_batch=128),
    Contestant("ngcf", "full-softmax", (_NGCF, replace(_NGCF, reg=3e-6), replace(_NGCF, learning_rate=5e-3))),
    Contestant("simgcl", "full-softmax", (_SIMGCL, replace(_SIMGCL, contrast=0.01))),
    Contestant("mf", "bpr-fixed", (Recipe(3e-3, 3e-6, batch_size=8192, negatives=4, epochs=40),)),
)


def build(contestant: Contestant, recipe: Recipe) -> FlaxRecommender:
    """The model in the size of the published one."""
    if contestant.model == "multvae":
        # Dropout keeps the model from copying.
        return multvae(code_size=SIZE, leave_one_out=not recipe.dropout, init_std=recipe.init_std)
    return build_model(contestant.model, layers=recipe.layers, init_std=recipe.init_std, embedding_size=SIZE)


def loss_of(contestant: Contestant, recipe: Recipe, model: FlaxRecommender, total: int) -> Loss:
    """The objective, with the term that belongs to the model."""
    loss: Loss = {"bpr": bpr, "bpr-fixed": bpr, "bce": bce, "full-softmax": FullSoftmax()}[contestant.objective]
    if contestant.model == "multvae":
        return WithAuxiliary(loss, multvae_term(model, total=total))
    return WithAuxiliary(loss, simgcl_contrast(model, weight=recipe.contrast)) if recipe.contrast else loss
