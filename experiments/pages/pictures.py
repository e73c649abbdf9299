"""Pictures and LaTeX from the committed comparisons.

    docs/readme.svg                              how close to retraining, and how long it takes
    docs/paper/DATA_MODEL_FORGET.{png,svg,tex}   every method of a cell: quality and forgetting against time; a booktabs table
    docs/paper/DATA_MODEL_shares.{png,svg}       gap, forget gap and forget slope by the share of flipped labels that is forgotten

The numbers of the first are written into the file, so that `is_current` can tell whether they are what the results give, whatever
version of matplotlib drew it.
"""

import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.pages.columns import FIDELITY
from experiments.pages.comparisons import Comparison
from experiments.pages.forget_sets import DATA, SIZES, of_model
from experiments.pages.results import timed
from experiments.pages.rivals import is_ours, with_rivals
from experiments.reporting.main_table import MISSING, seconds
from experiments.reporting.plots import BLUE, GREEN, GREY, ORANGE, STYLE, new_figure, rows, save
from ifru_jax.files import write_atomic

LINES = {"ifru": BLUE, "gif-damped": ORANGE, "gradient": "#999999", "finetune-10x": "#c05780", "original": "black"}


def write_pictures(folder: Path) -> None:
    """All of them."""
    folder.mkdir(exist_ok=True)
    for one in with_rivals():
        write_atomic(folder / f"{one.stem}.tex", latex(one))
        save(lambda one=one: quality_against_time(one), folder / one.stem)
    for model in ("mf", "lightgcn-1"):
        save(lambda model=model: by_share(model), folder / f"{DATA}_{model}_shares")


def latex(one: Comparison) -> str:
    """A booktabs table of one comparison."""
    lines = []
    for name in one.present:
        values = [*one.digits(name, "auc", "auc_or", "auc_and", digits=4), *one.digits(name, *FIDELITY)]
        values.append(seconds(one.mean(name, "seconds.total")))
        lines.append(f"{name} & " + " & ".join("--" if value == MISSING else value for value in values) + r" \\")
    head = r"method & AUC & AUC-or & AUC-and & gap & forget gap & forget slope & seconds \\"
    body = "\n".join(lines)
    return f"\\begin{{tabular}}{{lrrrrrrr}}\n\\toprule\n{head}\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def quality_against_time(one: Comparison) -> Figure:
    """AUC, and under- or over-forgetting, against seconds."""
    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    for panel, name, what in ((left, "auc", "test AUC"), (right, "forget_slope", "forget slope (1: as much as retraining)")):
        for method in one.present:
            time, value = one.mean(method, "seconds.total"), one.mean(method, name)
            if not time or value is None:
                continue
            value = float(np.clip(value, -0.5, 2.5)) if name == "forget_slope" else value
            colour = GREEN if "retrain" in method else BLUE if is_ours(method) else ORANGE
            panel.plot(time, value, "o", color=colour, markersize=5)
            if method in ("ifru", "retrain") or not is_ours(method):
                panel.annotate(method, (time, value), (4, 3), textcoords="offset points", fontsize=6.5)
        panel.set_xscale("log")
        panel.set_xlabel("seconds, warm")
        panel.set_ylabel(what)
    level = one.value("retrain", "auc")
    left.axhline(level, color=GREEN, linewidth=1, linestyle="--")
    left.set_ylim(level - 0.012, level + 0.004)
    right.axhline(1, color=GREEN, linewidth=1, linestyle="--")
    figure.suptitle(one.name, fontsize=10)
    return figure


def by_share(model: str) -> Figure:
    """The three distances of a model by the share that is forgotten."""
    figure = new_figure(10, 3.4)
    panels = figure.subplots(1, 3)
    found = of_model(model, SIZES)
    for panel, name in zip(panels, FIDELITY, strict=True):
        for method, colour in LINES.items():
            points = [(float(one.forget.split(":")[1]), value) for one in found if (value := one.mean(method, name)) is not None]
            if points:
                panel.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, linewidth=1.2, label=method)
        panel.axhline(1, color=GREEN, linewidth=1, linestyle="--")
        panel.set_xscale("log")
        panel.set_xlabel("share forgotten")
        panel.set_title(name.replace("_", " "), fontsize=9)
    panels[0].legend(fontsize=7)
    figure.suptitle(f"{DATA}, {model}", fontsize=10)
    return figure


def numbers() -> list[dict[str, Any]]:
    """What is shown of each comparison with label noise that was timed, rounded to what can be seen."""

    def rounded(value: float) -> float:
        return float(f"{value:.3g}")

    return [
        {
            "cell": one.cell,
            "forget_gap": [rounded(one.value(method, "forget_gap")) for method in ("original", "ifru")],
            "seconds": [rounded(one.value(method, "seconds.total")) for method in ("retrain", "ifru")],
        }
        for one in timed()
    ]


def is_current(path: Path) -> bool:
    """Whether the file shows these numbers."""
    return path.exists() and json.dumps(numbers()) in html.unescape(path.read_text())


def write_readme_picture(path: Path) -> None:
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
