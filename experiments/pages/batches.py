"""Blocks of docs/step.md: what Adam divided by, and trainings in few large steps."""

from typing import Any

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import markdown, plain
from experiments.studies.batches import CELLS, PATH

_COARSE = {cell.name for cell in CELLS if cell.coarse}


@block
def batches() -> str:
    """A row per cell."""
    heads = ["data, model", "batch, at the most", "before", "after", "P_r / P: retrained", "the step", "undone", "slope"]
    table = []
    for line in _lines(coarse=False):
        found, sizes = line["figures"], [str(round(size)) for size in (line["batch_size"], *line["each"])]
        shares = (plain(found["retrained"], 3), plain(found["step"], 3))
        table.append([line["cell"], *sizes, *shares, plain(found["forget_undone"], 2), plain(found["slope"], 2)])
    return markdown(heads, table) if table else "Not measured yet."


@block
def coarse_trainings() -> str:
    """A row per training in few large steps."""
    heads = ["data, model", "steps", "batch", "P_r / P: retrained", "the step", "undone", "slope"]
    table = []
    for line in _lines(coarse=True):
        found, size = line["figures"], str(round(line["each"][0]))
        shares = (plain(found["retrained"], 3), plain(found["step"], 3))
        name = line["cell"].rsplit("_", 1)[0].replace("_", ", ")
        table.append([name, str(line["steps"]), size, *shares, plain(found["forget_undone"], 2), plain(found["slope"], 2)])
    return markdown(heads, table) if table else "Not measured yet."


def _lines(*, coarse: bool) -> list[dict[str, Any]]:
    return [line for _, line in read_lines(PATH) if (line["cell"] in _COARSE) == coarse]
