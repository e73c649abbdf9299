"""Forget sets of all sizes and kinds, from the committed results: docs/forget_sets.md, and gap by share as figures.

docs/paper/DATA_MODEL_shares.{png,svg}   gap, forget gap and forget slope by the share of flipped labels that is forgotten
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.method_tables import comparisons
from experiments.reporting.json_files import write_atomic
from experiments.reporting.plots import BLUE, GREEN, ORANGE, STYLE
from experiments.reporting.main_table import markdown, plain, seconds, times
from experiments.suite import KINDS, QUICK_RIVALS, SHARES

TEXT = """\
# Forget sets of all sizes and kinds

`noise`: the last share of the training data has its labels flipped, the model is trained on that, and the flipped interactions are
forgotten, as in the paper. `interaction`, `user`, `item`: a random share. `core`, `edge`: the most and the least active users.
Three seeds; [figures.md](figures.md) says what each figure means. Beside IFRU, the closest of {rivals} by forget gap, or by gap
where the forgotten pairs have no retrained score. Arrows: doing nothing → IFRU; where the first is 1, the gap
proves nothing.
"""
PARTS_TEXT = """\
## Large requests in parts

One step is a quadratic model of the objective around θ̂, and what a large request asks for may lie outside of it. So `ifru` cuts a
request for more than 8 % of the interactions (`max_share`) into equal parts, each a step from where the last one ended.
`ifru-one-step` never does, `ifru-stream` always takes ten parts, and with them about as long as `finetune-10x`. Each part is
damped, so that many together forget less (slope).

With LightGCN-1 `finetune-10x` ends closer than `ifru` from 10 % on. Ten times `ifru`'s seconds are then about half a retraining,
and where retraining ends has moved further than one damped step, or several, go from θ̂; training on goes there. More parts change
little.
"""
SIZES = tuple(sorted((*SHARES, "noise:0.02"), key=lambda spec: float(spec.split(":")[1])))
LINES = {"ifru": BLUE, "gif-damped": ORANGE, "gradient": "#999999", "finetune-10x": "#c05780", "original": "black"}


def forget_sets_page() -> str:
    """docs/forget_sets.md."""
    rivals = ", ".join(f"`{name}`" for name in QUICK_RIVALS.split(","))
    parts = [TEXT.format(rivals=rivals)]
    for (data, model), found in _by_model().items():
        heads = ["forgotten", "AUC original → IFRU (retrained)", "gap", "forget gap", "forget slope", "closest other", "its figure",
                 "seconds", "against retraining"]  # fmt: skip
        rows = [_row(spec, found[spec]) for spec in (*SIZES, "user:0.01", "user:0.05", *KINDS) if spec in found]
        parts += [f"## {data}, {model}\n", markdown(heads, rows), ""]
        parts.append(f"![Gap by share](paper/{data}_{model}_shares.svg)\n")
    return "\n".join([*parts, PARTS_TEXT, _in_parts()])


def _in_parts() -> str:
    heads = ["data, model", "forgotten", "method", "AUC (retrained)", "gap", "forget gap", "forget slope", "seconds"]
    rows = []
    for (data, model), found in _by_model().items():
        for spec in (spec for spec in SIZES if "ifru-one-step" in found.get(spec, {"methods": ()})["methods"]):
            for method in ("ifru-one-step", "ifru", "ifru-stream", "finetune-10x"):
                figures = [plain(_mean(found[spec], method, figure), 2) for figure in ("gap", "forget_gap", "forget_slope")]
                auc, retrained = (plain(_mean(found[spec], one, "auc"), 4) for one in (method, "retrain"))
                taken = seconds(_mean(found[spec], method, "seconds.total"))
                rows.append([f"{data}, {model}", spec, f"`{method}`", f"{auc} ({retrained})", *figures, taken])
    return markdown(heads, rows) + "\n"


def write_share_figures(folder: Path) -> None:
    """Gap, forget gap and forget slope by share, one figure per model."""
    for (data, model), found in _by_model().items():
        with mpl.rc_context(STYLE):
            figure = _by_share(f"{data}, {model}", [found[spec] for spec in SIZES if spec in found])
            for kind, metadata in {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}.items():
                content = io.BytesIO()
                figure.savefig(content, format=kind, dpi=130, metadata=metadata)
                write_atomic(folder / f"{data}_{model}_shares.{kind}", content.getvalue())


def has_own_page(summary: dict[str, Any]) -> bool:
    """Whether a comparison is one of these sizes and kinds, beside those of the IFRU paper."""
    return summary["dataset"] == "ml-100k" and summary["forget"] in (*SHARES, *KINDS)


def claim_table() -> str:
    """What becomes of the paper's "more than 250 times faster with comparable quality", comparison by comparison."""
    heads = ["data, model, request", "× protocol", "× fastest", "AUC IFRU − retrained", "range of retrained seeds", "250 times?"]
    rows = []
    for summary, records in comparisons():
        protocol, fastest = (_mean(summary, "ifru", f"speedup_vs_{role}") for role in ("protocol", "fastest"))
        if protocol is None or fastest is None:
            continue
        auc = [r["figures"]["auc"] for r in records if r["method"] == "retrain"]
        ours, theirs = _mean(summary, "ifru", "auc"), _mean(summary, "retrain", "auc")
        verdict = "against both" if fastest >= 250 else "against protocol" if protocol >= 250 else "no"
        rows.append(
            [
                f"{summary['dataset']}, {summary['model']}, {summary['forget']}",
                times(protocol),
                times(fastest),
                plain(None if ours is None or theirs is None else ours - theirs, 4),
                plain(max(auc) - min(auc), 4),
                verdict,
            ]
        )
    return markdown(heads, rows)


