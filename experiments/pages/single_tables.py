"""Blocks of pages with one table each: docs/benchmark.md, docs/damping_table.md and docs/figures.md."""

import json
from collections import defaultdict
from typing import Any

import numpy as np

from experiments import RESULTS
from experiments.benchmark.catalogue import BENCHMARKS
from experiments.pages.blocks import block
from experiments.pages.columns import FIDELITY
from experiments.reporting.definitions import FIGURES
from experiments.reporting.main_table import markdown, plain, seconds
from experiments.reporting.records import read_records
from experiments.studies.damping import PATH

# Details of a benchmark that its row shows.
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


@block
def damping() -> str:
    """Means over the cells, and gap / forget gap / forget slope of each."""
    records = read_records(PATH)
    variants: dict[tuple, dict[str, dict[str, float]]] = defaultdict(dict)
    for r in records:
        variant = tuple(r["config"][name] for name in ("filter", "exponent", "num_steps", "ratio"))
        variants[variant][f"{r['dataset']}, {r['model']}"] = r["figures"]
    cells = list(dict.fromkeys(f"{r['dataset']}, {r['model']}" for r in records))
    rows = []
    for (name, exponent, steps, ratio), by_cell in sorted(variants.items()):
        slopes = [figures["forget_slope"] for figures in by_cell.values()]
        rows.append(
            [
                *(name, f"{exponent:g}", str(steps), f"{ratio:g}"),
                *(plain(float(np.mean([figures[f] for figures in by_cell.values()])), 3) for f in FIDELITY[:2]),
                f"{min(slopes):.2f} – {max(slopes):.2f}",
                *("/".join(f"{by_cell[cell][f]:.2f}" for f in FIDELITY) for cell in cells),
            ]
        )
    return markdown(["filter", "exponent", "steps", "c", "mean gap", "mean forget gap", "slopes", *cells], rows)


@block
def figures() -> str:
    """Name and meaning of each figure."""
    return "\n".join(["| figure | meaning |", "| --- | --- |", *(f"| `{name}` | {what} |" for name, what in FIGURES.items())])
