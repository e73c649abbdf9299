"""Blocks of docs/verification.md: what measures find, and what becomes of canaries."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from experiments.pages.blocks import block
from experiments.reporting.main_table import MISSING, markdown, plain
from experiments.reporting.records import read_records
from experiments.studies.canaries import PATH as CANARIES
from experiments.studies.power import PATH, SIZES

GOOD, LIRA = "retrained", "lira"
Record = dict[str, Any]


@block
def power(size: str) -> str:
    """Verdicts of all bad models and of retrained ones, by request, with so many retrained models."""
    found = [r for r in _judgements() if r["seed"] == int(size)]
    kinds = [kind for kind in dict.fromkeys(r["method"] for r in found) if kind != GOOD]
    rows = []
    for cell in _cells(found):
        by_kind = {r["method"]: r["figures"] for r in found if _cell(r) == cell}
        rows.append([", ".join(cell), _verdicts(by_kind[GOOD]), *(_verdicts(by_kind[kind]) for kind in kinds)])
    return markdown(["data, model, request", GOOD, *kinds], rows)


@block
def power_of_measures(size: str) -> str:
    """How often each measure is outside its limits, by request: of an unchanged model and of one that forgot half."""
    found = [r for r in _judgements() if r["seed"] == int(size)]
    requests = _cells(found)
    names = list(dict.fromkeys(name for r in found for name in r["figures"]["measures"]))
    names = [name for name in names if ", " not in name]
    rows = []
    for name in names:
        accused = [r["figures"]["measures"].get(name) for r in found if r["method"] == GOOD]
        wrong = sum(of.get("fail", 0) for of in accused if of)
        total = sum(r["figures"]["count"] for r, of in zip([r for r in found if r["method"] == GOOD], accused, strict=True) if of)
        shown = [
            f"{_outside(found, request, 'unchanged', name)} / {_outside(found, request, 'forgot 50 %', name)}"
            for request in requests
        ]
        rows.append([f"`{name}`", f"{wrong} of {total}", *shown])
    return markdown(["measure", "accuses retrained", *(", ".join(request) for request in requests)], rows)


@block
def false_alarms() -> str:
    """How often a retrained model fails any measure, by the number of retrained models, with its interval."""
    rows = []
    for size in SIZES:
        found = [r["figures"] for r in _judgements() if r["seed"] == size and r["method"] == GOOD]
        count = sum(of["count"] for of in found)
        failed, unsure, passed = (sum(of["verdicts"].get(name, 0) for of in found) for name in ("failed", "cannot tell", "passed"))
        low, high = binomtest(failed, count).proportion_ci() if count else (0.0, 1.0)
        rows.append([str(size), f"{failed} of {count}", f"{100 * low:.1f} – {100 * high:.1f} %", str(unsure), str(passed)])
    return markdown(["retrained models", "failed", "95 % interval", "cannot tell", "passed"], rows)


@block
def lira_shadows() -> str:
    """LiRA by the number of shadows: means of five models."""
    rows = []
    for r in read_records(PATH):
        if r["method"] == LIRA:
            shown = [_spread(r["figures"][who][figure]) for figure in ("auc", "tpr") for who in ("original", "retrained")]
            rows.append([f"{r['dataset']}, {r['model']}", str(r["seed"]), *shown])
    heads = [f"{figure}: {who}" for figure in ("AUC", "found at 1 % false") for who in ("original", "retrained")]
    return markdown(["data, model", "shadows", *heads], rows)


@block
def canaries_learned() -> str:
    """How much of planted pairs is learned by heart."""
    rows = []
    for r in read_records(CANARIES):
        if r["method"] == "shadows":
            f = r["figures"]
            auc, low, high = f["rank auc"]
            rows.append(
                [
                    f"{r['dataset']}, {r['model']}",
                    f"{f['on top']} of {f['canaries']}",
                    str(f["named"]),
                    f"{auc:.3f} ({low:.3f} – {high:.3f})",
                    plain(f["memorised"], 2),
                    plain(f["others memorised"], 2),
                ]
            )
    heads = ["data, model", "canaries among as many at the top", "interactions of the request", "AUC of the rank"]
    return markdown([*heads, "learned by heart: canaries", "other ratings"], rows)


@block
def canaries_unseen() -> str:
    """Attacks on canaries and on ratings of every method, and the share that is still used."""
    rows = []
    for r in read_records(CANARIES):
        if r["method"] != "shadows":
            f = r["figures"]
            names = ("canaries", "ratings", "snapshots canaries", "snapshots ratings")
            canaries, ratings, *snapshots = (_spread(f[name]) if name in f else MISSING for name in names)
            worst = _widest(f["worst"], 3) if "worst" in f else MISSING
            rows.append([f"{r['dataset']}, {r['model']}", r["method"], canaries, ratings, worst, *snapshots, _widest(f["used"], 2)])
    heads = ["LiRA: canaries", "ratings", "the most memorised of them", "two snapshots: canaries", "ratings", "still used"]
    return markdown(["data, model", "method", *heads], rows)


def _widest(found: Sequence[Sequence[float]], digits: int) -> str:
    """Of several values with their intervals the mean, and all that any of the intervals holds."""
    value, low, high = np.mean([one[0] for one in found]), min(one[1] for one in found), max(one[2] for one in found)
    return f"{value:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})"


def _judgements() -> list[Record]:
    return [r for r in read_records(PATH) if r["method"] != LIRA]


def _cell(record: Record) -> tuple[str, str, str]:
    return record["dataset"], record["model"], record["forget"]


def _cells(found: Sequence[Record]) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys(map(_cell, found)))


def _verdicts(figures: Record) -> str:
    """failed / cannot tell / passed, in hundredths."""
    counts = [figures["verdicts"].get(name, 0) for name in ("failed", "cannot tell", "passed")]
    return " / ".join(f"{100 * count / figures['count']:.0f}" for count in counts)


def _outside(found: Sequence[Record], request: tuple[str, str, str], kind: str, name: str) -> str:
    """In hundredths, how often a measure is outside its limits."""
    for r in found:
        if _cell(r) == request and r["method"] == kind:
            counts = r["figures"]["measures"].get(name)
            return MISSING if counts is None else f"{100 * counts.get('outside', 0) / r['figures']['count']:.0f}"
    return MISSING


def _spread(values: Sequence[float | None]) -> str:
    """Mean and standard deviation over seeds."""
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f} ± {np.std(known, ddof=1):.3f}" if len(known) > 1 else MISSING
