"""Block of docs/step.md: the constants of the step from the end, chosen without the data that they are judged by."""

from collections import defaultdict

import numpy as np

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import markdown, plain
from experiments.studies.no_record import PATH
from ifru_jax.solvers import SPECTRUM_RATIO
from ifru_jax.unlearning import IFRUConfig

Pair = tuple[float, float]


@block
def no_record() -> str:
    """A row per cell: what the other data sets choose, and what that undoes beside the defaults and the best pair there."""
    cells: dict[tuple[str, str], dict[Pair, dict[str, float]]] = defaultdict(dict)
    for _, line in read_lines(PATH):
        cells[line["data"], line["cell"]][line["exponent"], line["ratio"]] = line["figures"]
    if not cells:
        return "Not measured yet."
    plainly = IFRUConfig()
    default = (plainly.metric_exponent, SPECTRUM_RATIO[plainly.filter])
    rows, short = [], []
    for (data, cell), figures in cells.items():
        others = [of for (other, _), of in cells.items() if other != data]
        pair = max(figures, key=lambda one: float(np.mean([of[one]["forget_undone"] for of in others])))
        best = max(figures, key=lambda one: figures[one]["forget_undone"])
        shown = [_told(figures[one]) for one in (pair, default, best)]
        rows.append([cell.replace("_", ", "), _named(pair), shown[0], shown[1], _named(best), shown[2]])
        short.append(figures[best]["forget_undone"] - figures[pair]["forget_undone"])
    heads = ["data, model", "e, c of the others", "undone / slope", "by the defaults", "best e, c here", "undone / slope"]
    mean, most = plain(float(np.mean(short)), 2), plain(max(short), 2)
    return (
        markdown(heads, rows)
        + f"\n\nWhat the others choose leaves {mean} more of the shift than the best pair would, on average; at worst {most}."
    )


def _named(pair: Pair) -> str:
    return f"{pair[0]:g}, {pair[1]:g}"


def _told(figures: dict[str, float]) -> str:
    return f"{plain(figures['forget_undone'], 2)} / {plain(figures['slope'], 2)}"
