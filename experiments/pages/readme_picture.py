"""The picture of the README, from the committed results: how close to retraining, and how long it takes.

The numbers it shows are written into the file, so that `is_current` can tell whether they are what the results give, whatever
version of matplotlib drew it.
"""

import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.pages.results import with_noise
from experiments.reporting.plots import BLUE, GREEN, GREY, ORANGE, STYLE, new_figure, rows
from ifru_jax.files import write_atomic


def numbers() -> list[dict[str, Any]]:
    """What is shown of each comparison with label noise, rounded to what can be seen."""

    def rounded(value: float) -> float:
        return float(f"{value:.3g}")

    return [
        {
            "cell": one.cell,
            "forget_gap": [rounded(one.value(method, "forget_gap")) for method in ("original", "ifru")],
            "seconds": [rounded(one.value(method, "seconds.total")) for method in ("retrain", "ifru")],
        }
        for one in with_noise()
    ]


def is_current(path: Path) -> bool:
    """Whether the file shows these numbers."""
    return path.exists() and json.dumps(numbers()) in html.unescape(path.read_text())


def write_picture(path: Path) -> None:
    """Writes the picture as SVG."""
    shown = numbers()
    content = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None, "Creator": None, "Description": json.dumps(shown)}
    # Letters stay letters: a file of a few kilobytes, and the same on every machine that has other fonts.
    style: dict[Any, Any] = STYLE | {"svg.fonttype": "none", "svg.hashsalt": "readme"}
    with mpl.rc_context(style):
        _draw(shown).savefig(content, format="svg", metadata=metadata)
    write_atomic(path, content.getvalue())


def _draw(shown: Sequence[dict[str, Any]]) -> Figure:
    figure = new_figure(9, 1.2 + 0.3 * len(shown), facecolor="white")
    left, right = figure.subplots(1, 2, sharey=True)
    _arrows(left, shown, "forget_gap", ORANGE, "original")
    left.axvline(1, color=GREEN, linestyle="--", linewidth=1.3, label="another retraining", zorder=0)
    left.set_xlim(0, None)
    left.set_title("Forgotten?", fontsize=10)
    left.set_xlabel("distance to retrained models on the forgotten pairs")
    _arrows(right, shown, "seconds", GREY, "retraining")
    right.set_xscale("log")
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    right.xaxis.set_minor_formatter(NullFormatter())
    right.set_title("How long?", fontsize=10)
    right.set_xlabel("seconds on two CPU cores, warm")
    rows((left, right), [row["cell"] for row in shown], grid="#e5e5e5")
    labelled = dict(zip(*reversed(left.get_legend_handles_labels()), strict=True))
    labelled |= dict(zip(*reversed(right.get_legend_handles_labels()), strict=True))  # IFRU is in both
    figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _arrows(panel: Axes, shown: Sequence[dict[str, Any]], name: str, colour: str, before: str) -> None:
    """A line from one dot to the other, per comparison."""
    start, end = ([row[name][k] for row in shown] for k in (0, 1))
    places = range(len(shown))
    panel.hlines(places, end, start, color="#cccccc", linewidth=2, zorder=1)
    panel.scatter(start, places, s=38, color=colour, label=before, zorder=2)
    panel.scatter(end, places, s=38, color=BLUE, label="IFRU", zorder=2)
