"""Recommendation unlearning in JAX: make a trained recommender forget, without retraining.

>>> import jax, numpy as np, ifru_jax
>>> rng = np.random.default_rng(0)
>>> users, items = np.divmod(rng.choice(1200, 500, replace=False), 40)
>>> data = ifru_jax.Interactions.from_arrays(users, items, (users + items) % 2)
>>> split = ifru_jax.random_split(data)
>>> trained = ifru_jax.fit(jax.random.key(0), ifru_jax.mf(embedding_size=8), split, progress=False)
>>> unlearned, report = ifru_jax.unlearn(trained, users=[3])
>>> report.forgotten == (split.train.users == split.train.user_index([3])[0]).sum()
np.True_
"""

from ifru_jax.api import estimate, evaluate, fit, unlearn
from ifru_jax.baselines import retrain
from ifru_jax.checkpoint import load, save
from ifru_jax.data import (
    ForgetRequest,
    Interactions,
    Split,
    balanced,
    drop_duplicates,
    from_frame,
    load_dataset,
    protocol_split,
    random_split,
    read_interactions,
    stream_interactions,
    stream_split,
    temporal_split,
)
from ifru_jax.errors import DataError, DataWarning, IfruError, ModelError, NumericsError
from ifru_jax.evaluation import verify
from ifru_jax.explaining import Explanation, explain
from ifru_jax.models import FlaxRecommender, from_nnx, lightgcn, mf
from ifru_jax.serving import recommend, score
from ifru_jax.sparse import on_mesh
from ifru_jax.status import Status
from ifru_jax.training import TrainConfig, Trained, bce, bpr
from ifru_jax.unlearning import IFRUConfig, Report, warm_up

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "DataWarning",
    "Explanation",
    "FlaxRecommender",
    "ForgetRequest",
    "IFRUConfig",
    "IfruError",
    "Interactions",
    "ModelError",
    "NumericsError",
    "Report",
    "Split",
    "Status",
    "TrainConfig",
    "Trained",
    "balanced",
    "bce",
    "bpr",
    "drop_duplicates",
    "estimate",
    "evaluate",
    "explain",
    "fit",
    "from_frame",
    "from_nnx",
    "lightgcn",
    "load",
    "load_dataset",
    "mf",
    "on_mesh",
    "protocol_split",
    "random_split",
    "read_interactions",
    "recommend",
    "retrain",
    "save",
    "score",
    "stream_interactions",
    "stream_split",
    "temporal_split",
    "unlearn",
    "verify",
    "warm_up",
]
