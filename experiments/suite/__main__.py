"""The committed comparisons, cell by cell; a cell that is done is not run again.

    IFRU_JAX_DATA=DIR python -m experiments.suite                   # all cells that are missing; all of them take hours
    IFRU_JAX_DATA=DIR python -m experiments.suite --family paper    # those of a file in experiments/suite
    IFRU_JAX_DATA=DIR python -m experiments.suite --only sisa       # those whose name contains it

Each cell is one `experiments.compare`; its results.jsonl goes to experiments/results/DATA_MODEL_FORGET, a folder a cell. Each file
of experiments/suite holds a family of cells, and says what it takes and what it should reach. `python -m experiments.tables` fills
the tables of the docs from the results.
"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape

from experiments.compare import Compare, compare
from experiments.run.command_line import command
from experiments.suite import CELLS, FAMILIES
from ifru_jax.errors import DataError, IfruError
from ifru_jax.files import write_atomic

Family = Literal["all", "paper", "two_layers", "sharded", "sizes", "corrections", "large", "any_model", "shared_weights"]


def suite(
    family: Family = "all",
    only: str = "",
    again: bool = False,
    seeds: int = 3,
    models: Path = Path("out/models"),
    runs: Path = Path("out/suite"),
) -> int:
    """Runs the committed comparisons.

    Args:
      family: all cells, or those of this file.
      only: of these the cell of this name, or all whose name contains it.
      again: also cells that have results.
      seeds: per cell.
      models: folder to keep trained models in between runs.
      runs: folder of cells that are not complete; one that was interrupted goes on where it stopped.

    Returns:
      The number of cells that failed.
    """
    console = Console()
    cells = FAMILIES.get(family, CELLS)
    chosen = [cell for cell in cells if cell.name == only] or [cell for cell in cells if only in cell.name]
    if not chosen:
        raise DataError(f"no cell of {family} has {only!r} in its name: choose among {', '.join(cell.name for cell in cells)}.")
    if seeds < 1:
        raise DataError(f"seeds is {seeds}: compare at least one.")
    missing = [cell for cell in chosen if again or not cell.records.exists()]
    console.print(f"{len(chosen)} cells, {len(missing)} to run")
    failed = 0
    for number, cell in enumerate(missing, start=1):
        console.rule(f"{number} of {len(missing)}: {cell.name}")
        what = {name: value for name, value in asdict(cell).items() if name != "part"}
        folder = runs / cell.name
        try:
            compare(Compare(out=folder, seeds=seeds, models=models, verify=False, **what))
        except IfruError as error:
            console.print(f"[bold red]error:[/] {escape(str(error))}")
            failed += 1
            continue
        cell.records.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(cell.records, (folder / "results.jsonl").read_bytes())
        shutil.rmtree(folder)
    return failed


if __name__ == "__main__":
    command(suite, __doc__)
