"""Models by the names that `--model` takes."""

from typing import Literal

from ifru_jax.data import Interactions
from ifru_jax.models import (
    FlaxRecommender,
    bias_mf,
    deepfm,
    fm,
    gmf,
    lightgcn,
    mf,
    multvae,
    multvae_term,
    neumf,
    ngcf,
    sasrec,
    simgcl,
    simgcl_contrast,
)
from ifru_jax.training import Loss, WithAuxiliary

ObjectiveName = Literal["bce", "wmse", "bpr", "softmax", "full-softmax"]
ModelName = Literal["mf", "lightgcn", "bias-mf", "gmf", "neumf", "fm", "deepfm", "ngcf", "simgcl", "multvae", "sasrec"]

# Those that propagate as often as `--layers` says.
LAYERED = ("lightgcn", "ngcf", "simgcl")
_BUILDERS = {"mf": mf, "bias-mf": bias_mf, "gmf": gmf, "neumf": neumf, "lightgcn": lightgcn, "ngcf": ngcf, "simgcl": simgcl}
_WITH_FEATURES = {"fm": fm, "deepfm": deepfm}


def build_model(name: ModelName, *, layers: int, init_std: float, data: Interactions | None = None) -> FlaxRecommender:
    """The model of this name with embeddings of size 48, the IFRU paper's; sizes of hidden layers are the model's defaults.

    `data` tells which side features there are; without it a factorisation machine has none but degrees.
    """
    if name == "multvae":
        return multvae(init_std=init_std)
    if name == "sasrec":
        return sasrec(embedding_size=48, init_std=init_std)
    if name in _WITH_FEATURES:
        user, item = (None, None) if data is None else (data.user_features, data.item_features)
        widths = {"user_fields": user.widths if user else (), "item_fields": item.widths if item else ()}
        return _WITH_FEATURES[name](embedding_size=48, init_std=init_std, **widths)
    depth = {"num_layers": layers} if name in LAYERED else {}
    return _BUILDERS[name](embedding_size=48, init_std=init_std, **depth)


def with_own_term(name: ModelName, model: FlaxRecommender, loss: Loss, *, total: int) -> Loss:
    """The loss with the term that belongs to the model: SimGCL's contrast, the KL of Mult-VAE; N is `total`."""
    if name == "simgcl":
        return WithAuxiliary(loss, simgcl_contrast(model))
    if name == "multvae":
        return WithAuxiliary(loss, multvae_term(model, total=total))
    return loss
