"""Seconds of the committed comparisons, each beside its retrainings in one run, with nothing else running on the machine.

    IFRU_JAX_DATA=DIR python -m experiments.benchmark.cells                    # all cells that are missing
    IFRU_JAX_DATA=DIR python -m experiments.benchmark.cells --only ml-100k_mf  # those whose name contains it

What methods do to a model can be measured on a busy machine, and `experiments.suite` does; how long they take can't. Here a cell is
trained, retrained and unlearned once more, with one seed, all methods warm (`experiments.run.trials`). A line per method goes to
experiments/results/seconds.jsonl, from which pages have their seconds; a cell is written when it is complete, and not run again.
How long all take was not recorded: a cell takes one training, its retrainings and the methods.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.records import environment
from experiments.run.command_line import command
from experiments.run.comparison import run
from experiments.run.methods import parse_methods
from experiments.run.progress import telling
from experiments.run.setup import set_up
from experiments.studies.cells import chosen
from experiments.suite import CELLS
from experiments.suite.cell import Cell
from ifru_jax.compiled import compiling_anew

PATH = RESULTS / "seconds.jsonl"
# A figure with one of these beginnings is a time, or a ratio of two.
TIMES = ("seconds.", "speedup_vs_", "gradient_evaluations")
# Whose pages show seconds; the others are about what comes out.
TIMED = [cell for cell in CELLS if cell.forget == "noise:0.02" and not cell.part]


def cells(only: str = "") -> None:
    """Times the cells that are missing.

    Args:
      only: those whose name contains it.
    """
    console = Console()
    done = {line["cell"] for _, line in read_lines(PATH)}
    missing = [cell for cell in chosen(TIMED, only) if cell.name not in done]
    for number, cell in enumerate(missing, start=1):
        console.print(f"{number} of {len(missing)}: {cell.name}")
        # Times of first calls are with compilation.
        with telling(console) as tell, compiling_anew():
            setup = set_up(cell.data, cell.model, cell.layers, cell.forget, objective=cell.objective)
            records = list(run(setup, parse_methods(cell.methods), 1, own_yardsticks=False, tell=tell))
        for line in lines(cell, records):
            append_line(PATH, line)


def lines(cell: Cell, records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What a record of the comparison says of time: of retraining that of the median of its models."""
    retraining = sorted((times(r["figures"]) for r in records if r["method"] == "retrain"), key=lambda of: of["seconds.total"])
    found = {r["method"]: times(r["figures"]) for r in records} | {"retrain": retraining[len(retraining) // 2]}
    for method, figures in found.items():
        if figures:
            yield {"cell": cell.name, "method": method, "figures": figures, "environment": environment()}


def times(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Those figures that are times."""
    return {name: value for name, value in figures.items() if name.startswith(TIMES)}


if __name__ == "__main__":
    command(cells, __doc__)
