"""One page for a comparison: report.html, which needs nothing beside it, and the same content as report.json.

Pictures are inline SVG and styles inline CSS: no network, no script, no font to load. It reads at 360 pixels and at 1,200, in
a light or a dark browser. It holds averages, counts and settings only: no user, item or interaction that was forgotten.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.reporting import plots
from experiments.reporting.contents import agreed, definitions
from experiments.reporting.json_files import write_atomic, write_json_atomic
from experiments.reporting.main_table import COLUMNS, MISSING, cells, heading, number, plain, seconds, times
from experiments.reporting.privacy import without_data
from experiments.reporting.summary import summarise

TEMPLATE = "report.html.jinja"
# Widths in inches that keep the letters of a picture readable when it is shrunk to a phone.
WIDTH = 4.4
REFERENCES = ("original", "retrain")
GROUPS = {
    "closeness": "Is it like a retrained model?",
    "forgetting": "Are the forgotten interactions gone?",
    "membership": "Can it be told that they were there?",
    "quality": "Are recommendations as good, for everybody?",
}


def write_html(
    out_dir: str | os.PathLike[str],
    records: Sequence[Mapping[str, Any]],
    *,
    title: str,
    notes: Sequence[str] = (),
    seeds: int | None = None,
    verification: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Writes report.html and report.json into `out_dir`, making it if need be, and returns the path of the page.

    Args:
      out_dir: folder; files of the same names are replaced, each atomically.
      records: of one comparison (see `experiments.reporting`).
      title: heading of the page.
      notes: sentences a reader must know.
      seeds: as for `summarise`.
      verification: method ↦ what `ifru_jax.verify(…).as_dict()` gave, for methods that were verified.

    Raises:
      DataError: no records, or records of different comparisons; then nothing is written.
    """
    summary = summarise(records, seeds=seeds)
    verified = {name: dict(found) for name, found in (verification or {}).items()}
    asked = _asked(summary, records)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template(TEMPLATE).render(
        title=title,
        heading=heading(summary),
        notes=list(notes),
        asked=asked,
        results=[_result(summary, name) for name in summary["methods"] if name not in REFERENCES],
        pictures=_pictures(summary),
        columns=["method", *(name for name, *_ in COLUMNS)],
        rows=[[name, *cells(figures)] for name, figures in summary["methods"].items()],
        verified=[_verified(name, found) for name, found in verified.items()],
        definitions=list(definitions(summary).items()),
        configuration=list(agreed([without_data(record["config"]) for record in records]).items()),
        environment=list(agreed([record["environment"] for record in records]).items()),
    )
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json_atomic(out_dir / "report.json", {"title": title, "asked": asked, "summary": summary, "verification": verified})
    write_atomic(out_dir / "report.html", page)
    return out_dir / "report.html"


