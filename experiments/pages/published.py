"""docs/published.md: the figures of `experiments.published` beside those that others published, from results/published.jsonl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.published import ENTRIES, PATH, K, best_by_valid
from experiments.reporting import read_records
from experiments.reporting.main_table import MISSING, markdown, number, plain, seconds

COLUMNS = {"recall": "Recall", "mrr": "MRR", "ndcg": "NDCG", "hr": "Hit", "precision": "Precision"}
# Beyond this share below the published NDCG a model is said to fall short.
_SHORT = 0.02


@dataclass(frozen=True)
class Reference:
    """A published row: recall, MRR, NDCG, hit rate and precision at 10, and the objective behind them."""

    name: str
    objective: str
    figures: tuple[float, float, float, float, float]


# RecBole-GNN, results/general/ml-1m.md at 5145866; Mult-VAE: RecBole, benchmark/hyper/general at 6820b0c.
REFERENCES = {
    "mf": Reference("BPR", "BPR", (0.1776, 0.4187, 0.2401, 0.7199, 0.1779)),
    "neumf": Reference("NeuMF", "cross-entropy", (0.1651, 0.4020, 0.2271, 0.7029, 0.1700)),
    "ngcf": Reference("NGCF", "BPR", (0.1814, 0.4354, 0.2508, 0.7239, 0.1850)),
    "lightgcn": Reference("LightGCN", "BPR", (0.1861, 0.4388, 0.2538, 0.7330, 0.1863)),
    "simgcl": Reference("SimGCL", "BPR, contrast", (0.2029, 0.4550, 0.2667, 0.7640, 0.1933)),
    "multvae": Reference("MultiVAE", "softmax", (0.1995, 0.4292, 0.2523, 0.7650, 0.1839)),
}
OBJECTIVES = {
    "full-softmax": "softmax over all items",
    "bpr": "BPR, new negatives",
    "bce": "cross-entropy, new negatives",
    "bpr-fixed": "BPR, negatives drawn once",
}


@dataclass(frozen=True)
class Found:
    """The trainings of an entry with the setting that valid chose.

    Attributes:
      runs: one per seed.
      tried: settings.
    """

    model: str
    objective: str
    runs: list[dict[str, Any]]
    tried: int

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
        return float(np.mean([r["figures"][f"test.ndcg@{K}"] for r in self.runs])) / REFERENCES[self.model].figures[2]


def found_in(records: list[dict[str, Any]]) -> list[Found]:
    """What there is of every entry, in their order."""
    every = []
    for entry in ENTRIES:
        mine = [r for r in records if r["method"] == entry.name]
        best = best_by_valid([r for r in mine if r["seed"] == 0])
        if best is not None:
            recipe = best["config"]["recipe"]
            tried = {json.dumps(r["config"]["recipe"]) for r in mine}
            # A training that time cut off and that was run again counts once.
            runs = {r["seed"]: r for r in mine if r["config"]["recipe"] == recipe}
            every.append(Found(entry.model, entry.objective, list(runs.values()), len(tried)))
    return every


def published_page() -> str:
    """docs/published.md."""
    every = found_in(read_records(PATH))
    missing = [entry.name for entry in ENTRIES if entry.name not in {f"{f.model}+{f.objective}" for f in every}]
    not_run = ", ".join(f"`{name}`" for name in missing) or "none"
    parts = [_TEXT, _table(every), _verdict(every), _DIFFERENCES, "## How they were trained\n", _settings(every)]
    return "\n".join(parts) + f"\nNot run yet: {not_run}.\n"


def _table(every: list[Found]) -> str:
    heads = ["model, objective", *(f"{name}@{K}" for name in COLUMNS.values()), "seeds", "published as", "NDCG: ours / published"]
    rows = []
    for found in every:
        reference = REFERENCES[found.model]
        cells = [
            f"{plain(found.mean(f'test.{name}@{K}'), 4)}{found.spread(name)} ({plain(value, 4)})"
            for name, value in zip(COLUMNS, reference.figures, strict=True)
        ]
        rows.append(
            [
                f"`{found.model}`, {OBJECTIVES[found.objective]}",
                *cells,
                str(len(found.runs)),
                f"{reference.name}, {reference.objective}",
                plain(found.ratio, 3),
            ]
        )
    return markdown(heads, rows) + "\n"


def _verdict(every: list[Found]) -> str:
    """Which reach the published NDCG, said of every row."""
    groups = {
        f"More than {_SHORT:.0%} above the published NDCG": [f for f in every if f.ratio > 1 + _SHORT],
        f"Within {_SHORT:.0%} of it": [f for f in every if abs(f.ratio - 1) <= _SHORT],
        f"More than {_SHORT:.0%} below": [f for f in every if f.ratio < 1 - _SHORT],
    }
    lines = [
        f"- {what}: " + (", ".join(f"`{f.model}` with {OBJECTIVES[f.objective]}" for f in found) or "none") + "."
        for what, found in groups.items()
    ]
    return "\n".join(lines) + "\n"


def _settings(every: list[Found]) -> str:
    heads = [
        "model, objective", "settings tried", "learning rate", "λ₂", "init std", "batch", "layers", "epochs", "stopped by",
        "processor seconds", f"NDCG@{K} on valid",
    ]  # fmt: skip
    rows = []
    for found in every:
        recipe = found.runs[0]["config"]["recipe"]
        stops = sorted({_stopped(r) for r in found.runs})
        rows.append(
            [
                f"`{found.model}`, {OBJECTIVES[found.objective]}",
                str(found.tried),
                f"{recipe['learning_rate']:g}",
                f"{recipe['reg']:g}",
                f"{recipe['init_std']:g}",
                f"{recipe['batch_size']:,} {'users' if found.objective == 'full-softmax' else 'positives'}",
                str(recipe["layers"] or MISSING),
                number(found.mean("epochs")),
                ", ".join(stops),
                seconds(found.mean("processor_seconds")),
                plain(found.mean(f"valid.ndcg@{K}"), 4),
            ]
        )
    return markdown(heads, rows) + "\n"


def _stopped(record: dict[str, Any]) -> str:
    by = record["figures"]["stopped"]
    return f"{by} ({record['config']['max_seconds']:g} s)" if by == "time" else by


_TEXT = """\
# Published accuracies

