"""The speed figures, each against its baseline in the same run.

    IFRU_JAX_DATA=DIR python -m experiments.benchmark [NAME ...] [--out FILE]
    python -m experiments.benchmark --device [sums products requests large] [--arrays FILE.npz] [--out FILE]

Without names all are run, which trains the models of ml-1m first and keeps them in out/models. How long that takes was not
recorded; the retrainings of ml-1m that are timed take one to four minutes each. Prints a table; with --out writes JSON {NAME:
{"value", "target", "reached", "unit", "spread", "baseline", …}}, after each figure, beside those already there. Compilation is
never in a time, except where a figure says so. `experiments/benchmark/catalogue.py` has the names.

With --device it is about the device that JAX finds, an accelerator or this machine's cores, and needs no files: sparse sums in
every form, products, requests against retraining there, and ten million interactions. Five minutes on an H200.
"""

from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from experiments.benchmark.catalogue import BENCHMARKS
from experiments.benchmark.device.figures import on_device
from experiments.benchmark.device.workload import Workload
from experiments.reporting.json_files import read_json, write_json_atomic
from experiments.reporting.records import environment
from experiments.run.command_line import command, make_folder
from experiments.run.progress import telling
from ifru_jax.compiled import keep_compiled
from ifru_jax.errors import DataError
from ifru_jax.files import target_of


def benchmark(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    out: Path | None = None,
    device: bool = False,
    arrays: Path | None = None,
    epochs: int = 1000,
) -> None:
    """Runs, shows and writes the speed figures.

    Args:
      names: which; all without.
      out: file for the figures as JSON.
      device: those of the device instead.
      arrays: data for them, users, items and labels in a .npz; made up without.
      epochs: of their trainings at the most.
    """
    if device:
        if out is not None:
            make_folder(out.parent)
            target_of(out)  # refuses what can't be written, before anything is timed
        on_device(names, out, Workload.of(arrays, epochs=epochs))
        return
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise DataError(f"there is no benchmark {unknown[0]!r}: choose among {', '.join(BENCHMARKS)}.")
    there = {} if out is None else _known(out)
    keep_compiled()
    console = Console()
    for name in names or BENCHMARKS:
        with telling(console) as tell:
            tell(name)
            figures = {
                f"{name}{rest}": figure.as_dict() | {"environment": environment()} for rest, figure in BENCHMARKS[name]().items()
            }
        console.print(_table(figures))
        if out is not None:
            there |= figures
            write_json_atomic(out, there)


def _known(out: Path) -> dict[str, Any]:
    """Figures that are in the file already; refuses one that can't be written, before anything is timed."""
    make_folder(out.parent)
    target = target_of(out)
    found = read_json(target) if target.exists() else {}
    if not isinstance(found, dict):
        raise DataError(f"{out} holds something else than figures by name: give another file.")
    return found


def _table(figures: dict[str, Any]) -> Table:
    table = Table("figure", "value", "spread", "target", "reached")
    for name, figure in figures.items():
        low, high = figure["spread"]
        value = f"{figure['value']:.3g} {figure['unit']}"
        table.add_row(name, value, f"{low:.3g} – {high:.3g}", f"{figure['target']:g}", str(figure["reached"]))
    return table


if __name__ == "__main__":
    command(benchmark, __doc__)
