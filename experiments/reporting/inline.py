"""Pictures of the page of a comparison, as elements of it: inline SVG whose ids don't collide."""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.reporting import plots

# Inches that keep the letters of a picture readable when it is shrunk to a phone.
WIDTH = 4.4
REACH = 2.6  # how many limits away a picture goes; what is farther stands at its edge, with an arrow


def pictures(methods: Mapping[str, Any]) -> list[Markup]:
    """Quality, closeness and time of all methods."""
    panels = {
        "Test AUC of each method": plots.draw_auc,
        "Distance of each method to retrained models, on test pairs and on forgotten pairs": plots.draw_gaps,
        "Seconds of each method, with the speed-up against retraining": plots.draw_seconds,
    }
    return [_svg(lambda draw=draw: _panel(draw, methods), draw.__name__, label) for label, draw in panels.items()]


def verdicts(verification: Mapping[str, Mapping[str, Any]]) -> dict[str, Markup]:
    """All measures of a method that were judged; none of a method without."""
    found = {}
    for method, verified in verification.items():
        judged = {name: measure for name, measure in verified["measures"].items() if measure["verdict"] != "not judged"}
        if judged:
            label = f"{method}: each measure between the limits that retrained models set"
            found[method] = _svg(lambda judged=judged: _verdict_figure(judged), f"verdicts-{method}", label)
    return found


def _panel(draw: Callable[[Axes, Mapping[str, Any]], None], methods: Mapping[str, Any]) -> Figure:
    figure = plots.new_figure(WIDTH, 1.5 + 0.46 * len(methods))
    panel = figure.subplots()
    draw(panel, methods)
    plots.rows([panel], [plots.wrapped(name, 14) for name in methods])
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=7.5)
    return figure


def _verdict_figure(measures: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Each measure as a place on one scale: 0 = retrained models, ±1 = its limits."""
    figure = plots.new_figure(WIDTH, 1.3 + 0.27 * len(measures))
    panel = figure.subplots()
    panel.axvspan(-1, 1, color=plots.GREEN, alpha=0.16, linewidth=0, label="as retrained models")
    for row, measure in enumerate(measures.values()):
        for part, marker, colour, size in (("original", "o", plots.GREY, 6), ("value", "D", plots.BLUE, 5)):
            place = _place(measure, measure[part])
            inside = abs(place) <= REACH
            shown = max(-REACH, min(REACH, place))
            sign = marker if inside else "<" if place < 0 else ">"
            face = colour if part == "value" else "none"
            panel.plot(shown, row, sign, markersize=size, color=colour, markerfacecolor=face, zorder=3)
    panel.plot([], [], "o", color=plots.GREY, markerfacecolor="none", label="before")
    panel.plot([], [], "D", color=plots.BLUE, markersize=5, label="after forgetting")
    panel.axvline(0, color=plots.GREEN, linewidth=1)
    plots.rows([panel], [name.replace("$", r"\$") for name in measures], fontsize=7)
    panel.set_xlim(-REACH - 0.2, REACH + 0.2)
    panel.set_xticks([-1, 0, 1], ["lower\nlimit", "retrained", "upper\nlimit"], fontsize=7)
    panel.grid(axis="x", visible=False)
    panel.grid(axis="y", color="#eeeeee", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=7.5)
    return figure


def _place(measure: Mapping[str, Any], value: float) -> float:
    """(value − retrained) / (limit − retrained) on its side; a side without a limit is as wide as the other."""
    centre, low, high = measure["retrained"], measure["low"], measure["high"]
    widths = [abs(limit - centre) for limit in (low, high) if limit is not None]
    side = high if value >= centre else low
    width = abs(side - centre) if side is not None else min(widths)
    if side is None:
        # There better is no worse: it stays inside the band.
        return max(-0.95, min(0.95, (value - centre) / width)) if width else 0.0
    return (value - centre) / width if width else 0.0


def _svg(draw: Callable[[], Figure], name: str, label: str) -> Markup:
    """The picture as an element of the page; ids are salted by its name, so that pictures don't share them."""
    content = io.StringIO()
    with mpl.rc_context({**plots.STYLE, "svg.hashsalt": name}):
        draw().savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    text = content.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    prefix = re.sub(r"\W", "-", name)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    for side in ("width", "height"):
        text = re.sub(rf'(<svg[^>]*?) {side}="[^"]*"', r"\1", text, count=1)
    return Markup(text.replace("<svg ", Markup('<svg role="img" aria-label="{}" ').format(label), 1))
