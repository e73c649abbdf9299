"""Every benchmark by its name, with the targets it is held against."""

from collections.abc import Callable
from functools import partial

from experiments.benchmark.bulk import bulk
from experiments.benchmark.explaining import explaining
from experiments.benchmark.figure import Figure
from experiments.benchmark.frontier import GRAPH_SCOPES, MF_SCOPES, frontier
from experiments.benchmark.hvp import hvp, plain_loss
from experiments.benchmark.memory import bulk_memory, chunked_memory
from experiments.benchmark.ranking import ranking
from experiments.benchmark.requests import batch, growth, one_interaction, one_user
from experiments.benchmark.spillover import spillover
from ifru_jax.models import lightgcn, mf

# One run may give several figures: a benchmark returns them by the rest of their name.
BENCHMARKS: dict[str, Callable[[], dict[str, Figure]]] = {
    "hvp-lightgcn": partial(hvp, lightgcn(num_layers=1), partial(plain_loss, num_layers=1), target=7.0),
    "hvp-mf": partial(hvp, mf(), partial(plain_loss, num_layers=0), target=6.0),
    "bulk-mf": partial(bulk, "mf", 0, protocol_target=60, fastest_target=20),
    "bulk-lightgcn": partial(bulk, "lightgcn", 1, protocol_target=250, fastest_target=50),
    "memory-lightgcn-2": partial(bulk_memory, 2, target=1.5),
    "user-mf": partial(one_user, "mf", 0, target=500),
    "interaction-mf": partial(one_interaction, "mf", 0, p50_target=10, p99_target=30),
    "growth-mf": partial(growth, "ml-1m", "mf", 0, target=1.5),
    "growth-gowalla-mf": partial(growth, "gowalla", "mf", 0, target=1.5),
    "batch-mf": partial(batch, "mf", 0, target=5),
    "interaction-lightgcn": partial(one_interaction, "lightgcn", 1, p50_target=30, p99_target=100),
    "batch-lightgcn": partial(batch, "lightgcn", 1, target=2, repeats=3),
    "user-lightgcn": partial(one_user, "lightgcn", 1, target=500),
    "accuracy-interaction-mf": partial(frontier, "mf", 0, kind="interaction", target=10, scopes=MF_SCOPES),
    "accuracy-user-mf": partial(frontier, "mf", 0, kind="user", target=25, scopes=MF_SCOPES),
    "accuracy-interaction-lightgcn": partial(frontier, "lightgcn", 1, kind="interaction", target=30, scopes=GRAPH_SCOPES),
    "accuracy-user-lightgcn": partial(frontier, "lightgcn", 1, kind="user", target=85, scopes=GRAPH_SCOPES),
    "memory-chunks": partial(chunked_memory, target=2.0),
    "spillover-movielens-small": partial(spillover, "movielens-small"),
    "spillover-bookcrossing": partial(spillover, "bookcrossing"),
    "spillover-ml-1m": partial(spillover, "ml-1m"),
    "spillover-gowalla": partial(spillover, "gowalla"),
    "ranking-ml-1m": partial(ranking, target=3),
    "explain-own-mf": partial(explaining, "mf", 0, "own", target=0.05),
    "explain-all-mf": partial(explaining, "mf", 0, "all", target=1.0),
}
