"""Committed comparisons, as the pages read them: records, and their means over seeds, computed once per process.

Times are those of `experiments.benchmark.cells`, where nothing else ran on the machine, and none where a cell was not timed.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from experiments.benchmark.cells import PATH as SECONDS
from experiments.benchmark.cells import TIMES
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import plain
from experiments.reporting.records import read_records
from experiments.reporting.summary import summarise
from experiments.run.methods import REGISTRY
from experiments.suite import CELLS, Cell

PROTOCOL, FASTEST = "speedup_vs_protocol", "speedup_vs_fastest"
# Methods in the order of the registry; the yardsticks first.
ORDER = ("original", "retrain", *REGISTRY)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A comparison of the suite with the parts that were run apart.

    Attributes:
      stem: the name of its folder.
      dataset, model, forget: as in records.
      methods: method ↦ figure ↦ mean and standard deviation, as in summary.json.
      records: of all methods.
    """

    stem: str
    dataset: str
    model: str
    forget: str
    methods: dict[str, dict[str, dict[str, float | None]]]
    records: list[dict[str, Any]]

    @property
    def cell(self) -> str:
        """Data and model."""
        return f"{self.dataset}, {self.model}"

    @property
    def name(self) -> str:
        """Data, model and request."""
        return f"{self.cell}, {self.forget}"

    @property
    def step(self) -> str:
        """Where IFRU's step starts: it follows the training, or takes off from its end, as all did before it could follow."""
        configs = (record["config"].get("unlearning", {}) for record in self.records if record["method"] == "ifru")
        return "along" if any(config.get("follow") for config in configs) else "from the end"

    @property
    def present(self) -> list[str]:
        """Its methods, in order."""
        return [name for name in ORDER if name in self.methods]

    def mean(self, method: str, figure: str) -> float | None:
        """Over seeds; None if it is not there."""
        return self.methods.get(method, {}).get(figure, {}).get("mean")

    def value(self, method: str, figure: str) -> float:
        """The mean of a figure that has to be there."""
        found = self.mean(method, figure)
        assert found is not None, f"{self.name} has no {figure} of {method}"
        return found

    def digits(self, method: str, *figures: str, digits: int = 2) -> list[str]:
        """Means, as they are shown."""
        return [plain(self.mean(method, figure), digits) for figure in figures]

    def spread(self, method: str) -> str:
        """AUC ± its standard deviation over seeds."""
        entry = self.methods.get(method, {}).get("auc", {})
        return plain(entry.get("mean"), 4) + ("" if entry.get("std") is None else f" ± {plain(entry['std'], 4)}")

    def retrained_auc(self) -> list[float]:
        """Test AUC of each retrained model."""
        return [record["figures"]["auc"] for record in self.records if record["method"] == "retrain"]


@cache
def comparisons() -> tuple[Comparison, ...]:
    """All of them, in the order of the suite."""
    found = []
    for cell in CELLS:
        if cell.part or not cell.records.exists():
            continue
        records, methods = _read(cell)
        for part in CELLS:
            if part.part and part.whole == cell.name and part.records.exists():
                more, own = _read(part)
                methods = own | methods
                records += [record for record in more if record["method"] not in ("original", "retrain")]
        first = records[0]
        found.append(Comparison(cell.name, first["dataset"], first["model"], first["forget"], methods, records))
    return tuple(found)


def missing_cells() -> list[str]:
    """Cells of the suite without results."""
    return [cell.name for cell in CELLS if not cell.records.exists()]


def named(stem: str) -> Comparison:
    """The comparison whose folder has this name."""
    return next(one for one in comparisons() if one.stem == stem)


def average(chosen: list[Comparison], method: str, figure: str) -> float | None:
    """Mean over comparisons, None if it is missing in one."""
    values = [one.mean(method, figure) for one in chosen]
    return float(np.mean([v for v in values if v is not None])) if values and None not in values else None


def _read(cell: Cell) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    records = read_records(cell.records)
    methods = {name: _untimed(figures) | _times(cell.name, name) for name, figures in summarise(records)["methods"].items()}
    return records, with_true_fastest(methods)


def _untimed(figures: dict[str, Any]) -> dict[str, Any]:
    """Without the times of a machine that may have been busy."""
    return {name: value for name, value in figures.items() if not name.startswith(TIMES)}


def _times(cell: str, method: str) -> dict[str, Any]:
    return {name: {"mean": value, "std": None} for name, value in _seconds().get((cell, method), {}).items()}


@cache
def _seconds() -> dict[tuple[str, str], dict[str, float]]:
    """Cell, method ↦ its times."""
    return {(line["cell"], line["method"]): line["figures"] for _, line in read_lines(SECONDS)}


def with_true_fastest(methods: dict[str, Any]) -> dict[str, Any]:
    """Figures in which the fastest retraining is never the slower of the two baselines.

    The fastest configuration was found in other runs than those that were timed beside a comparison, with other work on the
    machine. Where it came out slower than protocol retraining, protocol retraining is the fastest that was seen.
    """
    for figures in methods.values():
        protocol, fastest = ((figures.get(name) or {}).get("mean") for name in (PROTOCOL, FASTEST))
        if protocol is not None and fastest is not None and fastest > protocol:
            figures[FASTEST] = figures[PROTOCOL]
    return methods
