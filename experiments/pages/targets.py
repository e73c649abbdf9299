"""What the comparisons were to show, what they show, and whether it is enough: a list of docs/results.md."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.pages.comparisons import Comparison
from experiments.suite.cell import NOISE

# Test AUC that is known to be reachable, after retraining without the flipped labels.
REACHABLE = {
    ("bookcrossing", "mf", "noise:0.02"): 0.712,
    ("bookcrossing", "lightgcn-1", "noise:0.01"): 0.704,
    ("amazon", "mf", "noise:0.02"): 0.812,
    ("ml-100k", "mf", "noise:0.02"): 0.773,
    ("ml-100k", "lightgcn-2", "noise:0.02"): 0.776,
}


# What, target, measured (with the place where it was worst), and whether that is enough.
Target = tuple[str, str, str, str]


def targets(found: Sequence[Comparison]) -> Iterator[Target]:
    """All criteria that the given comparisons can answer; flipped labels unless said otherwise."""
    noise = [one for one in found if one.forget == NOISE]
    six = [one for one in noise if one.model in ("mf", "lightgcn-1")]
    for what, figure, most in (("gap", "gap", 1.05), ("forget gap", "forget_gap", 1.25)):
        value = float(np.mean([one.value("ifru", figure) for one in six]))
        yield f"mean {what} over {len(six)} cells", f"≤ {most}", f"{value:.3f}", _said(value <= most)
    lost = {one.name: one.value("retrain", "auc") - one.value("ifru", "auc") for one in found}
    yield _worst("AUC below retraining's mean, whole users too", lost, 0.002)
    for what, cells in (("the six cells", six), ("LightGCN-2", [one for one in noise if one.model == "lightgcn-2"])):
        slopes = {one.name: abs(one.value("ifru", "forget_slope") - 1) for one in cells}
        if slopes:
            yield _worst(f"distance of the forget slope from 1, {what}", slopes, 0.15)
    retrained = {one.name: one.retrained_auc() for one in noise if one.dataset in ("ml-100k", "bookcrossing")}
    spread = {name: max(auc) - min(auc) for name, auc in retrained.items()}
    yield _worst("range of test AUC over retrained seeds, ml-100k and bookcrossing", spread, 0.003)
    for where, least in REACHABLE.items():
        for one in found:
            if (one.dataset, one.model, one.forget) == where:
                value = one.value("retrain", "auc")
                yield f"test AUC of retraining, {one.name}", f"≥ {least}", f"{value:.4f}", _said(value >= least)
    ratios = {
        f"{one.name}, {figure}": one.value("ifru-stream", figure) / one.value("ifru", figure)
        for one in noise
        if "ifru-stream" in one.methods
        for figure in ("rms", "forget_rms")
    }
    yield _worst("distance to retraining after ten requests, relative to one", ratios, 1.10)


def _worst(what: str, values: dict[str, float], most: float) -> Target:
    place = max(values, key=lambda name: values[name])
    above = sum(value > most for value in values.values())
    text = f"{values[place]:.4f} at worst ({place}); {len(values) - above} of {len(values)} within"
    return what, f"≤ {most:g}", text, _said(above == 0)


def _said(reached: bool) -> str:
    return "yes" if reached else "no"
