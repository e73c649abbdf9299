"""Recommenders: the protocol, the Flax adapter, and the models that ship."""

from ifru_jax.models.checks import check_recommender
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.lightgcn import lightgcn
from ifru_jax.models.mf import mf
from ifru_jax.models.nnx_recommender import NNXRecommender, from_nnx
from ifru_jax.models.recommender import Params, Recommender, Side
from ifru_jax.models.registry import describe_model, model_from_description

__all__ = [
    "FlaxRecommender",
    "NNXRecommender",
    "Params",
    "Recommender",
    "Side",
    "check_recommender",
    "describe_model",
    "from_nnx",
    "lightgcn",
    "mf",
    "model_from_description",
]
