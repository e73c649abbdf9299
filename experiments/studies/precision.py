"""Tables read in bfloat16 against tables read as they are, float32: how good models are, and where requests go.

    IFRU_JAX_DATA=DIR python -m experiments.studies.precision [--only lightgcn] [--models DIR]

ml-100k with the tuned hyper-parameters of each model, label noise of 2 % that is forgotten along the record, three seeds: test AUC
of originals, retrained and unlearned models, and the share of the shift on the forgotten pairs that is undone, each against
retraining in the same precision. Beside it what the precision alone does to a request: how far the step of a float32 model is from
the one that reads its tables in bfloat16, in units of its length. A line per model and precision goes to
experiments/results/precision.jsonl, from which `python -m experiments.tables` fills docs/scale.md; what is there is not run again.
Some minutes on two cores.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.records import environment
from experiments.run.baselines import retrain, train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.models import ModelName
from experiments.run.progress import telling
from experiments.run.setup import Setup, set_up
from experiments.run.yardsticks import Yardsticks
from experiments.studies.quality import quality
from ifru_jax.errors import DataError
from ifru_jax.models import in_bfloat16
from ifru_jax.training import Trained
from ifru_jax.unlearning import forget, prepare

PATH = RESULTS / "precision.jsonl"
MODELS: tuple[ModelName, ...] = ("mf", "lightgcn")
PRECISIONS = ("float32", "bfloat16")
DATA, FORGET, SEEDS = "ml-100k", "noise:0.02", 3


def precision(only: str = "", models: Path | None = None, out: Path = PATH) -> None:
    """Runs the cells that are missing.

    Args:
      only: models whose name contains it.
      models: folder to keep trained models in between runs.
      out: file for the lines, .jsonl.
    """
    chosen: list[ModelName] = [name for name in MODELS if only in name]
    if not chosen:
        raise DataError(f"no model has {only!r} in its name: choose among {', '.join(MODELS)}.")
    if out.suffix != ".jsonl":
        raise DataError(f"out is {out}: give a file of lines, whose name ends in .jsonl.")
    console, store = Console(), KEEP_NOTHING if models is None else ModelStore(models)
    done = {(line["model"], line["precision"]) for _, line in read_lines(out)}
    for name in chosen:
        for kind in PRECISIONS:
            if (name, kind) in done:
                continue
            with telling(console) as tell:
                tell(f"{name}, {kind}")
                setup = set_up(DATA, name, 1, FORGET)
                figures = compared(setup if kind == "float32" else reduced(setup), store, apart=kind == "float32")
            append_line(out, {"dataset": DATA, "model": name, "precision": kind, "figures": figures, "environment": environment()})
            console.print(name, kind, figures)


def reduced(setup: Setup) -> Setup:
    """The same with tables that are read in bfloat16."""
    return replace(setup, model=f"{setup.model}+bfloat16", build=lambda init_std: in_bfloat16(setup.build(init_std)))


def compared(setup: Setup, store: ModelStore, *, apart: bool) -> dict[str, Any]:
    """Means over the seeds; with `apart` how far bfloat16 takes the step of each model."""
    originals = [train_original(setup, seed, store=store) for seed in range(SEEDS)]
    retrained = [retrain(setup, original, seed, store=store)[0] for seed, original in enumerate(originals)]
    yardsticks = Yardsticks.of(setup, originals, retrained)
    forgotten = [forget(prepare(original), setup.request)[0] for original in originals]
    unlearned = [yardsticks.scores(one) for one in forgotten]
    figures: dict[str, Any] = quality(yardsticks, unlearned)
    if apart:
        figures["apart"] = float(np.mean([_apart(setup, *both) for both in zip(originals, forgotten, strict=True)]))
    return figures


def _apart(setup: Setup, original: Trained, forgotten: Trained) -> float:
    """‖Δθ in bfloat16 − Δθ‖ / ‖Δθ‖ of one model and its record."""
    objective = replace(original.objective, model=in_bfloat16(original.model))
    narrow = replace(original, objective=objective).with_record(original.record)
    steps = [_step(original, one) for one in (forgotten, forget(prepare(narrow), setup.request)[0])]
    return float(np.linalg.norm(steps[1] - steps[0]) / np.linalg.norm(steps[0]))


def _step(before: Trained, after: Trained) -> np.ndarray:
    moved = jax.tree.map(lambda a, b: np.asarray(b, np.float64) - np.asarray(a, np.float64), before.params, after.params)
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(moved)])


if __name__ == "__main__":
    command(precision, __doc__)
