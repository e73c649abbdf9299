"""Seconds and memory of training and of requests against the number of interactions.

    python -m experiments.scale                       # 10⁵, 10⁶ and 10⁷ interactions
    python -m experiments.scale --sizes 100000000     # as many as that needs memory for

Data are made up (`ifru_jax.data.synthetic`): ten interactions a user, a hundred an item, degrees spread like those of ml-1m; matrix
factorisation with embeddings of 64, Adam on the rows of a batch, a recorded training. Of each size, in a process of its own:
seconds to make the data, to stream them from Parquet, of an epoch, to prepare, and of a request for a user, confined and not, and
for 2 %; and the memory of the process at the most. Timings count only where nothing else runs. Twenty minutes to half an hour on
two cores, nearly all of it for the largest. A line per size goes to experiments/results/scale.jsonl, and sizes that are there are
not run again. `python -m experiments.tables` fills docs/scale.md from it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.main_table import number
from experiments.reporting.records import environment
from experiments.run.command_line import command
from experiments.run.progress import Tell, telling
from experiments.scale.measuring import LEAST, TOO_MUCH
from ifru_jax.errors import DataError

PATH = RESULTS / "scale.jsonl"
# Of the memory of the machine.
SHARE = 0.9


def scale(sizes: tuple[int, ...] = (10**5, 10**6, 10**7), memory: float | None = None, out: Path = PATH) -> int:
    """Measures the sizes that are missing.

    Args:
      sizes: interactions.
      memory: GB that a process may take, and is ended where it takes more. None: nine tenths of the machine's.
      out: file for the lines, .jsonl.

    Returns:
      The number of sizes that were not measured.
    """
    if not sizes or min(sizes) < LEAST:
        raise DataError(f"sizes are {sizes}: give numbers of interactions, {LEAST} at least.")
    if memory is not None and not memory > 0:
        raise DataError(f"memory is {memory}: give the gigabytes that a process may take.")
    if out.suffix != ".jsonl":
        raise DataError(f"out is {out}: give a file of lines, whose name ends in .jsonl.")
    console, failed = Console(), 0
    limit = memory if memory is not None else SHARE * (environment()["memory_gib"] or float("inf")) * 2**30 / 1e9
    known = {line["interactions"] for _, line in read_lines(out)}
    for size in sorted({*sizes} - known):
        with telling(console) as tell:
            found, status = measured(size, limit, tell)
        if status:
            why = f"it took more than {number(limit)} GB" if status == TOO_MUCH else f"it ended with status {status}"
            console.print(f"{size:,} was not measured: {why}.")
            failed += 1
            continue
        append_line(out, found | {"environment": environment()})
        console.print(f"{size:,}:", found["seconds"], found["gigabytes"])
    return failed


def measured(size: int, limit: float, tell: Tell) -> tuple[dict[str, Any], int]:
    """The line of one size, from a process of its own that tells what it has done, and its exit status."""
    code = f"from experiments.scale.measuring import run; run({size}, {limit!r})"
    tell(f"{size:,}: starting")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last: dict[str, Any] = {}
        for line in process.stdout:
            last = json.loads(line)
            tell(f"{size:,}: {last['done']} done, {last['gigabytes'][last['done']]:.1f} GB at the most so far")
    return last, process.returncode


if __name__ == "__main__":
    command(scale, __doc__)