def _asked(summary: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was asked, in counts."""
    evidence = [record["evidence"] for record in records if record.get("evidence")]
    counts = {name: next((found[name] for found in evidence if found.get(name)), None) for name in ("forgotten", "retained")}
    return {name: summary[name] for name in ("dataset", "model", "forget", "seeds")} | counts


def _result(summary: Mapping[str, Any], method: str) -> dict[str, Any]:
    """The headline of a method: four numbers with what they are compared with."""
    methods = summary["methods"]

    def mean(name: str, figure: str) -> float | None:
        return methods.get(name, {}).get(figure, {}).get("mean")

    def before(figure: str, digits: int) -> str:
        return f"before {plain(mean('original', figure), digits)}"

    speedup, retraining = mean(method, "speedup_vs_retrain"), f"retraining {seconds(mean('retrain', 'seconds.total'))}"
    distances = {"gap": "distance to retraining", "forget_gap": "the same on forgotten pairs"}
    shown = [
        ("quality (test AUC)", "auc", 4, f"{before('auc', 4)}, retrained {plain(mean('retrain', 'auc'), 4)}"),
        *((what, figure, 2, f"{before(figure, 2)}; 1 = another retraining") for figure, what in distances.items()),
    ]
    numbers = [{"name": what, "value": plain(mean(method, figure), digits), "beside": beside} for what, figure, digits, beside in shown]
    beside = retraining if speedup is None else f"{retraining}: {times(speedup)} as fast"
    numbers.append({"name": "seconds to forget", "value": seconds(mean(method, "seconds.total")), "beside": beside})
    return {"method": method, "numbers": numbers}


def _pictures(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    methods = summary["methods"]
    panels: list[tuple[str, str, Callable[[Axes, Mapping[str, Any]], None]]] = [
        ("Quality", "Test AUC of each method", plots.draw_auc),
        ("Closeness", "Distance of each method to retrained models, on test pairs and on forgotten pairs", plots.draw_gaps),
        ("Time", "Seconds of each method, with the speed-up against retraining", plots.draw_seconds),
    ]
    return [{"label": label, "svg": _svg(lambda draw=draw: _panel(draw, methods), name, label)} for name, label, draw in panels]


def _panel(draw: Callable[[Axes, Mapping[str, Any]], None], methods: Mapping[str, Any]) -> Figure:
    figure = plots.new_figure(WIDTH, 1.5 + 0.46 * len(methods))
    panel = figure.subplots()
    draw(panel, methods)
    plots.rows([panel], [plots.wrapped(name, 14) for name in methods])
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=7.5)
    return figure


def _verified(method: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Verdicts of one method: groups of measures, a picture of all that were judged, and the membership attacks."""
    measures = found["measures"]
    groups = []
    for group, question in GROUPS.items():
        rows = [_row(name, measure) for name, measure in measures.items() if measure["group"] == group]
        if rows:
            verdicts = [row["verdict"] for row in rows]
            answer = "fail" if "fail" in verdicts else "pass" if "pass" in verdicts else "not judged"
            groups.append({"question": question, "rows": rows, "verdict": answer})
    judged = {name: measure for name, measure in measures.items() if measure["verdict"] != "not judged"}
    label = f"{method}: each measure between the limits that retrained models set"
    return {
        "method": method,
        "passed": found["passed"],
        "failed": list(found["failed"]),
        "groups": groups,
        "counts": [(name.replace("_", " "), number(value)) for name, value in found["counts"].items()],
        "label": label,
        "svg": _svg(lambda: _verdict_figure(judged), f"verdicts-{method}", label) if judged else "",
        "attacks": _attacks(found.get("attacks") or {}),
        "linearity": _linearity(found.get("linearity") or {}),
    }


def _linearity(found: Mapping[str, float | None]) -> dict[str, str] | None:
    """Predicted and actual decrease of the objective, and their ratio; None if the method has no prediction."""
    predicted, actual = found.get("predicted"), found.get("actual")
    if not predicted or actual is None:
        return None
    return {"predicted": f"{predicted:.3g}", "actual": f"{actual:.3g}", "ratio": plain(actual / predicted, 2)}


def _row(name: str, measure: Mapping[str, Any]) -> dict[str, Any]:
    low, high = measure["low"], measure["high"]
    if low is None and high is None:
        limits = MISSING
    elif low is None:
        limits = f"≤ {plain(high)}"
    else:
        limits = f"≥ {plain(low)}" if high is None else f"{plain(low)} … {plain(high)}"
    shown = {part: plain(measure[part]) for part in ("value", "original", "retrained")}
    return shown | {"name": name, "limits": limits, "verdict": measure["verdict"], "informative": measure["informative"]}


def _attacks(attacks: Mapping[str, Any]) -> list[dict[str, str]]:
    """AUC of each attack with its interval; of the retrained models the range."""
    rows = []
    for name in attacks.get("unlearned", {}):
        row = {"name": name}
        for role in ("original", "unlearned"):
            result = attacks[role][name]
            row[role] = f"{plain(result['auc'])} ({plain(result['auc_interval'][0])} … {plain(result['auc_interval'][1])})"
        areas = [result["auc"] for result in attacks["retrained"][name]]
        rows.append(row | {"retrained": f"{plain(min(areas))} … {plain(max(areas))}"})
    return rows


REACH = 2.6  # how many limits away a picture goes; what is farther stands at its edge, with an arrow


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
