"""What accuracy costs: small requests by ever larger scopes, from the endpoints of what is forgotten to all rows.

One figure per configuration; its value is the median latency, and its errors are those of `errors`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.benchmark.errors import errors, references
from experiments.benchmark.figure import Figure, spread
from experiments.benchmark.requests import random_interactions, random_users
from experiments.benchmark.trained import trained_model
from experiments.models import ModelName
from ifru_jax.data import ForgetRequest
from ifru_jax.training import Trained
from ifru_jax.unlearning import IFRUConfig, forget

REQUESTS = 10
# From the fastest to the most accurate.
SCOPES: dict[str, IFRUConfig] = {
    "endpoints-1k": IFRUConfig(scope=(), max_edges=1000, num_steps=4),
    "endpoints-4k": IFRUConfig(scope=(), max_edges=4000, num_steps=4),
    "endpoints-16k": IFRUConfig(scope=(), max_edges=16_000, num_steps=4),
    "endpoints-64k": IFRUConfig(scope=(), max_edges=64_000, num_steps=4),
    "endpoints-2": IFRUConfig(scope=(), num_steps=2),
    "endpoints-4": IFRUConfig(scope=(), num_steps=4),
    "endpoints": IFRUConfig(scope=()),
    "half-hop": IFRUConfig(scope=(0.5,)),
    "hop": IFRUConfig(scope=(1.0,)),
    "hop-65k": IFRUConfig(scope=(1.0,), max_edges=65_000),
    "all": IFRUConfig(),
    "all-20": IFRUConfig(num_steps=20),
}


def frontier(model: ModelName, layers: int, *, kind: str, target: float, scopes: Sequence[str]) -> dict[str, Figure]:
    """Milliseconds and errors per scope, of requests for one interaction or one user of ml-1m."""
    trained = trained_model("ml-1m", model, layers)
    asked = random_users(trained, REQUESTS) if kind == "user" else random_interactions(trained, REQUESTS, positive=True)
    exact = references(trained, asked)
    found = {}
    for name in scopes:
        milliseconds = _warm_latencies(trained, asked, SCOPES[name])
        details = errors(trained, exact, SCOPES[name])
        found[f"-{name}"] = Figure(
            float(np.median(milliseconds)), target, "ms", spread(milliseconds), "none", details, smaller_is_better=True
        )
    return found


def _warm_latencies(trained: Trained, requests: Sequence[ForgetRequest], config: IFRUConfig) -> np.ndarray:
    """Milliseconds of each request, its bucket compiled before."""
    for request in requests:
        forget(trained, request, config=config)
    return np.array([1e3 * forget(trained, request, config=config)[1].seconds["total"] for request in requests])
