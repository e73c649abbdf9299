"""The block of docs/benchmark.md: the speed figures, from results/benchmark.json."""

from __future__ import annotations

import json
from typing import Any

from experiments import RESULTS
from experiments.benchmark.catalogue import BENCHMARKS
from experiments.pages.blocks import block
from experiments.reporting.main_table import markdown, seconds

# Details of a benchmark that its row shows.
FIDELITY = ("gap", "forget_gap", "forget_slope")
# On data sets that are compared the errors are told one by one.
FAMILIES = ("megabytes.", "products.", "milliseconds.", "error.p50.", "error.p95.")
ERRORS = ("error", "error.scores", "error.forgotten")


@block
def benchmark() -> str:
    """Every figure with its target and what it is against, in the order of the benchmarks."""
    heads = ["figure", "value", "10 – 90 %", "target", "reached", "against", "seconds: ours, baseline", "in the same run"]
    rows = [
        [
            name,
            f"{f['value']:.3g} {f['unit']}",
            " – ".join(f"{bound:.3g}" for bound in f["spread"]),
            f"{f['target']:g}",
            "yes" if f["reached"] else "no",
            f.get("baseline", "none"),
            f"{seconds(f.get('seconds.ours'))}, {seconds(f.get('seconds.baseline'))}",
            _facts(f),
        ]
        for name, f in sorted(json.loads((RESULTS / "benchmark.json").read_text()).items(), key=lambda named: _place(named[0]))
    ]
    return markdown(heads, rows)


def _facts(figure: dict[str, Any]) -> str:
    """What else the run measured; errors as median and 95th percentile."""
    shown = [f"{name} {figure[name]:.2f}" for name in FIDELITY if name in figure]
    for name in ERRORS:
        if f"{name}.p50" in figure:
            shown.append(f"{name.removeprefix('error.')} {figure[f'{name}.p50']:.2f} ({figure[f'{name}.p95']:.2f})")
    return ", ".join([*shown, *(f"{name} {figure[name]:.4g}" for name in figure if name.startswith(FAMILIES))])


def _place(figure: str) -> int:
    return max((place for place, name in enumerate(BENCHMARKS) if figure.startswith(name)), default=len(BENCHMARKS))
