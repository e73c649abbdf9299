"""Block of docs/how-to/small-requests.md: confined requests beside the whole step."""

import numpy as np

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import markdown, plain
from experiments.studies.confined import PATH, WAYS


@block
def confined() -> str:
    """A row per cell and kind of request, medians."""
    found: dict[tuple[str, str], dict[str, list[dict]]] = {}
    for _, line in read_lines(PATH):
        found.setdefault((line["cell"], line["kind"]), {way: [] for way in WAYS})[line["way"]].append(line)

    def median(lines: list[dict], figure: str) -> float | None:
        values = [line[figure] for line in lines if line[figure] is not None]
        return float(np.median(values)) if values else None

    rows = []
    for (cell, kind), ways in found.items():
        shown = [plain(median(ways[way], figure), 2) for figure in ("error", "error of its rows") for way in WAYS]
        rows.append([cell.replace("_", ", "), kind, *shown, *(plain(median(ways[way], "milliseconds"), 1) for way in WAYS)])
    figures = ("error: ", "error of its rows: ", "ms: ")
    heads = [(figure if not place else "") + way for figure in figures for place, way in enumerate(WAYS)]
    return markdown(["data, model", "forgotten", *heads], rows) if rows else "Not measured yet."
