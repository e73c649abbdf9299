"""Recommenders: the protocol, the Flax adapter, and the models that ship."""

from ifru_jax.models.bias_mf import bias_mf
from ifru_jax.models.checks import check_recommender
from ifru_jax.models.deepfm import deepfm
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.fm import fm
from ifru_jax.models.gmf import gmf
from ifru_jax.models.item_bias_mf import item_bias_mf
from ifru_jax.models.lightgcn import lightgcn
from ifru_jax.models.mf import mf
from ifru_jax.models.multvae import multvae, multvae_term
from ifru_jax.models.neumf import neumf
from ifru_jax.models.ngcf import ngcf
from ifru_jax.models.nnx_recommender import NNXRecommender, from_nnx
from ifru_jax.models.recommender import Params, Recommender, Scorer, Side
from ifru_jax.models.reduced import in_bfloat16
from ifru_jax.models.registry import describe_model, model_from_description
from ifru_jax.models.sasrec import sasrec
from ifru_jax.models.simgcl import simgcl, simgcl_contrast

__all__ = [
    "FlaxRecommender",
    "NNXRecommender",
    "Params",
    "Recommender",
    "Scorer",
    "Side",
    "bias_mf",
    "check_recommender",
    "deepfm",
    "describe_model",
    "fm",
    "from_nnx",
    "gmf",
    "in_bfloat16",
    "item_bias_mf",
    "lightgcn",
    "mf",
    "model_from_description",
    "multvae",
    "multvae_term",
    "neumf",
    "ngcf",
    "sasrec",
    "simgcl",
    "simgcl_contrast",
]
