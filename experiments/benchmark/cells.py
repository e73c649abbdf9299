"""Seconds of the committed comparisons, each beside its retrainings in one run, with nothing else running on the machine.

    IFRU_JAX_DATA=DIR python -m experiments.benchmark.cells                    # all cells that are missing
    IFRU_JAX_DATA=DIR python -m experiments.benchmark.cells --only ml-100k_mf  # those whose name contains it
    IFRU_JAX_DATA=DIR python -m experiments.benchmark.cells --again ifru,ifru-end   # these methods, of cells that are there

What methods do to a model can be measured on a busy machine, and `experiments.suite` does; how long they take can't. Here a cell is
retrained and unlearned once more from the model of one seed, all methods warm (`experiments.run.trials`). A line per method goes to
experiments/results/seconds.jsonl, from which pages have their seconds; a cell is written when it is complete, and not run again.
A method that has changed since is timed `--again`, beside retrainings of its own, and takes the place of what was there.
How long all take was not recorded: a cell takes one training, its retrainings and the methods.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines, write_lines
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


def cells(only: str = "", models: Path | None = None, again: str = "") -> None:
    """Times the cells that are missing.

    Args:
      only: those whose name contains it.
      models: folder to keep the models in that are unlearned; retraining is always timed anew.
      again: methods to time anew, with commas between, in the cells that are there in place of those that are missing.

    Raises:
      DataError: no such cell or method.
    """
    console = Console()
    done, methods = {line["cell"] for _, line in read_lines(PATH)}, parse_methods(again)
    of_cells = [
        (cell, [name for name in parse_methods(cell.methods) if name in methods or not methods]) for cell in chosen(TIMED, only)
    ]
    wanted = [(cell, names) for cell, names in of_cells if names and (cell.name in done) == bool(methods)]
    for number, (cell, names) in enumerate(wanted, start=1):
        console.print(f"{number} of {len(wanted)}: {cell.name}")
        # Times of first calls are with compilation.
        with telling(console) as tell, compiling_anew():
            found = list(timed(cell, names, KEEP_NOTHING if models is None else ModelStore(models), tell))
        lines = [{"cell": cell.name, "method": name, "figures": of, "environment": environment()} for name, of in found]
        if methods:
            # Ratios of the others are to the retraining that stands beside them.
            _put_in_place([line for line in lines if line["method"] in methods])
        else:
            for line in lines:
                append_line(PATH, line)


def _put_in_place(lines: Sequence[dict[str, Any]]) -> None:
    """Lines of a cell in the place of those of the same methods."""
    new = {(line["cell"], line["method"]): line for line in lines}
    kept = [new.pop((line["cell"], line["method"]), line) for _, line in read_lines(PATH)]
    write_lines(PATH, [*kept, *new.values()])


def timed(cell: Cell, methods: Sequence[str], store: ModelStore, tell: Tell) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those of the methods that have a meaning in a cell, retraining before all, and their times."""
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
    for name in in_running_order(methods):
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
