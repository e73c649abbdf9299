"""Adam on the rows of a batch against Adam on all: how good models are, and how requests follow their records.

    IFRU_JAX_DATA=DIR python -m experiments.studies.rows [--only ml-100k] [--models DIR]

Matrix factorisation with the tuned hyper-parameters of each data set, with `TrainConfig(sparse=True)` and without, label noise of
2 % that is forgotten along the record, three seeds: epochs until training stopped, test AUC of originals, retrained and unlearned
models, and the share of the shift on the forgotten pairs that is undone, each against retraining by the same optimiser. A line per
data set and optimiser goes to experiments/results/rows.jsonl, from which `python -m experiments.tables` fills docs/step.md; what is
there is not run again. About an hour on two cores, nearly all of it for ml-1m.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.records import environment
from experiments.run.baselines import retrain, train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import telling
from experiments.run.setup import Setup, set_up
from experiments.run.yardsticks import Yardsticks
from experiments.studies.quality import quality
from ifru_jax.errors import DataError
from ifru_jax.unlearning import forget, prepare

PATH = RESULTS / "rows.jsonl"
DATA = ("ml-100k", "amazon", "bookcrossing", "ml-1m")
FORGET, SEEDS = "noise:0.02", 3


def rows(only: str = "", models: Path | None = None, out: Path = PATH) -> None:
    """Runs the cells that are missing.

    Args:
      only: data sets whose name contains it.
      models: folder to keep trained models in between runs.
      out: file for the lines, .jsonl.
    """
    if not (chosen := [name for name in DATA if only in name]):
        raise DataError(f"no data set has {only!r} in its name: choose among {', '.join(DATA)}.")
    if out.suffix != ".jsonl":
        raise DataError(f"out is {out}: give a file of lines, whose name ends in .jsonl.")
    console, store = Console(), KEEP_NOTHING if models is None else ModelStore(models)
    done = {(line["dataset"], line["sparse"]) for _, line in read_lines(out)}
    for name in chosen:
        for sparse in (False, True):
            if (name, sparse) in done:
                continue
            with telling(console) as tell:
                tell(f"{name}, {'rows of a batch' if sparse else 'all rows'}")
                found = compared(set_up(name, "mf", 0, FORGET), store, sparse=sparse)
            append_line(out, {"dataset": name, "sparse": sparse, **found, "environment": environment()})
            console.print(name, sparse, found["figures"])


def compared(setup: Setup, store: ModelStore, *, sparse: bool) -> dict[str, Any]:
    """Means over the seeds of models trained by one optimiser."""
    best = setup.params.best
    train = replace(best.train, sparse=sparse)
    setup = replace(setup, params=replace(setup.params, best=replace(best, train=train)))
    originals = [train_original(setup, seed, store=store) for seed in range(SEEDS)]
    retrained = [retrain(setup, original, seed, store=store)[0] for seed, original in enumerate(originals)]
    yardsticks = Yardsticks.of(setup, originals, retrained)
    unlearned = [yardsticks.scores(forget(prepare(original), setup.request)[0]) for original in originals]
    figures: dict[str, Any] = quality(yardsticks, unlearned)
    steps = np.mean([original.record.steps for original in originals if original.record])
    per_epoch = -(-len(originals[0].interactions) // train.batch_size)
    figures["epochs"] = float(steps / per_epoch)
    return {"figures": figures, "config": {"batch_size": train.batch_size, "reg": train.reg, "learning_rate": train.learning_rate}}


if __name__ == "__main__":
    command(rows, __doc__)