def _by_model() -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
    """Summaries by (data, model) and request, of the models that have a further size or kind."""
    found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for summary, _ in comparisons():
        found.setdefault((summary["dataset"], summary["model"]), {})[summary["forget"]] = summary
    return {key: specs for key, specs in found.items() if any(has_own_page(summary) for summary in specs.values())}


def _row(spec: str, summary: dict[str, Any]) -> list[str]:
    def arrow(figure: str) -> str:
        return " → ".join(plain(_mean(summary, method, figure), 2) for method in ("original", "ifru"))

    figure = "forget_gap" if _mean(summary, "ifru", "forget_gap") is not None else "gap"
    others = {name: _mean(summary, name, figure) for name in QUICK_RIVALS.split(",")}
    known = {name: value for name, value in others.items() if value is not None}
    closest = min(known, key=lambda name: abs(known[name] - 1)) if known else None
    auc = [plain(_mean(summary, method, "auc"), 4) for method in ("original", "ifru", "retrain")]
    return [
        spec,
        f"{auc[0]} → {auc[1]} ({auc[2]})",
        arrow("gap"),
        arrow("forget_gap"),
        plain(_mean(summary, "ifru", "forget_slope"), 2),
        "–" if closest is None else f"`{closest}`",
        "–" if closest is None else f"{figure.replace('_', ' ')} {plain(known[closest], 2)}",
        seconds(_mean(summary, "ifru", "seconds.total")),
        times(_mean(summary, "ifru", "speedup_vs_retrain")),
    ]


def _mean(summary: dict[str, Any], method: str, figure: str) -> float | None:
    return summary["methods"].get(method, {}).get(figure, {}).get("mean")


def _by_share(title: str, found: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3)
    for panel, name in zip(panels, ("gap", "forget_gap", "forget_slope"), strict=True):
        for method, colour in LINES.items():
            points = list(_points(found, method, name))
            if points:
                panel.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, linewidth=1.2, label=method)
        panel.axhline(1, color=GREEN, linewidth=1, linestyle="--")
        panel.set_xscale("log")
        panel.set_xlabel("share forgotten")
        panel.set_title(name.replace("_", " "), fontsize=9)
    panels[0].legend(fontsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def _points(found: list[dict[str, Any]], method: str, figure: str) -> Iterator[tuple[float, float]]:
    for summary in found:
        value = _mean(summary, method, figure)
        if value is not None:
            yield float(summary["forget"].split(":")[1]), value
