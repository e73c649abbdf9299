"""Models that ship, rebuilt from the description in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.lightgcn import lightgcn
from ifru_jax.models.mf import mf

_BUILDERS = {"MF": mf, "LightGCN": lightgcn}


def model_from_description(description: Mapping[str, Any]) -> FlaxRecommender | None:
    """The model that `FlaxRecommender.describe` described, or None if it does not ship."""
    builder = _BUILDERS.get(description["module"])
    if builder is None:
        return None
    return builder(**{n: v for n, v in description.items() if n not in ("module", "num_users", "num_items")})
