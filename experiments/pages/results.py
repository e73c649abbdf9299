"""Blocks of docs/results.md and of README.md: the comparisons of the IFRU paper."""

from functools import cache

from experiments.pages.blocks import block
from experiments.pages.columns import (
    BASELINES,
    CELL,
    FIDELITY,
    FROM_ORIGINAL,
    NAME,
    RETRAINED,
    SECONDS,
    THREE_AUC,
    arrow,
    joined,
    mean,
    of,
    table,
)
from experiments.pages.comparisons import Comparison, average, comparisons
from experiments.pages.targets import targets
from experiments.reporting.main_table import MISSING, markdown, number, plain, seconds, times
from experiments.run.methods import REGISTRY
from experiments.suite.cell import NOISE
from experiments.suite.sizes import KINDS, SHARES

DATA_ORDER = ("ml-100k", "bookcrossing", "amazon", "ml-1m")


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


def full() -> list[Comparison]:
    """Those of them with all ablations."""
    return [one for one in with_noise() if "ifru-stream" in one.methods]


@block
def headline() -> str:
    """The table of the README."""
    return table(with_noise(), CELL, RETRAINED, FROM_ORIGINAL, SECONDS, {"against protocol / fastest retraining": BASELINES})


@block
def target_list() -> str:
    """What was to be shown, and whether it was."""
    return markdown(["what", "target", "measured", "reached"], list(targets(of_the_paper())))


@block
def noise() -> str:
    """Quality and closeness where 2 % of the labels were flipped and then forgotten."""
    loss = mean("forget_loss", 3)
    rows = table(
        with_noise(), CELL, THREE_AUC, FROM_ORIGINAL, {"forget loss: retrained, IFRU": joined(", ", of("retrain", loss), loss)}
    )
    six = [one for one in with_noise() if one.model in ("mf", "lightgcn-1")]
    gap, forget_gap = (
        " → ".join(plain(average(six, method, figure), 2) for method in ("original", "ifru")) for figure in ("gap", "forget_gap")
    )
    slope = plain(average(six, "ifru", "forget_slope"), 2)
    return f"{rows}\n| mean of the {len(six)} with MF or LightGCN-1 |  |  |  | {gap} | {forget_gap} | {slope} |  |"


@block
def whole_users() -> str:
    """Their own scores are constants, so gap and RMS of those who remain, and what is left of the forgotten."""
    distances = {"gap": arrow("gap"), "RMS": arrow("rms", 3), "RMS on forgotten pairs": arrow("forget_rms", 3)}
    return table([one for one in of_the_paper() if one.forget.startswith("user")], NAME, THREE_AUC, distances)


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
        "IFRU": mean("seconds.total", seconds),
        "first call": mean("seconds.first_call", seconds),
        "prepare": mean("seconds.prepare", seconds),
        "retraining": of("retrain", mean("seconds.total", seconds)),
        "against it": mean("speedup_vs_retrain", times),
        "against protocol": mean("speedup_vs_protocol", times),
        "against fastest": mean("speedup_vs_fastest", times),
        "full gradients": mean("gradient_evaluations", number),
    }
    return table(of_the_paper(), NAME, columns)


@block
def ablations() -> str:
    """IFRU with one thing changed."""
    names = [n for n in REGISTRY if n.startswith("ifru") and n != "ifru-stream" and not n.startswith("ifru-authors")]
    names = [name for name in names if any(name in one.methods for one in full())]
    rows = [[name, *("/".join(one.digits(name, *FIDELITY)) for one in full())] for name in names]
    return markdown(["gap / forget gap / slope", *(one.cell for one in full())], rows)


@block
def plain_figures() -> str:
    """The figures behind the gaps."""
    columns = {
        "noise": of("retrain", mean("noise", 3)),
        "RMS": arrow("rms", 3),
        "share removed": mean("share_removed"),
        "score std: retrained, IFRU": joined(", ", of("retrain", mean("score_std")), mean("score_std")),
        "forget noise": of("retrain", mean("forget_noise", 3)),
        "forget RMS": arrow("forget_rms", 3),
    }
    return table(of_the_paper(), NAME, columns)


@block
def claim() -> str:
    """What becomes of the paper's "more than 250 times faster with comparable quality", comparison by comparison."""

    def verdict(one: Comparison, _: str) -> str:
        protocol, fastest = (one.value("ifru", f"speedup_vs_{role}") for role in ("protocol", "fastest"))
        return "against both" if fastest >= 250 else "against protocol" if protocol >= 250 else "no"

    columns = {
        "× protocol": mean("speedup_vs_protocol", times),
        "× fastest": mean("speedup_vs_fastest", times),
        "AUC IFRU − retrained": lambda one, _: plain(one.value("ifru", "auc") - one.value("retrain", "auc"), 4),
        "range of retrained seeds": lambda one, _: plain(max(one.retrained_auc()) - min(one.retrained_auc()), 4),
        "250 times?": verdict,
    }
    return table([one for one in comparisons() if one.mean("ifru", "speedup_vs_protocol") is not None], NAME, columns)
