"""The speed figures, each against its baseline in the same run.

    IFRU_JAX_DATA=DIR python -m experiments.benchmark [NAME ...] [--out FILE]

Without names all are run, which trains the models of ml-1m first. Prints a table; with --out writes JSON
{NAME: {"value", "target", "reached", "unit", "spread", "baseline", …}}, after each figure, beside those already there.
Compilation is never in a time, except where a figure says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from experiments.benchmark.block_jacobi import block_jacobi_products
from experiments.benchmark.bulk import bulk
from experiments.benchmark.chunks import chunked_memory
from experiments.benchmark.figure import Figure
from experiments.benchmark.frontier import frontier
from experiments.benchmark.hvp import hvp
from experiments.benchmark.memory import bulk_memory
from experiments.benchmark.ranking import ranking
from experiments.benchmark.requests import batch, growth, one_interaction, one_user
from experiments.compilation_cache import use_compilation_cache
from experiments.plain import plain_lightgcn_loss, plain_mf_loss
from experiments.reporting import environment, write_json_atomic
from ifru_jax.models import lightgcn, mf

MF_SCOPES = ("endpoints-1k", "endpoints-2", "endpoints-4", "endpoints", "half-hop", "hop", "hop-65k", "all", "all-20")
GRAPH_SCOPES = (
    "endpoints-1k",
    "endpoints-4k",
    "endpoints-16k",
    "endpoints-64k",
    "endpoints-4",
    "endpoints",
    "hop-65k",
    "all",
    "all-20",
)
# One run may give several figures: a benchmark returns them by the rest of their name.
BENCHMARKS: dict[str, Callable[[], dict[str, Figure]]] = {
    "hvp-lightgcn": partial(hvp, lightgcn(num_layers=1), partial(plain_lightgcn_loss, num_layers=1), target=7.0),
    "hvp-mf": partial(hvp, mf(), plain_mf_loss, target=6.0),
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
    "block-jacobi-mf": partial(block_jacobi_products, "ml-1m", "mf", 0),
    "ranking-ml-1m": partial(ranking, target=3),
}


@dataclass(frozen=True)
class Benchmark:
    """The speed figures.

    Attributes:
      names: which; all without.
      out: file for the figures as JSON.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    out: Path | None = None


def main(options: Benchmark) -> int:
    """Runs, shows and writes; returns 2 for an unknown name."""
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        Console(stderr=True).print(f"error: there is no benchmark {unknown[0]!r}: choose among {', '.join(BENCHMARKS)}.")
        return 2
    use_compilation_cache()
    found: dict[str, Any] = {}
    console = Console()
    for name in options.names or BENCHMARKS:
        with console.status(name):
            figures = {
                f"{name}{rest}": figure.as_dict() | {"environment": environment()} for rest, figure in BENCHMARKS[name]().items()
            }
        found |= figures
        console.print(_table(figures))
        if options.out is not None:
            there = json.loads(options.out.read_text()) if options.out.exists() else {}
            write_json_atomic(options.out, there | figures)
    return 0


def _table(figures: dict[str, Any]) -> Table:
    table = Table("figure", "value", "spread", "target", "reached")
    for name, figure in figures.items():
        low, high = figure["spread"]
        value = f"{figure['value']:.3g} {figure['unit']}"
        table.add_row(name, value, f"{low:.3g} – {high:.3g}", f"{figure['target']:g}", str(figure["reached"]))
    return table


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Benchmark)))
