"""Block of docs/step.md: what is undone against full gradients."""

from collections import defaultdict
from typing import Any

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import markdown, plain
from experiments.studies.frontier import PATH, SETTINGS


@block
def frontier() -> str:
    """A row per cell, a column per setting."""
    cells: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for _, line in read_lines(PATH):
        cells[line["cell"]][line["setting"]] = line["figures"]
    names = [setting.name for setting in SETTINGS]
    table = []
    for cell, found in cells.items():
        shown = (found[name] for name in names)
        table.append([cell, *(f"{plain(one['forget_undone'], 2)} at {plain(one['gradients'], 0)}" for one in shown)])
    return markdown(["undone, at full gradients", *names], table) if table else "Not measured yet."
