"""What accuracy costs: small requests by ever larger scopes, from the endpoints of what is forgotten to all rows.

One figure per configuration; its value is the median latency, and its errors are those of `errors`.
"""

from collections.abc import Sequence

from experiments.benchmark.errors import errors, references
from experiments.benchmark.figure import Figure
from experiments.benchmark.requests import latencies, random_interactions, random_users
from experiments.benchmark.trained import trained_model
from experiments.run.models import ModelName
from ifru_jax.unlearning import IFRUConfig

REQUESTS = 10
# From the fastest to the most accurate.
SCOPES: dict[str, IFRUConfig] = {
    "endpoints-1k": IFRUConfig(scope=(), max_edges=1000, num_steps=4, follow=False),
    "endpoints-4k": IFRUConfig(scope=(), max_edges=4000, num_steps=4, follow=False),
    "endpoints-16k": IFRUConfig(scope=(), max_edges=16_000, num_steps=4, follow=False),
    "endpoints-64k": IFRUConfig(scope=(), max_edges=64_000, num_steps=4, follow=False),
    "endpoints-2": IFRUConfig(scope=(), num_steps=2, follow=False),
    "endpoints-4": IFRUConfig(scope=(), num_steps=4, follow=False),
    "endpoints": IFRUConfig(scope=(), follow=False),
    "half-hop": IFRUConfig(scope=(0.5,), follow=False),
    "hop": IFRUConfig(scope=(1.0,), follow=False),
    "hop-65k": IFRUConfig(scope=(1.0,), max_edges=65_000, follow=False),
    "all": IFRUConfig(follow=False),
    "all-20": IFRUConfig(follow=False, num_steps=20),
}
MF_SCOPES = ("endpoints-1k", "endpoints-2", "endpoints-4", "endpoints", "half-hop", "hop", "hop-65k", "all", "all-20")
BUDGETS = ("endpoints-1k", "endpoints-4k", "endpoints-16k", "endpoints-64k")
GRAPH_SCOPES = (*BUDGETS, "endpoints-4", "endpoints", "hop-65k", "all", "all-20")


def frontier(model: ModelName, layers: int, *, kind: str, target: float, scopes: Sequence[str]) -> dict[str, Figure]:
    """Milliseconds and errors per scope, of requests for one interaction or one user of ml-1m."""
    trained = trained_model("ml-1m", model, layers)
    asked = random_users(trained, REQUESTS) if kind == "user" else random_interactions(trained, REQUESTS, positive=True)
    exact = references(trained, asked)
    found = {}
    for name in scopes:
        milliseconds = latencies(trained, asked, SCOPES[name])
        found[f"-{name}"] = Figure.of(milliseconds, target, "ms", details=errors(trained, exact, SCOPES[name]))
    return found
