"""Models that ship, rebuilt from the description in a file."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ifru_jax.models.bias_mf import bias_mf
from ifru_jax.models.deepfm import deepfm
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.fm import fm
from ifru_jax.models.gmf import gmf
from ifru_jax.models.item_bias_mf import item_bias_mf
from ifru_jax.models.lightgcn import lightgcn
from ifru_jax.models.mf import mf
from ifru_jax.models.multvae import multvae
from ifru_jax.models.neumf import neumf
from ifru_jax.models.ngcf import ngcf
from ifru_jax.models.recommender import Recommender
from ifru_jax.models.reduced import ReducedTables, in_bfloat16
from ifru_jax.models.sasrec import sasrec
from ifru_jax.models.simgcl import simgcl

_MODELS = (mf, lightgcn, bias_mf, item_bias_mf, gmf, neumf, ngcf, fm, deepfm, simgcl, multvae, sasrec)
_REDUCED = "in_bfloat16"
_BUILDERS = {type(build().module): build for build in _MODELS}


def describe_model(model: object) -> dict[str, Any] | None:
    """Class and hyper-parameters of a model that ships; None for any other, whose class a file can't hold."""
    if isinstance(model, ReducedTables):
        described = describe_model(model.model)
        return described and {"module": _REDUCED, "of": described}
    if not isinstance(model, FlaxRecommender) or type(model.module) not in _BUILDERS:
        return None
    known = {f.name: getattr(model.module, f.name) for f in dataclasses.fields(model.module)}
    options = {n: v for n, v in known.items() if n not in ("parent", "name", "num_users", "num_items")}
    return {"module": type(model.module).__name__} | options


def model_from_description(description: Mapping[str, Any]) -> Recommender | None:
    """The model that `describe_model` described, or None if it does not ship."""
    if description["module"] == _REDUCED:
        model = model_from_description(description["of"])
        return model and in_bfloat16(model)
    for module, builder in _BUILDERS.items():
        if module.__name__ == description["module"]:
            return builder(**{name: value for name, value in description.items() if name != "module"})
    return None
