"""Models by the names that `--model` takes."""

from typing import Any, Literal

from ifru_jax import models
from ifru_jax.data import Interactions
from ifru_jax.models import FlaxRecommender
from ifru_jax.training import Loss, WithAuxiliary

ObjectiveName = Literal["bce", "wmse", "bpr", "softmax", "full-softmax"]
ModelName = Literal["mf", "lightgcn", "bias-mf", "gmf", "neumf", "fm", "deepfm", "ngcf", "simgcl", "multvae", "sasrec"]

# Those that propagate as often as `--layers` says.
LAYERED = ("lightgcn", "ngcf", "simgcl")


def build_model(
    name: ModelName, *, layers: int, init_std: float, data: Interactions | None = None, embedding_size: int = 48
) -> FlaxRecommender:
    """The model of this name with embeddings of the IFRU paper's size; sizes of hidden layers are the model's defaults.

    `data` tells which side features there are; without it a factorisation machine has none but degrees.
    """
    if name == "multvae":
        return models.multvae(init_std=init_std)
    options: dict[str, Any] = {"num_layers": layers} if name in LAYERED else {}
    if name in ("fm", "deepfm"):
        user, item = (None, None) if data is None else (data.user_features, data.item_features)
        options = {"user_fields": user.widths if user else (), "item_fields": item.widths if item else ()}
    return getattr(models, name.replace("-", "_"))(embedding_size=embedding_size, init_std=init_std, **options)


def with_own_term(name: ModelName, model: FlaxRecommender, loss: Loss, *, total: int) -> Loss:
    """The loss with the term that belongs to the model: SimGCL's contrast, the KL of Mult-VAE; N is `total`."""
    if name == "simgcl":
        return WithAuxiliary(loss, models.simgcl_contrast(model))
    if name == "multvae":
        return WithAuxiliary(loss, models.multvae_term(model, total=total))
    return loss
