"""A figure of the benchmark, and how two ways to do the same are timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

REPEATS = 15


@dataclass(frozen=True)
class Figure:
    """A measured value with its target.

    Attributes:
      value: the median.
      target: what it should be.
      unit: of both.
      spread: 10th and 90th percentile.
      baseline: against what, in words.
      details: further figures of the same run.
      smaller_is_better: for seconds and bytes; ratios are better when larger.
    """

    value: float
    target: float
    unit: str
    spread: tuple[float, float]
    baseline: str
    details: dict[str, Any] = field(default_factory=dict)
    smaller_is_better: bool = False

    @property
    def reached(self) -> bool:
        return self.value <= self.target if self.smaller_is_better else self.value >= self.target

    def as_dict(self) -> dict[str, Any]:
        plain = {"value": self.value, "target": self.target, "reached": self.reached, "unit": self.unit}
        return plain | {"spread": list(self.spread), "baseline": self.baseline} | self.details


def spread(values: Any) -> tuple[float, float]:
    """10th and 90th percentile."""
    low, high = np.percentile(values, [10, 90])
    return float(low), float(high)


def compare_times(
    ours: Callable[[], Any], baseline: Callable[[], Any], *, target: float, baseline_name: str, repeats: int = REPEATS
) -> Figure:
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
    medians = {f"seconds.{name}": float(np.median(values)) for name, values in taken.items()}
    return Figure(float(np.median(ratios)), target, "times faster", spread(ratios), baseline_name, medians)
