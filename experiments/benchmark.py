"""The speed figures, each against its baseline in the same run.

    IFRU_JAX_DATA=DIR python -m experiments.benchmark [NAME ...] [--out FILE]

Without names all are run. Prints a table; with --out writes JSON {NAME: {"value", "target", "reached", "unit", "spread", …}}.
Timings are medians of alternating repetitions, ours and the baseline's in turn, so that a slow minute of the machine hits both;
the spread is the 10th to 90th percentile of the ratio. Compilation is never in them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from experiments.plain import plain_lightgcn_loss, plain_mf_loss
from experiments.reporting import environment, write_json_atomic
from ifru_jax.curvature import hessian_product
from ifru_jax.data import load_dataset, protocol_split
from ifru_jax.graph import TrainingSet, build_training_set
from ifru_jax.models import Recommender, lightgcn, mf
from ifru_jax.training import bce, objective

REPEATS = 15


@dataclass(frozen=True)
class Figure:
    """A ratio of two times, measured in turn."""

    value: float
    target: float
    unit: str
    spread: tuple[float, float]
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        plain = {"value": self.value, "target": self.target, "reached": self.value >= self.target, "unit": self.unit}
        return plain | {"spread": list(self.spread)} | self.details


def compare_times(ours: Callable[[], Any], baseline: Callable[[], Any], *, target: float, repeats: int = REPEATS) -> Figure:
    """How many times faster `ours` is; both are called once before, then in turn."""
    taken: dict[str, list[float]] = {"ours": [], "baseline": []}
    runs = {"ours": ours, "baseline": baseline}
    for run in runs.values():
        jax.block_until_ready(run())
    for _ in range(repeats):
        for name, run in runs.items():
            began = time.perf_counter()
            jax.block_until_ready(run())
            taken[name].append(time.perf_counter() - began)
    ratios = np.array(taken["baseline"]) / np.array(taken["ours"])
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    medians = {f"seconds.{name}": float(np.median(values)) for name, values in taken.items()}
    return Figure(float(middle), target, "times faster", (float(low), float(high)), medians)


def hvp(model: Recommender, plain_loss: Callable[..., jax.Array], *, target: float) -> Figure:
    """A Hessian-vector product on the training data of ml-1m, against `jvp` of `grad` over gathers and `segment_sum`.

    Both are jitted, take the data as arguments and are linearised once, outside the timing.
    """
    data = _ml_1m()
    params = model.init(jax.random.key(0), data.interactions.num_users, data.interactions.num_items)
    params = jax.tree.map(lambda x: 10 * x, params)
    direction = jax.tree.map(lambda x: jax.random.normal(jax.random.key(1), x.shape), params)
    options = {"total": float(len(data)), "reg": 1e-5}

    def fast(p, examples, graph):
        return objective(model, bce, p, examples, graph, **options)

    def plain(p, arrays):
        return plain_loss(p, arrays, **options)

    ours = _linearised(fast, params, (data.examples, data.graph))
    baseline = _linearised(plain, params, (_plain_arrays(data),))
    figure = compare_times(lambda: ours(direction), lambda: baseline(direction), target=target)
    difference = max(
        float(jnp.abs(a - b).max() / jnp.abs(b).max())
        for a, b in zip(jax.tree.leaves(ours(direction)), jax.tree.leaves(baseline(direction)), strict=True)
    )
    return replace(figure, details=figure.details | {"relative_difference": difference})


def _linearised(loss: Callable[..., jax.Array], params: Any, data: tuple) -> Callable[[Any], Any]:
    """v ↦ ∇²L v, compiled; what linearisation computed is an argument of the compiled function, not a constant in it."""
    product = hessian_product(lambda p: loss(p, *data), params)
    # Constants of a compiled function are folded at compile time; as arguments they are data.
    converted, constants = jax.closure_convert(product, params)
    compiled = jax.jit(converted)
    return lambda v: compiled(v, *constants)


def _plain_arrays(data: TrainingSet) -> dict[str, jax.Array]:
    host = data.interactions
    positive = host.labels > 0.5
    weights = np.asarray(data.graph.weights)[: len(data.positives)]
    return {
        "users": jnp.asarray(host.users),
        "items": jnp.asarray(host.items),
        "labels": jnp.asarray(host.labels),
        "edge_users": jnp.asarray(host.users[positive]),
        "edge_items": jnp.asarray(host.items[positive]),
        "edge_weights": jnp.asarray(weights),
    }


def _ml_1m() -> TrainingSet:
    return build_training_set(protocol_split(load_dataset("ml-1m")).train)


BENCHMARKS: dict[str, Callable[[], Figure]] = {
    "hvp-lightgcn": partial(hvp, lightgcn(num_layers=1), partial(plain_lightgcn_loss, num_layers=1), target=7.0),
    "hvp-mf": partial(hvp, mf(), plain_mf_loss, target=6.0),
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
    found: dict[str, Any] = {}
    console = Console()
    for name in options.names or BENCHMARKS:
        with console.status(name):
            found[name] = BENCHMARKS[name]().as_dict()
    table = Table("figure", "value", "spread", "target", "reached")
    for name, figure in found.items():
        low, high = figure["spread"]
        table.add_row(
            name,
            f"{figure['value']:.1f} {figure['unit']}",
            f"{low:.1f} – {high:.1f}",
            f"{figure['target']:g}",
            str(figure["reached"]),
        )
    console.print(table)
    if options.out is not None:
        write_json_atomic(options.out, {name: figure | {"environment": environment()} for name, figure in found.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Benchmark)))
