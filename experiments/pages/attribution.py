"""Blocks of docs/attribution.md: whether explanations say what retraining does."""

from typing import Any

from experiments.pages.blocks import block
from experiments.reporting.main_table import MISSING, markdown, plain
from experiments.reporting.records import read_records
from experiments.studies.attribution import PATH

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
    return markdown([*heads, *(["mean of three models", "along is ahead by"] if several else [])], rows)


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


def interval(found: Interval | None) -> str:
    """A value and between what."""
    if found is None:
        return MISSING
    return f"{plain(found['value'], 2)} ({plain(found['low'], 2)} – {plain(found['high'], 2)})"


def _of(kind: str) -> list[dict[str, Any]]:
    return [record for record in read_records(PATH) if record["forget"] == kind]
