"""Blocks of docs/rivals.md: every method beside retraining, cell by cell, and what shards are trained with."""

import json
import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.stats import ttest_rel

from experiments.pages.blocks import block
from experiments.pages.columns import BASELINES, METHOD, SECONDS, Show, mean, spread, table
from experiments.pages.comparisons import Comparison, comparisons, missing_cells, named
from experiments.reporting.main_table import MISSING, markdown, plain, seconds
from experiments.reporting.records import read_records
from experiments.run.hyperparameters import MODEL_CONFIGS, SHARD_CONFIGS
from experiments.suite import CELLS
from experiments.suite.cell import QUICK_RIVALS
from experiments.tuning.shards import TRAININGS

# What is enough to be a comparison of methods rather than one of IFRU with retraining.
RIVAL = "gif"
# Methods whose model is another than the original's: their distances to its retraining say little, those to their own are told.
OWN = ("sisa", "receraser", "receraser-user", "receraser-item")


@cache
def with_rivals() -> tuple[Comparison, ...]:
    """Cells with all rivals; on ml-1m the quick ones of them were run."""
    quick = set(QUICK_RIVALS.split(","))
    return tuple(one for one in comparisons() if RIVAL in one.methods or (one.dataset == "ml-1m" and quick <= set(one.methods)))


@block
def rivals(stem: str) -> str:
    """All methods of a cell, and where IFRU stands among those that don't train again."""
    one = named(stem)

    def p(one: Comparison, name: str) -> str:
        return MISSING if name == "retrain" else _paired(one, name)

    def distance(figure: str) -> Show:
        # Of a method with another model, that to its own retraining.
        return lambda one, name: f"({mean(f'own_{figure}')(one, name)})" if name in OWN else mean(figure)(one, name)

    columns = {
        **{"AUC": spread, "p": p, "AUC-or": mean("auc_or", 4), "AUC-and": mean("auc_and", 4)},
        **{"undone": mean("forget_undone"), "slope": mean("slope")},
        **{"gap": distance("gap"), "forget gap": distance("forget_gap"), "forget slope": mean("forget_slope")},
        "forget loss": mean("forget_loss", 3),
    }
    rows = table([one], METHOD, columns, SECONDS, {"× protocol / fastest": BASELINES}, methods=one.present)
    reasons = {r["method"]: r.get("not_applicable") or r.get("failed") for r in one.records}
    notes = [f"`{name}`: {reason}" for name, reason in reasons.items() if reason]
    return "\n\n".join([rows, *notes, *_places(one)])


@block
def first_by(figure: str) -> str:
    """In how many tables IFRU is first."""
    return str(sum(_order(one, figure)[:1] == ["ifru"] for one in with_rivals()))


@block
def rival_tables() -> str:
    """How many tables there are."""
    return str(len(with_rivals()))


@block
def not_run() -> str:
    """Cells of the suite without results."""
    return names(missing_cells())


@block
def without_rivals() -> str:
    """Cells whose results lack the rivals they were to have."""
    full = {one.stem for one in with_rivals()}
    return names([c.name for c in CELLS if f"{RIVAL}," in c.methods and c.records.exists() and c.name not in full])


@block
def shard_settings() -> str:
    """What shards are trained with, and what that gave in the search."""
    whole = json.loads(MODEL_CONFIGS.read_text())
    heads = ["data", "model", "method", "learning rate", "batch", "λ₂", "init std", "patience", "AUC on valid", "seconds"]
    rows = []
    for data, models in json.loads(SHARD_CONFIGS.read_text()).items():
        for model, methods in models.items():
            for method, config in methods.items():
                key = (data, model, method, config)
                runs = [r for r in read_records(TRAININGS) if (r["dataset"], r["model"], r["method"], r["config"]) == key]
                auc, taken = (float(np.mean([r["figures"][f] for r in runs])) for f in ("valid_auc", "seconds.fit"))
                rate, batch, reg = f"{config['learning_rate']:g}", f"{config['batch_size']:,}", f"{config['reg']:g}"
                reg += f" ({whole[data][model]['best']['reg']:g})"
                init, patience = f"{config['init_std']:g}", str(config["patience"])
                rows.append([data, model, f"`{method}`", rate, batch, reg, init, patience, plain(auc, 4), seconds(taken)])
    return markdown(heads, rows)


def names(found: list[str]) -> str:
    """Names in a sentence."""
    return ", ".join(f"`{name}`" for name in found) or "none"


def is_ours(name: str) -> bool:
    """IFRU, or IFRU with one thing changed."""
    return name.startswith("ifru") and not name.startswith("ifru-authors")


def _contenders(one: Comparison) -> list[str]:
    """IFRU, and the methods that don't train again and are not IFRU."""
    again = (*OWN, "original", "retrain", "warm-retrain")
    return ["ifru", *(name for name in one.present if name not in again and not is_ours(name))]


def _order(one: Comparison, figure: str) -> list[str]:
    """IFRU and its rivals by how far a figure is from retraining's."""
    distance = {}
    for name in _contenders(one):
        mean = one.mean(name, figure)
        if mean is not None:
            distance[name] = abs(math.log(mean)) if figure == "forget_gap" and mean > 0 else abs(mean - 1)
    return sorted(distance, key=lambda name: distance[name])


def _places(one: Comparison) -> Iterator[str]:
    """Said whether it is first or not; of those ahead by what they are judged: a place isn't to be taken for more than it says."""
    for figure in ("forget_gap", "forget_slope"):
        order = _order(one, figure)
        if "ifru" not in order:
            continue
        place = order.index("ifru") + 1
        ahead = []
        for name in order[: place - 1]:
            slope, gap = one.digits(name, "forget_slope", "forget_gap")
            ahead.append(f"`{name}` (slope {slope}, but forget gap {gap})")
        others = f", after {', '.join(ahead)}" if ahead else ""
        what = figure.replace("_", " ")
        yield f"By {what}, `ifru` is number {place} of {len(order)} methods that do not train again{others}."
    known = {name: taken for name in _contenders(one) if (taken := one.mean(name, "seconds.total"))}
    if "ifru" in known:
        fastest = min(known, key=lambda name: known[name])
        yield f"The fastest of them is `{fastest}`; `ifru` takes {known['ifru'] / known[fastest]:.1f} times as long."


def _paired(one: Comparison, name: str) -> str:
    """p of the AUC against the retrained model of the same number."""
    auc = {m: {r["seed"]: r["figures"].get("auc") for r in one.records if r["method"] == m} for m in (name, "retrain")}
    seeds = [s for s in auc[name] if auc[name][s] is not None and auc["retrain"].get(s) is not None]
    if len(seeds) < 3:
        return MISSING
    ours, theirs = ([auc[m][s] for s in seeds] for m in (name, "retrain"))
    return "1" if np.allclose(ours, theirs) else f"{float(np.asarray(ttest_rel(ours, theirs).pvalue)):.2g}"
