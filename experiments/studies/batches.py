"""What Adam divided by without the forgotten labels, and what the step takes it to be.

    IFRU_JAX_DATA=DIR python -m experiments.studies.batches [--only ml-100k] [--models DIR]

Without what is forgotten embeddings grow sooner, and the batches of an epoch are smaller or fewer: Adam goes slower or faster all
along the training (docs/step.md). Models with label noise of 2 % and without it are trained for as many steps, ten seeds each, and
their records compared: by what factor P_r differs from P, on average over the rows, and what the step makes of it; and how much of
the shift is undone where early stopping has no part in it; and the same of trainings in few large steps. A line per cell goes to
experiments/results/batches.jsonl, from which `python -m experiments.tables` fills docs/step.md; what is there is not run again.
Half an hour on two cores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.run.baselines import train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import telling
from experiments.run.setup import Setup, set_up
from experiments.run.yardsticks import Yardsticks
from experiments.studies.cells import ModelCell, append_cell, missing
from ifru_jax.data import Interactions
from ifru_jax.training import Trained
from ifru_jax.unlearning import forget, prepare

PATH = RESULTS / "batches.jsonl"
FORGET, SEEDS = "noise:0.02", 10


@dataclass(frozen=True)
class BatchesCell(ModelCell):
    """One that is trained for about as long as early stopping lets it.

    Attributes:
      epochs: how long.
      coarse: learning rate and batch size in place of its own, for a training of few large steps.
    """

    epochs: int
    coarse: tuple[float, int] | None = None

    @property
    def name(self) -> str:
        return super().name + (f"_{self.coarse[1]}" if self.coarse else "")


CELLS = (
    BatchesCell("movielens-small", "lightgcn", 2, 37),
    BatchesCell("filmtrust", "lightgcn", 1, 60),
    BatchesCell("ml-100k", "mf", 0, 45),
    BatchesCell("ml-100k", "lightgcn", 2, 42),
    BatchesCell("ml-100k", "mf", 0, 9, (3e-2, 32768)),
    BatchesCell("ml-100k", "mf", 0, 7, (2e-2, 16384)),
    BatchesCell("ml-100k", "mf", 0, 3, (2e-2, 4096)),
    BatchesCell("filmtrust", "mf", 0, 9, (2e-2, 8192)),
    BatchesCell("ml-100k", "lightgcn", 1, 19, (2e-2, 16384)),
)


def batches(only: str = "", models: Path | None = None) -> None:
    """Runs the cells that are missing.

    Args:
      only: those whose name contains it.
      models: folder to keep trained models in between runs.
    """
    console, store = Console(), KEEP_NOTHING if models is None else ModelStore(models)
    for cell in missing(CELLS, only, PATH):
        with telling(console) as tell:
            tell(cell.name)
            found = compared(cell, store)
        append_cell(PATH, cell, [found])
        console.print(cell.name, found)


def compared(cell: BatchesCell, store: ModelStore) -> dict[str, Any]:
    """The figures of one cell."""
    setup = _with_steps(set_up(cell.dataset, cell.model, cell.layers, FORGET), cell.coarse)
    size, data = setup.params.best.train.batch_size, setup.split.train
    gone = setup.request.touches(data)
    kept = data.select(~gone)
    steps = cell.epochs * -(-len(data) // size)
    before = _trained_for(setup, data, cell.epochs, "as-long")
    after = _trained_for(setup, kept, round(steps / -(-len(kept) // size)), "as-long-without")
    originals = [train_original(before, seed, store=store) for seed in range(SEEDS)]
    retrained = [train_original(after, SEEDS + seed, store=store) for seed in range(SEEDS)]
    unlearned = [forget(prepare(original), setup.request)[0] for original in originals]
    yardsticks = Yardsticks.of(before, originals, retrained)
    undone = yardsticks.over_seeds([yardsticks.scores(one) for one in unlearned])
    figures = {name: undone[name] for name in ("forget_undone", "slope", "undone")}
    figures |= {"retrained": _slower(originals, retrained), "step": _slower(originals, unlearned)}
    each = [len(of) / -(-len(of) // size) for of in (data, kept)]
    return {"batch_size": size, "each": each, "steps": steps, "figures": figures}


def _with_steps(setup: Setup, coarse: tuple[float, int] | None) -> Setup:
    """The same with this learning rate and batch size."""
    if coarse is None:
        return setup
    best, (rate, size) = setup.params.best, coarse
    train = replace(best.train, learning_rate=rate, batch_size=size)
    return replace(setup, params=replace(setup.params, best=replace(best, train=train)))


def _trained_for(setup: Setup, data: Interactions, epochs: int, name: str) -> Setup:
    """The same with other data, for a number of epochs; nothing stops it."""
    best = setup.params.best
    params = replace(setup.params, best=replace(best, train=replace(best.train, epochs=epochs)))
    nothing = setup.split.valid.select(np.zeros(0, np.int64))
    return replace(setup, split=replace(setup.split, train=data, valid=nothing), params=params, dataset=f"{setup.dataset}-{name}")


def _slower(before: Sequence[Trained], after: Sequence[Trained]) -> float:
    """P_r / P, the geometric mean over rows and segments; P of a row is a mean over its columns and the seeds."""
    ratios = []
    for table in before[0].model.tables:
        for number in range(len(_segments(before[0]))):
            old, new = (
                np.mean([np.asarray(_segments(one)[number].applied[table]).mean(axis=1) for one in models], axis=0)
                for models in (before, after)
            )
            known = (old > 0) & (new > 0)
            ratios.append(np.mean(np.log(new[known] / old[known])))
    return float(np.exp(np.mean(ratios)))


def _segments(of: Trained) -> tuple[Any, ...]:
    assert of.record is not None
    return of.record.segments


if __name__ == "__main__":
    command(batches, __doc__)
