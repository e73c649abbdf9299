"""Blocks of docs/results.md and of README.md: the comparisons of the IFRU paper."""

from __future__ import annotations

from functools import cache

from experiments.pages.blocks import block
from experiments.pages.comparisons import Comparison, average, comparisons
from experiments.pages.targets import targets
from experiments.reporting.main_table import MISSING, markdown, number, plain, seconds, times
from experiments.run.methods import REGISTRY
from experiments.suite.cell import NOISE
from experiments.suite.sizes import KINDS, SHARES

DATA_ORDER = ("ml-100k", "bookcrossing", "amazon", "ml-1m")
ROLES = ("original", "retrain", "ifru")
FIDELITY = ("gap", "forget_gap", "forget_slope")


@cache
def of_the_paper() -> tuple[Comparison, ...]:
    """Comparisons of the models of the IFRU paper: by request, model, data."""
    found = [one for one in comparisons() if one.model in ("mf", "lightgcn-1", "lightgcn-2") and not has_own_page(one)]
    return tuple(sorted(found, key=lambda one: (one.forget, one.model, DATA_ORDER.index(one.dataset))))


def has_own_page(one: Comparison) -> bool:
    """Whether a comparison is one of the sizes and kinds of docs/forget_sets.md."""
    return one.dataset == "ml-100k" and one.forget in (*SHARES, *KINDS)


def with_noise() -> list[Comparison]:
    """2 % of the labels flipped."""
    return [one for one in of_the_paper() if one.forget == NOISE]


def full() -> list[Comparison]:
    """Those of them with all ablations."""
    return [one for one in with_noise() if "ifru-stream" in one.methods]


@block
def headline() -> str:
    """The table of the README."""
    heads = ["data, model", "AUC original → IFRU (retrained)", "gap", "forget gap", "forget slope", "seconds"]
    rows = [
        [
            one.cell,
            f"{one.arrow('auc', 4)} ({one.spread('retrain')})",
            one.arrow("gap"),
            one.arrow("forget_gap"),
            plain(one.mean("ifru", "forget_slope"), 2),
            seconds(one.mean("ifru", "seconds.total")),
            f"{times(one.mean('ifru', 'speedup_vs_protocol'))} / {times(one.mean('ifru', 'speedup_vs_fastest'))}",
        ]
        for one in with_noise()
    ]
    return markdown([*heads, "against protocol / fastest retraining"], rows)


@block
def target_list() -> str:
    """What was to be shown, and whether it was."""
    rows = [[t.what, t.target, t.measured, "yes" if t.reached else "no"] for t in targets(of_the_paper())]
    return markdown(["what", "target", "measured", "reached"], rows)


@block
def noise() -> str:
    """Quality and closeness where 2 % of the labels were flipped and then forgotten."""
    heads = ["data, model", "AUC original", "AUC retrained", "AUC IFRU", "gap", "forget gap", "forget slope"]
    heads.append("forget loss: retrained, IFRU")
    rows = [
        [
            one.cell,
            *map(one.spread, ROLES),
            one.arrow("gap"),
            one.arrow("forget_gap"),
            plain(one.mean("ifru", "forget_slope"), 2),
            f"{plain(one.mean('retrain', 'forget_loss'))}, {plain(one.mean('ifru', 'forget_loss'))}",
        ]
        for one in with_noise()
    ]
    six = [one for one in with_noise() if one.model in ("mf", "lightgcn-1")]
    averages = [f"{plain(average(six, 'original', f), 2)} → {plain(average(six, 'ifru', f), 2)}" for f in ("gap", "forget_gap")]
    slope = plain(average(six, "ifru", "forget_slope"), 2)
    return markdown(heads, [*rows, [f"mean of the {len(six)} with MF or LightGCN-1", "", "", "", *averages, slope, ""]])


@block
def whole_users() -> str:
    """Their own scores are constants, so gap and RMS of those who remain, and what is left of the forgotten."""
    heads = ["data, model, request", "AUC original", "AUC retrained", "AUC IFRU", "gap", "RMS", "RMS on forgotten pairs"]
    users = [one for one in of_the_paper() if one.forget.startswith("user")]
    distances = (("gap", 2), ("rms", 3), ("forget_rms", 3))
    return markdown(heads, [[one.name, *map(one.spread, ROLES), *(one.arrow(*of) for of in distances)] for one in users])


@block
def stream() -> str:
    """One request of 2 % against ten of 0.2 %, one on the result of the other."""
    heads = ["data, model"]
    for what in ("RMS to retraining", "forget RMS"):
        heads += [f"{what}: one request", "ten requests", "ratio"]
    rows = []
    for one in full():
        row = [one.cell]
        for figure in ("rms", "forget_rms"):
            at_once, ten = one.mean("ifru", figure), one.mean("ifru-stream", figure)
            row += [plain(at_once), plain(ten), MISSING if not at_once or ten is None else plain(ten / at_once)]
        rows.append(row)
    return markdown(heads, rows)


@block
def time() -> str:
    """Warm seconds and what they are a fraction of."""
    heads = ["data, model, request", "IFRU", "first call", "prepare", "retraining", "against it", "against protocol"]
    rows = [
        [
            one.name,
            *(seconds(one.mean("ifru", f"seconds.{part}")) for part in ("total", "first_call", "prepare")),
            seconds(one.mean("retrain", "seconds.total")),
            *(times(one.mean("ifru", f"speedup_vs_{name}")) for name in ("retrain", "protocol", "fastest")),
            number(one.mean("ifru", "gradient_evaluations")),
        ]
        for one in of_the_paper()
    ]
    return markdown([*heads, "against fastest", "full gradients"], rows)


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
    heads = ["data, model, request", "noise", "RMS", "share removed", "score std: retrained, IFRU", "forget noise", "forget RMS"]
    rows = [
        [
            one.name,
            plain(one.mean("retrain", "noise")),
            one.arrow("rms", 3),
            plain(one.mean("ifru", "share_removed"), 2),
            f"{plain(one.mean('retrain', 'score_std'), 2)}, {plain(one.mean('ifru', 'score_std'), 2)}",
            plain(one.mean("retrain", "forget_noise")),
            one.arrow("forget_rms", 3),
        ]
        for one in of_the_paper()
    ]
    return markdown(heads, rows)


@block
def claim() -> str:
    """What becomes of the paper's "more than 250 times faster with comparable quality", comparison by comparison."""
    heads = ["data, model, request", "× protocol", "× fastest", "AUC IFRU − retrained", "range of retrained seeds", "250 times?"]
    rows = []
    for one in comparisons():
        protocol, fastest = (one.mean("ifru", f"speedup_vs_{role}") for role in ("protocol", "fastest"))
        if protocol is None or fastest is None:
            continue
        auc = one.retrained_auc()
        lost = one.value("ifru", "auc") - one.value("retrain", "auc")
        verdict = "against both" if fastest >= 250 else "against protocol" if protocol >= 250 else "no"
        rows.append([one.name, times(protocol), times(fastest), plain(lost, 4), plain(max(auc) - min(auc), 4), verdict])
    return markdown(heads, rows)
