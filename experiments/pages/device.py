"""Blocks of docs/scale.md: what was measured on an accelerator."""

import json
from typing import Any

from experiments import RESULTS
from experiments.pages.blocks import block
from experiments.reporting.main_table import MISSING, markdown

PATH = RESULTS / "device.json"
_PLACES = {"small": "ml-1m", "large": "10⁷ made up"}


@block
def device(part: str) -> str:
    """The machine in words, or a table of sums, products, requests, batches or of ten million interactions."""
    measured = json.loads(PATH.read_text())
    figures: dict[str, dict[str, Any]] = measured["figures"]
    if part == "machine":
        where = measured["environment"]
        return f"{where['device']}, {where['cpu_count']} processor cores, JAX {where['jax']}, Python {where['python']}"
    return _TABLES[part](figures)


def _sums(figures: dict[str, dict[str, Any]]) -> str:
    rows = []
    for size, place in _PLACES.items():
        for operation in ("propagate", "propagate-back", "scores"):
            ours, portable = (figures[f"sums.{size}.{operation}.{form}"] for form in ("auto", "portable"))
            same = [("yes" if one["repeats"] else "no") for one in (ours, portable)]
            ratio = f"{portable['value'] / ours['value']:.2f}"
            others = (figures.get(f"sums.{size}.{operation}.{form}") for form in ("bfloat16", "csr", "sorted", "hubs"))
            known = [MISSING if one is None else f"{one['value']:.0f}" for one in others]
            rows.append([place, operation, f"{ours['value']:.0f}", f"{portable['value']:.0f}", ratio, *same, *known])
    heads = ["data", "operation", "Triton, µs", "XLA, µs", "times faster", "same each time: Triton", "XLA"]
    return markdown([*heads, "Triton, bfloat16, µs", "cuSPARSE, µs", "XLA, sorted, µs", "hubs dense, µs"], rows)


def _products(figures: dict[str, dict[str, Any]]) -> str:
    share = "gathered bytes per copied bytes"
    rows = [
        [
            model,
            *(f"{figures[f'products.{model}.{what}']['value']:.0f}" for what in ("gradient", "product")),
            f"{figures[f'products.{model}.product'][share]:.2f}" if share in figures[f"products.{model}.product"] else MISSING,
            f"{narrow['value']:.0f}" if (narrow := figures.get(f"products.{model}.product-bfloat16")) else MISSING,
        ]
        for model in ("mf", "lightgcn")
    ]
    return markdown(
        ["model", "gradient, µs", "Hessian product, µs", "rows read, in the rate of a copy", "product in bfloat16, µs"], rows
    )


def _requests(figures: dict[str, dict[str, Any]]) -> str:
    rows = []
    for model in ("mf", "lightgcn"):
        bulk, one = figures[f"requests.{model}.bulk"], figures[f"requests.{model}.one"]
        parts = [f"{1e3 * bulk['parts'][part]:.0f}" for part in ("graph", "solve")]
        seconds = [f"{bulk[name]:.3g}" for name in ("fastest retraining", "times faster", "first call")]
        rows.append([model, f"{bulk['value']:.3g}", *parts, *seconds, f"{one['value']:.0f} ({one['p99']:.0f})"])
    heads = ["model", "2 %: seconds", "on the host, ms", "solve, ms", "fastest retraining, s", "times faster", "first call, s"]
    return markdown([*heads, "one rating, ms (p99)"], rows)


def _batches(figures: dict[str, dict[str, Any]]) -> str:
    rows = []
    for model in ("mf", "lightgcn"):
        for size in (64, 256, 1024):
            found = figures[f"requests.{model}.batch-{size}"]
            rows.append([model, str(size), *(f"{found[name]:.3g}" for name in ("value", "one by one", "times the throughput"))])
    return markdown(["model", "requests in a call", "per second", "one by one, per second", "times the throughput"], rows)


def _large(figures: dict[str, dict[str, Any]]) -> str:
    named = {"made": "making the data", "epoch": "an epoch of training", "user": "forgetting a user", "bulk": "forgetting 2 %"}
    rows = [[what, f"{figures[f'large.{name}']['value']:.2f} s"] for name, what in named.items()]
    rows.append(["memory of the device at most", f"{figures['large.memory']['value']:.1f} GB"])
    return markdown(["", "measured"], rows)


_TABLES = {"sums": _sums, "products": _products, "requests": _requests, "batches": _batches, "large": _large}
