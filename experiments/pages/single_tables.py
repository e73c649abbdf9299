"""Blocks of pages with one table each: benchmark.md, reliability.md, damping_table.md, step.md and figures.md of docs/."""

import json
from collections import defaultdict
from typing import Any

import numpy as np

from experiments import RESULTS
from experiments.benchmark.catalogue import BENCHMARKS
from experiments.pages.blocks import block
from experiments.pages.columns import FIDELITY
from experiments.reliability.__main__ import PATH as RELIABILITY
from experiments.reporting.definitions import FIGURES
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import MISSING, markdown, plain, seconds
from experiments.reporting.records import read_records
from experiments.studies.damping import PATH
from experiments.studies.step import DEVELOPMENT
from experiments.studies.step import PATH as STEP
from experiments.suite.cell import NOISE

# Details of a benchmark that its row shows.
# On data sets that are compared the errors are told one by one.
FAMILIES = ("megabytes.", "products.", "milliseconds.", "error.p50.", "error.p95.")
ERRORS = ("error", "error.scores", "error.forgotten")


@block
def reliability() -> str:
    """What became of the kills."""
    kills = [line for _, line in read_lines(RELIABILITY)]
    rows = [
        ["processes killed", len(kills)],
        ["requests that were answered before", sum(kill["answered"] for kill in kills)],
        ["requests under way that were done", sum(kill["under_way"] is True for kill in kills)],
        ["requests under way that were not done", sum(kill["under_way"] is False for kill in kills)],
        ["answered requests that were lost", sum(kill["lost"] for kill in kills)],
        ["stores between two states", sum(kill["half_done"] for kill in kills)],
    ]
    return markdown(["", "number"], [[name, f"{count:,}"] for name, count in rows])


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


STEP_VARIANTS = ("end", "along", "along and on")


@block
def step(role: str) -> str:
    """The study of the step: cells of development or confirmation sets, of other models and requests, or numbers of segments."""
    cells: dict[str, dict[str, Any]] = defaultdict(dict)
    for record in read_records(STEP):
        cells[record["cell"]][record["method"]] = record
    chosen = [found for found in cells.values() if _role(found["original"]) == role or role == "segments"]
    return _segments(chosen) if role == "segments" else markdown(_STEP_HEADS, [_step_row(found) for found in chosen])


@block
def step_short() -> str:
    """What is undone by the step from the end and by the one along the training, on all data sets."""
    cells: dict[str, dict[str, Any]] = defaultdict(dict)
    for record in read_records(STEP):
        cells[record["cell"]][record["method"]] = record["figures"] | {"name": f"{record['dataset']}, {record['model']}"}
        cells[record["cell"]]["role"] = _role(record)
    rows = []
    for found in (one for one in cells.values() if one["role"] != "others"):
        end, on, retrained = found["end"], found["along and on"], found["retrain"]
        undone, slope = (" → ".join(plain(one[name], 2) for one in (end, on)) for name in ("forget_undone", "slope"))
        auc = " → ".join(plain(one["auc"], 4) for one in (found["original"], on))
        rows.append(
            [on["name"], found["role"], undone, slope, auc, f"{plain(retrained['auc'], 4)} ± {plain(retrained['auc_std'], 4)}"]
        )
    heads = ["data, model", "set", "undone: end → along", "slope: end → along", "AUC: original → unlearned", "retrained"]
    return markdown(heads, rows)


_STEP_HEADS = (
    *("data, model, request", "undone: end", "along", "along and on", "between", "slope: end", "along and on"),
    *("undone, test pairs: end", "along and on", "forget gap (ideal)", "AUC: original", "along and on", "retrained", "products"),
)


def _step_row(found: dict[str, Any]) -> list[str]:
    end, along, on = (found[name]["figures"] for name in STEP_VARIANTS)
    retrained = found["retrain"]["figures"]
    known = on["forget_undone_low"] is not None
    return [
        f"{found['original']['dataset']}, {found['original']['model']}, {found['original']['forget']}",
        *(plain(one["forget_undone"], 2) for one in (end, along, on)),
        f"{plain(on['forget_undone_low'], 2)} – {plain(on['forget_undone_high'], 2)}" if known else MISSING,
        *(plain(one["slope"] if known else None, 2) for one in (end, on)),
        *(plain(one["undone"], 2) for one in (end, on)),
        f"{plain(on['forget_gap'], 2)} ({plain(on['ideal_forget_gap'], 2)})",
        *(plain(one["auc"], 4) for one in (found["original"]["figures"], on)),
        f"{plain(retrained['auc'], 4)} ± {plain(retrained['auc_std'], 4)}",
        plain(on["products"], 0),
    ]


def _segments(cells: list[dict[str, Any]]) -> str:
    names = sorted({name for found in cells for name in found if "K = " in name})
    rows = []
    for found in cells:
        if any(name in found for name in names):
            shown = [found[name]["figures"] if name in found else {} for name in ("along and on", *names)]
            cell = f"{found['original']['dataset']}, {found['original']['model']}"
            rows.append([cell, *(f"{plain(one.get('forget_undone'), 2)} / {plain(one.get('slope'), 2)}" for one in shown)])
    return markdown(["undone / slope", "K = 3", *(name.removeprefix("along and on, ") for name in names)], rows)


def _role(record: dict[str, Any]) -> str:
    """Which table a cell belongs to."""
    if record["forget"] != NOISE or not record["model"].startswith(("mf", "lightgcn")):
        return "others"
    return "development" if record["dataset"] in DEVELOPMENT else "confirmation"
