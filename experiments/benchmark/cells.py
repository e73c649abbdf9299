"""Seconds of the committed comparisons, each beside its retrainings in one run, with nothing else running on the machine.

    IFRU_JAX_DATA=DIR python -m experiments.benchmark.cells                    # all cells that are missing
    IFRU_JAX_DATA=DIR python -m experiments.benchmark.cells --only ml-100k_mf  # those whose name contains it

What methods do to a model can be measured on a busy machine, and `experiments.suite` does; how long they take can't. Here a cell is
retrained and unlearned once more from the model of one seed, all methods warm (`experiments.run.trials`). A line per method goes to
experiments/results/seconds.jsonl, from which pages have their seconds; a cell is written when it is complete, and not run again.
How long all take was not recorded: a cell takes one training, its retrainings and the methods.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.records import environment
from experiments.run.baselines import Baseline, baselines_of, gradient_seconds, retrain, train_original
from experiments.run.command_line import command
from experiments.run.comparison import context_of, in_running_order, times_of
from experiments.run.methods import PACEMAKER, REGISTRY, parse_methods
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import Tell, telling
from experiments.run.setup import set_up
from experiments.run.trials import repeatedly, trials
from experiments.studies.cells import chosen
from experiments.suite import CELLS
from experiments.suite.cell import NOISE, Cell
from ifru_jax.compiled import compiling_anew
from ifru_jax.errors import IfruError

PATH = RESULTS / "seconds.jsonl"
# A figure with one of these beginnings is a time, or a ratio of two.
TIMES = ("seconds.", "speedup_vs_", "gradient_evaluations")
# Whose pages show seconds; the others are about what comes out.
TIMED = [cell for cell in CELLS if cell.forget == NOISE and not cell.part]


def cells(only: str = "", models: Path | None = None) -> None:
    """Times the cells that are missing.

    Args:
      only: those whose name contains it.
      models: folder to keep the models in that are unlearned; retraining is always timed anew.
    """
    console = Console()
    done = {line["cell"] for _, line in read_lines(PATH)}
    missing = [cell for cell in chosen(TIMED, only) if cell.name not in done]
    for number, cell in enumerate(missing, start=1):
        console.print(f"{number} of {len(missing)}: {cell.name}")
        # Times of first calls are with compilation.
        with telling(console) as tell, compiling_anew():
            found = list(timed(cell, KEEP_NOTHING if models is None else ModelStore(models), tell))
        for method, figures in found:
            append_line(PATH, {"cell": cell.name, "method": method, "figures": figures, "environment": environment()})


def timed(cell: Cell, store: ModelStore, tell: Tell) -> Iterator[tuple[str, dict[str, Any]]]:
    """Methods of a cell that have a meaning there, and their times."""
    setup = set_up(cell.data, cell.model, cell.layers, cell.forget, objective=cell.objective)
    original, keys = train_original(setup, 0, store=store), count()
    tell("retraining")
    retrain(setup, original, 0, epochs=1)
    retraining = [report for _, report in repeatedly(lambda: retrain(setup, original, next(keys)))]
    baselines = {"retrain": Baseline.of(retraining)} | baselines_of(setup, original, retraining, KEEP_NOTHING, tell)
    gradient = gradient_seconds(original)
    middle = sorted(retraining, key=lambda report: report.seconds["total"])[len(retraining) // 2]
    yield "retrain", times_of(middle, baselines, gradient)
    pace = 0.0
    for name in in_running_order(parse_methods(cell.methods)):
        entry = REGISTRY[name]
        context = context_of(setup, entry)
        if entry.budget is not None:
            context = replace(context, budget_seconds=entry.budget * pace)
        tell(name)
        try:
            (trial,) = trials(entry, context, setup, [original], own_yardsticks=False, tell=lambda text: None)
        except IfruError:  # the suite's record says why
            continue
        pace = trial.report.seconds["total"] if name == PACEMAKER else pace
        yield name, times_of(trial.report, baselines, gradient) | trial.figures


if __name__ == "__main__":
    command(cells, __doc__)
