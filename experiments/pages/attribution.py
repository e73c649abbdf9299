"""Blocks of docs/attribution.md: whether explanations say what retraining does."""

from typing import Any

import numpy as np

from experiments.pages.blocks import block
from experiments.reporting.main_table import MISSING, markdown, plain
from experiments.reporting.records import read_records
from experiments.studies.agreement import mean_interval
from experiments.studies.attribution import PATH
from experiments.studies.own_ratings import PATH as OWN
from ifru_jax.unlearning.local.adjoint import MOST_RETURNING

Interval = dict[str, float]


@block
def attribution(kind: str) -> str:
    """Rank correlations of one kind of retraining: of every method, and how far ours is ahead of it."""
    several = kind != "one"
    rows = []
    for record in _of(kind):
        found = record["figures"]
        shown = [found["agreement"], found["ahead"], *([found["agreement mean"], found["ahead mean"]] if several else [])]
        rows.append([f"{record['dataset']}, {record['model']}", record["method"], *map(interval, shown)])
    heads = ["data, model", "method", "agreement", "along is ahead by"]
    return markdown([*heads, *(["mean of five models", "along is ahead by"] if several else [])], rows)


@block
def attribution_without() -> str:
    """How far scores fall without the five ratings that each method names."""
    rows = [[f"{r['dataset']}, {r['model']}", r["method"], interval(r["figures"]["fall"])] for r in _of("without")]
    return markdown(["data, model", "named by", "the score falls by"], rows)


@block
def attribution_lists() -> str:
    """Whether lists without ratings are those of retrained models."""
    rows = []
    for record in _of("without"):
        found = record["figures"]
        if "overlap unlearned" in found:
            names = [f"overlap {name}" for name in ("original", "unlearned", "retrained")]
            shown = [interval(found[name]) for name in (*names, "fall", "fall unlearned")]
            rows.append([f"{record['dataset']}, {record['model']}", record["method"], *shown])
    heads = [
        "data, model",
        "without the five ratings of",
        "original's list",
        "counterfactual list",
        "another retrained model's list",
    ]
    return markdown([*heads, "the score falls by, retrained", "counterfactual"], rows)


@block
def own_ratings() -> str:
    """Influences of own ratings with other users held, against those of the whole problem: where they are given, and elsewhere."""
    rows = []
    for record in read_records(OWN):
        found = {name: np.array(values) for name, values in record["figures"].items()}
        alone = found["returning"][:, 0] <= MOST_RETURNING
        for told, which in (("others held", alone), ("whole problem", ~alone)):
            if not which.any():
                continue
            names = ("correlation", "rank correlation", "size", "difference", "named")
            shown = [interval(mean_interval(found[name][which])._asdict(), 2 + ("corr" in name)) for name in names]
            least = plain(float(found["rank correlation"][which].min()), 3)
            rows.append([f"{record['dataset']}, {record['model']}", f"{told}: {which.sum()}", *shown[:2], least, *shown[2:]])
    heads = ["`explain` takes: users", "correlation", "rank correlation", "least", "size", "distance", "same of the first five"]
    return markdown(["data, model", *heads], rows)


def interval(found: Interval | None, digits: int = 2) -> str:
    """A value and between what."""
    if found is None:
        return MISSING
    return f"{plain(found['value'], digits)} ({plain(found['low'], digits)} – {plain(found['high'], digits)})"


def _of(kind: str) -> list[dict[str, Any]]:
    """Records of a kind, those of a model together."""
    found = [record for record in read_records(PATH) if record["forget"] == kind]
    order = list(dict.fromkeys((record["dataset"], record["model"]) for record in found))
    return sorted(found, key=lambda record: order.index((record["dataset"], record["model"])))
