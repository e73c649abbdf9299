"""Models by the names that `--model` takes."""

from __future__ import annotations

from typing import Literal

from ifru_jax.models import FlaxRecommender, lightgcn, mf

ModelName = Literal["mf", "lightgcn"]


def build_model(name: ModelName, *, layers: int, init_std: float) -> FlaxRecommender:
    """The model of this name with embeddings of size 48, the paper's."""
    if name == "mf":
        return mf(embedding_size=48, init_std=init_std)
    return lightgcn(num_layers=layers, embedding_size=48, init_std=init_std)
