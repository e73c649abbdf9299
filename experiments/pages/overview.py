"""Blocks of docs/index.md: one figure per promise, within its sentence."""

from collections import defaultdict

import numpy as np

from experiments.pages.any_model import STEMS
from experiments.pages.blocks import block
from experiments.pages.comparisons import FASTEST, PROTOCOL, comparisons
from experiments.pages.results import of_the_paper, timed
from experiments.reliability.__main__ import PATH as RELIABILITY
from experiments.reporting.json_lines import read_lines
from experiments.reporting.records import read_records
from experiments.studies import attribution, power, step


@block
def promise(name: str) -> str:
    """The figure of a promise."""
    return _FIGURES[name]()


def _complete() -> str:
    cells = defaultdict(dict)
    for record in read_records(step.PATH):
        if record["forget"] == "noise:0.02" and record["model"].startswith(("mf", "lightgcn-1")):
            cells[record["cell"]][record["method"]] = record["figures"]
    undone = [found["along and on"]["forget_undone"] for found in cells.values()]
    return f"{100 * np.median(undone):.0f} % (median of {len(undone)} pairs of data and model)"


def _efficient() -> str:
    ratios = {role: [one.value("ifru", role) for one in timed()] for role in (PROTOCOL, FASTEST)}
    return " and ".join(f"{np.median(found):.0f} times" for found in ratios.values())


def _harmless() -> str:
    lost = [one.value("retrain", "auc") - one.value("ifru", "auc") for one in of_the_paper()]
    return f"{max(lost):.4f} at worst, {np.mean(lost):.4f} on average, in {len(lost)} comparisons"


def _any_model() -> str:
    models = {one.model for one in comparisons() if one.stem in STEMS}
    return str(len(models))


def _explained() -> str:
    found = [r for r in read_records(attribution.PATH) if r["forget"] == "all"]
    shown = []
    for model in dict.fromkeys(r["model"] for r in found):
        agreement = {r["method"]: r["figures"]["agreement"]["value"] for r in found if r["model"] == model}
        ours = agreement.pop("along")
        best = max((value, name) for name, value in agreement.items() if name not in ("end", "along, H of all"))
        shown.append(f"{ours:.2f} ({model}; the best of the others, {best[1]}: {best[0]:.2f})")
    return " and ".join(shown)


def _checked() -> str:
    found = [r["figures"] for r in read_records(power.PATH) if r["seed"] == max(power.SIZES) and r["method"] == "retrained"]
    failed, count = sum(of["verdicts"].get("failed", 0) for of in found), sum(of["count"] for of in found)
    return f"{failed} of {count}"


def _durable() -> str:
    kills = [line for _, line in read_lines(RELIABILITY)]
    lost, half_done = (sum(kill[name] for kill in kills) for name in ("lost", "half_done"))
    return f"{len(kills)} kills, {lost} answers lost, {half_done} half done"


_FIGURES = {
    "complete": _complete,
    "efficient": _efficient,
    "harmless": _harmless,
    "any-model": _any_model,
    "explained": _explained,
    "checked": _checked,
    "durable": _durable,
}
