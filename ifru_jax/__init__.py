"""Recommendation unlearning in JAX: make a trained recommender forget, without retraining.

>>> import jax, numpy as np, ifru_jax
>>> rng = np.random.default_rng(0)
>>> users, items = rng.integers(0, 30, 600), rng.integers(0, 40, 600)
>>> data = ifru_jax.drop_duplicates(ifru_jax.Interactions.from_arrays(users, items, (users + items) % 2))
>>> split = ifru_jax.random_split(data)
>>> trained = ifru_jax.fit(jax.random.key(0), ifru_jax.mf(embedding_size=8), split, progress=False)
>>> unlearned, report = ifru_jax.unlearn(trained, users=[3])
>>> report.forgotten == (split.train.users == split.train.user_index([3])[0]).sum()
np.True_
"""

from ifru_jax.api import evaluate, fit, unlearn
from ifru_jax.data import (
    Dataset,
    ForgetRequest,
    Interactions,
    Split,
    drop_duplicates,
    from_frame,
    leave_last_out,
    load_dataset,
    protocol_split,
    random_split,
    read_interactions,
    temporal_split,
)
from ifru_jax.errors import DataError, IfruError, ModelError, NumericsError
from ifru_jax.evaluation import Verification, VerifyConfig, train_shadows, verify
from ifru_jax.models import FlaxRecommender, NNXRecommender, from_nnx, lightgcn, mf
from ifru_jax.training import WMSE, FullSoftmax, Loss, Pointwise, TrainConfig, Trained, WithAuxiliary, bce, bpr, softmax, wmse
from ifru_jax.training.checkpoint import load, save
from ifru_jax.unlearning import (
    IFRU,
    SISA,
    IFRUConfig,
    RecEraser,
    Report,
    Retrain,
    WarmRetrain,
    independent_steps,
    linearity,
    warm_up,
)

__version__ = "0.1.0"

__all__ = [
    "IFRU",
    "SISA",
    "WMSE",
    "DataError",
    "Dataset",
    "FlaxRecommender",
    "ForgetRequest",
    "FullSoftmax",
    "IFRUConfig",
    "IfruError",
    "Interactions",
    "Loss",
    "ModelError",
    "NNXRecommender",
    "NumericsError",
    "Pointwise",
    "RecEraser",
    "Report",
    "Retrain",
    "Split",
    "TrainConfig",
    "Trained",
    "Verification",
    "VerifyConfig",
    "WarmRetrain",
    "WithAuxiliary",
    "bce",
    "bpr",
    "drop_duplicates",
    "evaluate",
    "fit",
    "from_frame",
    "from_nnx",
    "independent_steps",
    "leave_last_out",
    "lightgcn",
    "linearity",
    "load",
    "load_dataset",
    "mf",
    "protocol_split",
    "random_split",
    "read_interactions",
    "save",
    "softmax",
    "temporal_split",
    "train_shadows",
    "unlearn",
    "verify",
    "warm_up",
    "wmse",
]
