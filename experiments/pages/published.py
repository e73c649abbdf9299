"""Blocks of docs/published.md: the figures of `experiments.published` beside those that others published."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.pages.blocks import block
from experiments.pages.rivals import names
from experiments.published.contestants import CONTESTANTS
from experiments.published.protocol import K
from experiments.published.runs import PATH, best_by_valid
from experiments.reporting.main_table import MISSING, markdown, number, plain, seconds
from experiments.reporting.records import read_records

COLUMNS = {"recall": "Recall", "mrr": "MRR", "ndcg": "NDCG", "hr": "Hit", "precision": "Precision"}
# As near to the published NDCG counts as the same.
_MARGIN = 0.02


# Name, objective, and the columns. RecBole-GNN, results/general/ml-1m.md at 5145866; Mult-VAE: RecBole, benchmark/hyper/general at
# 6820b0c.
REFERENCES: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "mf": ("BPR", "BPR", (0.1776, 0.4187, 0.2401, 0.7199, 0.1779)),
    "neumf": ("NeuMF", "cross-entropy", (0.1651, 0.4020, 0.2271, 0.7029, 0.1700)),
    "ngcf": ("NGCF", "BPR", (0.1814, 0.4354, 0.2508, 0.7239, 0.1850)),
    "lightgcn": ("LightGCN", "BPR", (0.1861, 0.4388, 0.2538, 0.7330, 0.1863)),
    "simgcl": ("SimGCL", "BPR, contrast", (0.2029, 0.4550, 0.2667, 0.7640, 0.1933)),
    "multvae": ("MultiVAE", "softmax", (0.1995, 0.4292, 0.2523, 0.7650, 0.1839)),
}
OBJECTIVES = {
    "full-softmax": "softmax over all items",
    "bpr": "BPR, new negatives",
    "bce": "cross-entropy, new negatives",
    "bpr-fixed": "BPR, negatives drawn once",
}


@dataclass(frozen=True)
class Found:
    """The trainings of a contestant with the setting that valid chose.

    Attributes:
      runs: one per seed.
      tried: settings.
    """

    model: str
    objective: str
    runs: list[dict[str, Any]]
    tried: int

    @property
    def label(self) -> str:
        return f"`{self.model}`, {OBJECTIVES[self.objective]}"

    def mean(self, figure: str) -> float | None:
        """None where a run lacks it: the first ones kept no processor time."""
        values = [r["figures"].get(figure) for r in self.runs]
        return None if None in values else float(np.mean(values))

    def spread(self, name: str) -> str:
        """Plus or minus the standard deviation over seeds, of NDCG alone; nothing of one seed."""
        values = [r["figures"][f"test.{name}@{K}"] for r in self.runs if name == "ndcg"]
        return f" ± {plain(float(np.std(values, ddof=1)), 4)}" if len(values) > 1 else ""

    @property
    def ratio(self) -> float:
        """NDCG as a multiple of the published one."""
        return float(np.mean([r["figures"][f"test.ndcg@{K}"] for r in self.runs])) / REFERENCES[self.model][2][2]


def found_in(records: list[dict[str, Any]]) -> list[Found]:
    """What there is of every contestant, in their order."""
    every = []
    for one in CONTESTANTS:
        mine = [r for r in records if r["method"] == one.name]
        best = best_by_valid([r for r in mine if r["seed"] == 0])
        if best is not None:
            recipe = best["config"]["recipe"]
            tried = {json.dumps(r["config"]["recipe"]) for r in mine}
            # A training that time cut off and that was run again counts once.
            runs = {r["seed"]: r for r in mine if r["config"]["recipe"] == recipe}
            every.append(Found(one.model, one.objective, list(runs.values()), len(tried)))
    return every


@block
def published() -> str:
    """Ours, and the published figures in brackets."""
    heads = ["model, objective", *(f"{name}@{K}" for name in COLUMNS.values()), "seeds", "published as", "NDCG: ours / published"]
    rows = []
    for found in _all():
        name, objective, figures = REFERENCES[found.model]
        cells = [
            f"{plain(found.mean(f'test.{column}@{K}'), 4)}{found.spread(column)} ({plain(value, 4)})"
            for column, value in zip(COLUMNS, figures, strict=True)
        ]
        rows.append([found.label, *cells, str(len(found.runs)), f"{name}, {objective}", plain(found.ratio, 3)])
    return markdown(heads, rows)


@block
def published_ndcg(where: str) -> str:
    """Which are above the published NDCG, within the margin of it, or below."""

    def place(ratio: float) -> str:
        return "within" if abs(ratio - 1) <= _MARGIN else "above" if ratio > 1 else "below"

    chosen = [found for found in _all() if place(found.ratio) == where]
    return ", ".join(f"`{found.model}` with {OBJECTIVES[found.objective]}" for found in chosen) or "none"


@block
def published_settings() -> str:
    """How they were trained."""
    heads = ["model, objective", "settings tried", "learning rate", "λ₂", "init std", "batch", "layers", "epochs", "stopped by"]
    rows = []
    for found in _all():
        recipe = found.runs[0]["config"]["recipe"]
        rows.append(
            [
                found.label,
                str(found.tried),
                *(f"{recipe[name]:g}" for name in ("learning_rate", "reg", "init_std")),
                f"{recipe['batch_size']:,} {'users' if found.objective == 'full-softmax' else 'positives'}",
                str(recipe["layers"] or MISSING),
                number(found.mean("epochs")),
                ", ".join(sorted({_stopped(record) for record in found.runs})),
                seconds(found.mean("processor_seconds")),
                plain(found.mean(f"valid.ndcg@{K}"), 4),
            ]
        )
    return markdown([*heads, "processor seconds", f"NDCG@{K} on valid"], rows)


@block
def published_not_run() -> str:
    """Contestants without a training."""
    run = {record["method"] for record in read_records(PATH)}
    return names([one.name for one in CONTESTANTS if one.name not in run])


def _all() -> list[Found]:
    return found_in(read_records(PATH))


def _stopped(record: dict[str, Any]) -> str:
    by = record["figures"]["stopped"]
    return f"{by} ({record['config']['max_seconds']:g} s)" if by == "time" else by
