"""Runs the figures of a device, shows each as it comes, and keeps them in one file."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.benchmark.device.large import large
from experiments.benchmark.device.products import products
from experiments.benchmark.device.requests import requests
from experiments.benchmark.device.sums import sums
from experiments.benchmark.device.workload import Workload
from experiments.reporting.json_files import write_json_atomic
from experiments.reporting.records import environment
from ifru_jax.errors import DataError

RUNS: dict[str, Callable[[Workload], Iterator[tuple[str, dict[str, Any]]]]] = {
    "sums": sums,
    "products": products,
    "requests": requests,
    "large": large,
}


def on_device(names: Sequence[str], out: Path | None, work: Workload) -> None:
    """The figures of these names, all without; with `out` they are written after each one.

    Raises:
      DataError: there is no such name.
    """
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        raise DataError(f"there is no benchmark {unknown[0]!r} of a device: choose among {', '.join(RUNS)}.")
    console, began, found = Console(), time.perf_counter(), {}
    data = "synthetic" if work.data is None else "given"
    for name in names or RUNS:
        for rest, figure in RUNS[name](work):
            found[f"{name}.{rest}"] = figure
            value = f"{figure['value']:.4g} {figure['unit']}"
            console.print(f"{time.perf_counter() - began:7.1f} s  {name}.{rest}: {value}", highlight=False)
            if out is not None:
                write_json_atomic(out, {"environment": environment(), "data": data, "figures": found})
