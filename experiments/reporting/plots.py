"""One picture of a comparison: is quality kept, is it as close as another retraining, and how long does it take.

Methods are rows shared by three panels, so their names stand once and can't overlap. Colours are of the palette of
Okabe and Ito, which readers with a colour deficiency can tell apart; the two gaps also differ by hatching.
"""

import io
import math
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from experiments.reporting.main_table import heading, plain, seconds, times
from ifru_jax.files import write_atomic

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#555555"
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # behind text, so that no line runs through it
LOG_FROM = 15  # a gap above this flattens all others on a linear axis
# Fixed ids and no date: the same records give the same bytes.
STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "comparison"}


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """A figure without a window system or global state."""
    figure = Figure(figsize=(width, height), layout="constrained", **options)
    FigureCanvasAgg(figure)
    return figure


def save(draw: Callable[[], Figure], stem: Path, *, dpi: int = 130) -> list[Path]:
    """Writes STEM.png and STEM.svg, each atomically; their paths."""
    written = []
    with mpl.rc_context(STYLE):
        figure = draw()
        for kind, metadata in {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}.items():
            content = io.BytesIO()
            figure.savefig(content, format=kind, dpi=dpi, metadata=metadata)
            written.append(stem.with_name(f"{stem.name}.{kind}"))
            write_atomic(written[-1], content.getvalue())
    return written


def rows(panels: Sequence[Axes], names: Sequence[str], *, grid: str = "#dddddd", **options: Any) -> None:
    """Names from top to bottom on the first panel, light lines across on all."""
    panels[0].set_yticks(range(len(names)), names, **options)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    for panel in panels:
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color=grid, linewidth=0.6)
        panel.set_axisbelow(True)


def write_comparison(folder: str | os.PathLike[str], summary: Mapping[str, Any]) -> list[Path]:
    """Writes comparison.png and comparison.svg into the folder; their paths."""
    return save(lambda: comparison_figure(summary), Path(folder) / "comparison", dpi=160)


def comparison_figure(summary: Mapping[str, Any]) -> Figure:
    """Three panels, methods from top to bottom in the order of the summary (see `summarise`)."""
    methods = summary["methods"]
    figure = new_figure(11, 1.9 + 0.48 * len(methods))
    panels = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1.15, 1))
    for draw, panel in zip((draw_auc, draw_gaps, draw_seconds), panels, strict=True):
        draw(panel, methods)
    rows(panels, [wrapped(name, 22) for name in methods])
    figure.suptitle(wrapped(heading(summary), 110), fontsize=10)
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def draw_auc(panel: Axes, methods: Mapping[str, Any]) -> None:
    for row, figures in enumerate(methods.values()):
        mean, std = _value(figures, "auc"), _value(figures, "auc", "std")
        if mean is None:
            _absent(panel, row)
            continue
        panel.errorbar(mean, row, xerr=std, fmt="o", color=BLUE, markersize=5, capsize=3, linewidth=1.2)
        panel.annotate(plain(mean, 4), (mean, row), (0, 5), textcoords="offset points", ha="center", fontsize=7.5, color=GREY)
    panel.margins(x=0.16)
    panel.xaxis.set_major_locator(MaxNLocator(4))
    panel.ticklabel_format(axis="x", useOffset=False)
    panel.set_title("Quality", fontsize=10)
    panel.set_xlabel("test AUC (bar: ± one std over seeds)")


def draw_gaps(panel: Axes, methods: Mapping[str, Any]) -> None:
    kinds = (("gap", "test pairs", BLUE, "", -0.19), ("forget_gap", "forgotten pairs", ORANGE, "////", 0.19))
    found = [value for figures in methods.values() for name, *_ in kinds if (value := _value(figures, name))]
    logarithmic = max(found, default=1.0) > LOG_FROM
    left = min([0.5, *(0.7 * value for value in found)]) if logarithmic else 0.0
    for name, label, colour, hatch, shift in kinds:
        for row, figures in enumerate(methods.values()):
            value = _value(figures, name)
            if value is None:
                _absent(panel, row + shift)
                continue
            panel.barh(row + shift, value - left, 0.36, left, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
            place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            panel.annotate(plain(value, 2), (value, row + shift), **place, fontsize=7.5, bbox=PAPER)
        panel.barh(math.nan, math.nan, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=label)
    # Above the bars, below the numbers.
    panel.axvline(1, color=GREEN, linewidth=1.4, linestyle="--", label="another retraining", zorder=2.5)
    if logarithmic:
        log_axis(panel)
    right = max([1.2, *found])
    panel.set_xlim(left, right * (right / left) ** 0.18 if logarithmic else right * 1.18)
    panel.set_title("Closeness to retraining", fontsize=10)
    panel.set_xlabel("distance to retrained models / distance between two")


def draw_seconds(panel: Axes, methods: Mapping[str, Any]) -> None:
    found = []
    for row, figures in enumerate(methods.values()):
        value = _value(figures, "seconds.total")
        if not value or value < 0:
            _absent(panel, row)
            continue
        found.append(value)
        panel.plot(value, row, "o", color=BLUE, markersize=5)
        speedup = _value(figures, "speedup_vs_retrain")
        text = f"{seconds(value)} s" if speedup is None else f"{seconds(value)} s  ({times(speedup)})"
        panel.annotate(text, (value, row), (6, 0), textcoords="offset points", va="center", fontsize=7.5, color=GREY)
    log_axis(panel)
    low, high = min(found, default=0.1) / 1.6, max(found, default=10.0) * 1.6
    high = max(high, 20 * low)  # with the room below, two decades: at least two labels
    panel.set_xlim(low, high * (high / low) ** 0.65)  # room for the text to the right of the last point
    panel.set_title("Time", fontsize=10)
    panel.set_xlabel("seconds, warm (speed-up against retraining)")


def _value(figures: Mapping[str, Mapping[str, float | None]], name: str, part: str = "mean") -> float | None:
    return figures.get(name, {}).get(part)


def _absent(panel: Axes, row: float) -> None:
    """Says that the figure does not apply, where an empty row could be taken for a zero."""
    position, coordinates = (0.02, row), ("axes fraction", "data")
    panel.annotate("does not apply", position, xycoords=coordinates, va="center", fontsize=7, color="#888888", bbox=PAPER)


def log_axis(panel: Axes) -> None:
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())  # labels between decades would collide


def wrapped(text: str, width: int) -> str:
    """Wrapped, and free of dollar signs that would switch to mathematics: a file name may have one."""
    return textwrap.fill(text, width, break_on_hyphens=False).replace("$", r"\$")
