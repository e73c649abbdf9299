"""Blocks of docs/results.md and of docs/index.md: the comparisons of the IFRU paper."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

import experiments.pages.columns as show
from experiments.pages.blocks import block
from experiments.pages.comparisons import Comparison, average, comparisons
from experiments.reporting.main_table import MISSING, markdown, number, plain, seconds, times
from experiments.run.methods import REGISTRY
from experiments.suite.cell import NOISE
from experiments.suite.sizes import KINDS, SHARES

DATA_ORDER = ("ml-100k", "bookcrossing", "amazon", "ml-1m")
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


@cache
def of_the_paper() -> list[Comparison]:
    """Comparisons of the models of the IFRU paper: by request, model, data."""
    # Further sizes and kinds have a page of their own.
    elsewhere = {("ml-100k", forget) for forget in (*SHARES, *KINDS)}
    models = ("mf", "lightgcn-1", "lightgcn-2")
    found = [one for one in comparisons() if one.model in models and (one.dataset, one.forget) not in elsewhere]
    return sorted(found, key=lambda one: (one.forget, one.model, DATA_ORDER.index(one.dataset)))


def with_noise() -> list[Comparison]:
    """2 % of the labels flipped."""
    return [one for one in of_the_paper() if one.forget == NOISE]


def timed() -> list[Comparison]:
    """Those of them whose seconds were measured."""
    return [one for one in with_noise() if one.mean("ifru", "seconds.total") is not None]


def full() -> list[Comparison]:
    """Those of them with all ablations."""
    return [one for one in with_noise() if "ifru-stream" in one.methods]


@block
def headline() -> str:
    """The table of the overview."""
    against = {"against protocol / fastest retraining": show.BASELINES}
    return show.table(with_noise(), show.CELL, show.RETRAINED, show.UNDONE, show.FROM_ORIGINAL, show.SECONDS, against)


@block
def target_list() -> str:
    """What was to be shown, and whether it was."""
    return markdown(["what", "target", "measured", "reached"], list(_targets(of_the_paper())))


@block
def noise() -> str:
    """Quality and closeness where 2 % of the labels were flipped and then forgotten."""
    loss = show.mean("forget_loss", 3)
    losses = {"forget loss: retrained, IFRU": show.joined(", ", show.of("retrain", loss), loss)}
    rows = show.table(with_noise(), show.CELL, show.THREE_AUC, show.UNDONE, show.FROM_ORIGINAL, losses)
    six = [one for one in with_noise() if one.model in ("mf", "lightgcn-1")]
    gap, forget_gap = (
        " → ".join(plain(average(six, method, figure), 2) for method in ("original", "ifru")) for figure in ("gap", "forget_gap")
    )
    slope = plain(average(six, "ifru", "forget_slope"), 2)
    return f"{rows}\n| mean of the {len(six)} with MF or LightGCN-1 |  |  |  |  |  |  | {gap} | {forget_gap} | {slope} |  |"


@block
def whole_users() -> str:
    """Their own scores are constants, so gap and RMS of those who remain, and what is left of the forgotten."""
    distances = {"gap": show.arrow("gap"), "RMS": show.arrow("rms", 3), "RMS on forgotten pairs": show.arrow("forget_rms", 3)}
    return show.table(
        [one for one in of_the_paper() if one.forget.startswith("user")], show.NAME, show.STEP, show.THREE_AUC, distances
    )


@block
def stream() -> str:
    """One request of 2 % against ten of 0.2 %, one on the result of the other."""
    rows = []
    for one in full():
        row = [one.cell]
        for figure in ("rms", "forget_rms"):
            at_once, ten = one.mean("ifru", figure), one.mean("ifru-stream", figure)
            row += [plain(at_once), plain(ten), MISSING if not at_once or ten is None else plain(ten / at_once)]
        rows.append(row)
    heads = [head for what in ("RMS to retraining", "forget RMS") for head in (f"{what}: one request", "ten requests", "ratio")]
    return markdown(["data, model", *heads], rows)


@block
def time() -> str:
    """Warm seconds and what they are a fraction of."""
    columns = {
        "IFRU": show.mean("seconds.total", seconds),
        "first call": show.mean("seconds.first_call", seconds),
        "prepare": show.mean("seconds.prepare", seconds),
        "retraining": show.of("retrain", show.mean("seconds.total", seconds)),
        "against it": show.mean("speedup_vs_retrain", times),
        "against protocol": show.mean("speedup_vs_protocol", times),
        "against fastest": show.mean("speedup_vs_fastest", times),
        "full gradients": show.mean("gradient_evaluations", number),
    }
    return show.table(timed(), show.NAME, columns)


@block
def ablations() -> str:
    """IFRU with one thing changed."""
    names = [n for n in REGISTRY if n.startswith("ifru") and n != "ifru-stream" and not n.startswith("ifru-authors")]
    names = [name for name in names if any(name in one.methods for one in full())]
    rows = [[name, *("/".join(one.digits(name, *show.FIDELITY)) for one in full())] for name in names]
    return markdown(["gap / forget gap / slope", *(one.cell for one in full())], rows)


@block
def plain_figures() -> str:
    """The figures behind the gaps."""
    columns = {
        "noise": show.of("retrain", show.mean("noise", 3)),
        "RMS": show.arrow("rms", 3),
        "share removed": show.mean("share_removed"),
        "score std: retrained, IFRU": show.joined(", ", show.of("retrain", show.mean("score_std")), show.mean("score_std")),
        "forget noise": show.of("retrain", show.mean("forget_noise", 3)),
        "forget RMS": show.arrow("forget_rms", 3),
    }
    return show.table(of_the_paper(), show.NAME, columns)


@block
def claim() -> str:
    """What becomes of the paper's "more than 250 times faster with comparable quality", comparison by comparison."""

    def verdict(one: Comparison, _: str) -> str:
        protocol, fastest = (one.value("ifru", f"speedup_vs_{role}") for role in ("protocol", "fastest"))
        return "against both" if fastest >= 250 else "against protocol" if protocol >= 250 else "no"

    columns = {
        "× protocol": show.mean("speedup_vs_protocol", times),
        "× fastest": show.mean("speedup_vs_fastest", times),
        "AUC IFRU − retrained": lambda one, _: plain(one.value("ifru", "auc") - one.value("retrain", "auc"), 4),
        "range of retrained seeds": lambda one, _: plain(max(one.retrained_auc()) - min(one.retrained_auc()), 4),
        "250 times?": verdict,
    }
    return show.table(timed(), show.NAME, columns)


def _targets(found: Sequence[Comparison]) -> Iterator[Target]:
    """All criteria that the given comparisons can answer; flipped labels unless said otherwise."""
    noise = [one for one in found if one.forget == NOISE]
    six = [one for one in noise if one.model in ("mf", "lightgcn-1")]
    for what, figure, most in (("gap", "gap", 1.05), ("forget gap", "forget_gap", 1.25)):
        value = float(np.mean([one.value("ifru", figure) for one in six]))
        yield f"mean {what} over {len(six)} cells", f"≤ {most}", f"{value:.3f}", _said(value <= most)
    lost = {one.name: one.value("retrain", "auc") - one.value("ifru", "auc") for one in found}
    yield _worst("AUC below retraining's mean, whole users too", lost, 0.002)
    for what, cells in ((f"the {len(six)} cells", six), ("LightGCN-2", [one for one in noise if one.model == "lightgcn-2"])):
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
