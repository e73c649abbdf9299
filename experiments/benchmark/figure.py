"""A figure of the benchmark, and how two ways to do the same are timed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from experiments.run.trials import seconds_of

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

    @classmethod
    def of(cls, values: Any, target: float, unit: str, baseline: str = "none", details: dict[str, Any] | None = None) -> Self:
        """Median and spread; times are better when smaller."""
        return cls(float(np.median(values)), target, unit, spread(values), baseline, details or {}, unit in ("ms", "s"))

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
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            taken[name].append(seconds_of(run))
    ratios = np.array(taken["baseline"]) / np.array(taken["ours"])
    medians = {f"seconds.{name}": float(np.median(values)) for name, values in taken.items()}
    return Figure.of(ratios, target, "times faster", baseline_name, medians)