Do these models recommend? The same data and protocol as a published benchmark, and its figures in brackets. All are of test; test
chose nothing.

**Protocol.** ml-1m, ratings of at least 3 are positives (836,478 of 6,039 users with 3,628 items, the counts of the benchmark).
Each user's are split 8:1:1 at random. All items are ranked that the user has neither in train nor in valid. Embeddings of size 64.
Figures at 10, each a mean over the users with test items. Published by
[RecBole-GNN](https://github.com/RUCAIBox/RecBole-GNN/blob/main/results/general/ml-1m.md); Mult-VAE by
[RecBole](https://github.com/RUCAIBox/RecBole/blob/master/benchmark/hyper/general/MultiVAE-ml-1m_general.md), on the 10-core of the
same positives (834,449). The splits are drawn by the same rule, not the same draw.
"""
_DIFFERENCES = """\
## What differs

- **Objective.** Where the row says softmax and the benchmark BPR, a better figure is the objective's as much as the model's:
  compare the rows of `mf`. One softmax gradient over a batch of users costs a graph model no more propagation than one over a
  batch of sampled pairs, and learns from all items at once; a graph model takes one propagation per step, so with BPR it would not
  have come far in the minutes it was given.
- **Fixed negatives.** Unlearning needs an objective that stands still, so elsewhere in this repository negatives are drawn once.
  The row with negatives drawn once is that, by the library's own training, with four per positive.
- **Dropout and noise.** `multvae` was trained with half of each bag left out, anew in every step, and `simgcl` with new noise in
  every step, as in their papers; the models that are unlearned have neither ([models.md](models.md)). The code of `multvae` is the
  mean, not a sample, and its hidden layers have 200 units instead of the paper's 600.
- **Search and time.** The benchmark tuned learning rates, layers, regularisation and temperatures, up to dozens of settings per
  model, and trained for up to 500 epochs. Here (five further trials of `mf` with softmax, none better on valid, left no record)
  each model had the settings below, and the seconds of one CPU core in the table, *time* where a limit cut it off.
- **`sasrec`** was not run: its published protocol leaves out the last interaction in time, and the copy of ml-1m used here has no
  timestamps.
"""
