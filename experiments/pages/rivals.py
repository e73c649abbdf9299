"""Tables of all methods on one cell, and of all models and objectives, from the committed results: Markdown, LaTeX and figures.

docs/rivals.md       every method beside retraining, cell by cell, with a paired test; and the cells that were not run
docs/any_model.md    models and objectives beyond those of the IFRU paper
docs/paper/          the first as LaTeX (booktabs) and as figures of quality and closeness against time
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import ttest_rel

from experiments.committed import read_summary
from experiments.methods import REGISTRY
from experiments.reporting.json_files import write_atomic
from experiments.reporting.plots import BLUE, GREEN, ORANGE, STYLE
from experiments.reporting.main_table import MISSING, markdown, plain, seconds, times
from experiments.shard_table import shard_table
from experiments.suite import ANY, QUICK_RIVALS, SHARED_WEIGHTS, cells

# Methods in the order of the registry; the yardsticks first.
ORDER = ("original", "retrain", *REGISTRY)
RIVALS_TEXT = """\
Means over seeds; ± is their standard deviation. *p* is of a paired t-test of the AUC against retraining, seed by seed (with three
seeds only large differences can be told). Gap, forget gap and forget slope are defined in [figures.md](figures.md); 1 is as
retraining. `sisa` and `receraser` have another model than the original, so they are measured against their own retraining (in
brackets), and their AUC shows what sharding costs; how their shards are trained stands at the end. `finetune` and
`gradient-ascent` had the seconds of `ifru` as their budget (the step that is under way is finished), their `-10x` ten times as
many. `ifru-authors` is the published algorithm with its published learning rate, `-tuned` with the best of six by validation. All
ran on one core of two, with other work on the other: seconds of methods that take a fraction of one differ by more than they
should.
"""
NOT_FIRST_TEXT = """\
## Where `ifru` is not first

By forget gap it is first in {gaps} of {cells} tables above, by forget slope in {slopes}. The slope sees only the part of a change
that lies along retraining's own, and nothing of what else was changed: the methods ahead move the forgotten scores by the right
amount on average and end further from where retraining puts them (forget gap). One factor c sets the damping for all data; a larger
one forgets more everywhere, and would bring the slope of BookCrossing with MF to 1 and the others above it
([damping table](damping_table.md)). A factor for each data set could make `ifru` first by slope too, but only retrained models
could choose it.
"""
ANY_TEXT = """\
# Any model, any objective

ml-100k, three seeds, default hyper-parameters (nobody tuned these models further than [models.md](models.md) says).
`model+objective`; without one it is cross-entropy. Fine-tuning had IFRU's seconds as its budget. For objectives that compare,
ratings above the threshold are positives, with one sampled negative each. NDCG@20 in brackets is that of retraining.

Seconds are upper bounds and ratios lower ones: several comparisons shared two cores, and where a model was kept from an earlier
run, its retraining was timed then.
"""
BEHIND = """
Why: `fm` with one user in a hundred and `ngcf-1` with label noise are ties within the noise. With the deep part of `deepfm` a step
takes seconds, a budget for which fine-tuning trains a third of a whole retraining, and the step itself forgets too little.

That it forgets too little (slopes well below 1) is so of every model whose scores pass through layers that all interactions share:
their curvature is far larger than that of the tables, so that ten Krylov steps resolve the layers rather than the rows concerned,
and it is part of the spectrum that sets the damping ([damping](damping.md)). Less damping alone moves the forgotten scores further,
and no closer to retraining; freezing the layers (below) makes the step cheaper, and as close.
"""
SHARED_TEXT = """\
## Shared weights

What `IFRUConfig(shared=…)` does to weights that every interaction touches, and what it costs: all updated, all left alone
(`freeze`), all but those the score is linear in (`last-layer`), or moved within a random subspace of 32 dimensions.
"""
# What is enough to be a comparison of methods rather than one of IFRU with retraining.
RIVAL = "gif"
COLUMNS = ("auc", "auc_or", "auc_and")
# Methods whose model is another than the original's: their distances to its retraining say little, those to their own are told.
OWN = ("sisa", "receraser", "receraser-user", "receraser-item")


def comparisons() -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Summary and records of every committed comparison, in the order of the suite."""
    for cell in cells():
        if cell.part or not (cell.folder / "summary.json").exists():
            continue
        summary, records = _read(cell.folder)
        for part in cells():
            if part.part and replace(part, part="").folder == cell.folder and (part.folder / "summary.json").exists():
                more, lines = _read(part.folder)
                summary["methods"] = more["methods"] | summary["methods"]
                records += [r for r in lines if r["method"] not in ("original", "retrain")]
        yield summary, records


def _read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines = (folder / "results.jsonl").read_text().splitlines()
    return read_summary(folder / "summary.json"), [json.loads(line) for line in lines]


def rivals_page() -> str:
    """docs/rivals.md."""
    found = [(s, r) for s, r in comparisons() if _with_rivals(s)]
    parts = [
        "# Every method, beside retraining\n",
        RIVALS_TEXT,
    ]
    for summary, records in found:
        parts += [f"## {summary['dataset']}, {summary['model']}, {summary['forget']}\n", _cell_table(summary, records), ""]
        parts += [f"{line}\n" for line in _places(summary)]
        parts.append(f"![Quality and forgetting against time](paper/{_stem(summary)}.svg)\n")
    missing = [cell.folder.name for cell in cells() if not (cell.folder / "summary.json").exists()]
    partial = [c.folder.name for c in cells() if f"{RIVAL}," in c.methods and c.folder.name not in missing]
    with_rivals = {_stem(s) for s, _ in found}
    not_yet = [name for name in partial if name not in with_rivals]
    firsts = {
        figure: sum(_order(summary, figure)[:1] == ["ifru"] for summary, _ in found) for figure in ("forget_gap", "forget_slope")
    }
    parts.append(NOT_FIRST_TEXT.format(gaps=firsts["forget_gap"], slopes=firsts["forget_slope"], cells=len(found)))
    parts.append(shard_table())
    parts.append("## Not run\n")
    parts.append(
        f"Cells of the suite without results: {_list(missing)}. Cells with results of IFRU and retraining alone: {_list(not_yet)}. "
        "`python -m experiments.suite` runs what is missing.\n"
    )
    return "\n".join(parts)


def _with_rivals(summary: dict[str, Any]) -> bool:
    """Cells with all rivals; on ml-1m the quick ones of them were run."""
    quick = set(QUICK_RIVALS.split(",")) <= set(summary["methods"])
    return RIVAL in summary["methods"] or (quick and summary["dataset"] == "ml-1m")


def _cell_table(summary: dict[str, Any], records: list[dict[str, Any]]) -> str:
    heads = [
        "method",
        "AUC",
        "p",
        "AUC-or",
        "AUC-and",
        "gap",
        "forget gap",
        "forget slope",
        "forget loss",
        "seconds",
        "× protocol / fastest",
    ]
    rows = []
    for name in _present(summary):
        figures = summary["methods"][name]

        def value(figure: str, figures: dict = figures) -> float | None:
            return figures.get(figure, {}).get("mean")

        own = name in OWN
        rows.append(
            [
                f"`{name}`",
                _spread(figures, "auc"),
                MISSING if name == "retrain" else _paired(records, name),
                plain(value("auc_or"), 4),
                plain(value("auc_and"), 4),
                f"({plain(value('own_gap'), 2)})" if own else plain(value("gap"), 2),
                f"({plain(value('own_forget_gap'), 2)})" if own else plain(value("forget_gap"), 2),
                plain(value("forget_slope"), 2),
                plain(value("forget_loss"), 3),
                seconds(value("seconds.total")),
                f"{times(value('speedup_vs_protocol'))} / {times(value('speedup_vs_fastest'))}",
            ]
        )
    reasons = {r["method"]: r.get("not_applicable") or r.get("failed") for r in records if "not_applicable" in r or "failed" in r}
    notes = "".join(f"\n`{name}`: {reason}\n" for name, reason in reasons.items())
    return markdown(heads, rows) + "\n" + notes


def _rivals(summary: dict[str, Any]) -> list[str]:
    """Those that don't train again and are not IFRU."""
    return [n for n in _present(summary) if n not in (*OWN, "original", "retrain", "warm-retrain") and not _is_ours(n)]


def _order(summary: dict[str, Any], figure: str) -> list[str]:
    """IFRU and its rivals by how far a figure is from retraining's."""
    distance = {}
    for name in ("ifru", *_rivals(summary)):
        mean = summary["methods"][name].get(figure, {}).get("mean")
        if mean is not None:
            distance[name] = abs(math.log(mean)) if figure == "forget_gap" and mean > 0 else abs(mean - 1)
    return sorted(distance, key=lambda n: distance[n])


def _places(summary: dict[str, Any]) -> Iterator[str]:
    """Where IFRU stands among the methods that don't train again: said whether it is first or not."""
    for figure, what in (("forget_gap", "forget gap"), ("forget_slope", "forget slope")):
        order = _order(summary, figure)
        if "ifru" not in order:
            continue
        place = order.index("ifru") + 1
        others = "" if place == 1 else f", after {', '.join(_named(summary, n) for n in order[: place - 1])}"
        yield f"By {what}, `ifru` is number {place} of {len(order)} methods that do not train again{others}."
    taken = {n: summary["methods"][n].get("seconds.total", {}).get("mean") for n in ("ifru", *_rivals(summary))}
    known = {n: t for n, t in taken.items() if t}
    if "ifru" in known:
        fastest = min(known, key=lambda n: known[n])
        yield f"The fastest of them is `{fastest}`; `ifru` takes {known['ifru'] / known[fastest]:.1f} times as long."


def _named(summary: dict[str, Any], name: str) -> str:
    """A method with what it is judged by, so that a place is not taken for more than it says."""
    mean = {figure: summary["methods"][name][figure]["mean"] for figure in ("forget_slope", "forget_gap")}
    return f"`{name}` (slope {plain(mean['forget_slope'], 2)}, but forget gap {plain(mean['forget_gap'], 2)})"


def _is_ours(name: str) -> bool:
    return name.startswith("ifru") and not name.startswith("ifru-authors")


def _present(summary: dict[str, Any]) -> list[str]:
    return [name for name in ORDER if name in summary["methods"]]


def _spread(figures: dict[str, Any], figure: str) -> str:
    entry = figures.get(figure, {})
    if entry.get("mean") is None:
        return MISSING
    return plain(entry["mean"], 4) + ("" if entry.get("std") is None else f" ± {plain(entry['std'], 4)}")


def _paired(records: list[dict[str, Any]], name: str) -> str:
    """p of the AUC against the retrained model of the same number."""
    auc = {m: {r["seed"]: r["figures"].get("auc") for r in records if r["method"] == m} for m in (name, "retrain")}
    seeds = [s for s in auc[name] if auc[name][s] is not None and auc["retrain"].get(s) is not None]
    if len(seeds) < 3:
        return MISSING
    ours, theirs = ([auc[m][s] for s in seeds] for m in (name, "retrain"))
    if np.allclose(ours, theirs):
        return "1"
    return f"{float(np.asarray(ttest_rel(ours, theirs).pvalue)):.2g}"


def any_model_page() -> str:
    """docs/any_model.md."""
    wanted = {_label(model, layers, objective) for model, layers, objective in ANY}
    heads = [
        "model", "request", "AUC original → IFRU (retrained)", "NDCG@20", "gap", "forget gap", "forget slope",
        "RMS to retraining: IFRU, fine-tuning", "seconds", "against retraining",
    ]  # fmt: skip
    rows = []
    for summary, _ in comparisons():
        if summary["model"] not in wanted:
            continue
        methods = summary["methods"]

        def mean(method: str, figure: str, methods: dict = methods) -> float | None:
            return methods.get(method, {}).get(figure, {}).get("mean")

        def arrow(figure: str, mean: Any = mean) -> str:
            return f"{plain(mean('original', figure), 2)} → {plain(mean('ifru', figure), 2)}"

        auc = f"{plain(mean('original', 'auc'), 4)} → {plain(mean('ifru', 'auc'), 4)} ({_spread(methods['retrain'], 'auc')})"
        rows.append(
            [
                summary["model"],
                summary["forget"],
                auc,
                f"{plain(mean('ifru', 'ndcg@20'))} ({plain(mean('retrain', 'ndcg@20'))})",
                arrow("gap"),
                arrow("forget_gap"),
                plain(mean("ifru", "forget_slope"), 2),
                f"{plain(mean('ifru', 'rms'))}, {plain(mean('finetune', 'rms'))}",
                seconds(mean("ifru", "seconds.total")),
                times(mean("ifru", "speedup_vs_retrain")),
            ]
        )
    missing = [c.folder.name for c in cells() if c.methods == "ifru,finetune" and not (c.folder / "summary.json").exists()]
    table = markdown(heads, rows) if rows else "No cell was run yet."
    return f"{ANY_TEXT}\n{table}\n\n{_where_behind()}\nNot run yet: {_list(missing)}.\n\n{SHARED_TEXT}\n{_shared_table()}\n"


def _where_behind() -> str:
    """Where fine-tuning for as long ends closer to retraining than IFRU."""
    behind = []
    for summary, _ in comparisons():
        distance = {m: summary["methods"].get(m, {}).get("rms", {}).get("mean") for m in ("ifru", "finetune")}
        if None not in distance.values() and distance["ifru"] > distance["finetune"]:
            behind.append(f"`{_stem(summary)}` ({plain(distance['ifru'])} against {plain(distance['finetune'])})")
    return f"By RMS, fine-tuning for as long ends closer to retraining in: {', '.join(behind)}.\n{BEHIND}" if behind else ""


def _shared_table() -> str:
    """What becomes of the shared weights: the fidelity of each choice."""
    heads = ["model", "request", "shared weights", "AUC", "gap", "forget gap", "forget slope", "RMS to retraining", "seconds"]
    rows = []
    for summary, _ in comparisons():
        methods = summary["methods"]
        if "ifru-freeze" not in methods:
            continue
        for name in ("original", "ifru", *SHARED_WEIGHTS.split(",")):
            figures = {figure: entry.get("mean") for figure, entry in methods.get(name, {}).items()}
            what = {"original": "nothing done", "ifru": "updated"}.get(name, name.removeprefix("ifru-"))
            rows.append(
                [
                    summary["model"],
                    summary["forget"],
                    what,
                    plain(figures.get("auc"), 4),
                    *(plain(figures.get(figure), 2) for figure in ("gap", "forget_gap", "forget_slope")),
                    plain(figures.get("rms")),
                    seconds(figures.get("seconds.total")),
                ]
            )
    return markdown(heads, rows) if rows else "Not run yet."


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _label(model: str, layers: int, objective: str) -> str:
    return (f"{model}-{layers}" if layers else model) + ("" if objective == "bce" else f"+{objective}")


def write_extras(folder: Path) -> None:
    """LaTeX tables and figures of every comparison of methods."""
    folder.mkdir(exist_ok=True)
    for summary, _ in comparisons():
        if _with_rivals(summary):
            stem = _stem(summary)
            write_atomic(folder / f"{stem}.tex", latex(summary))
            with mpl.rc_context(STYLE):
                figure = quality_against_time(summary)
                for kind, metadata in {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}.items():
                    content = io.BytesIO()
                    figure.savefig(content, format=kind, dpi=130, metadata=metadata)
                    write_atomic(folder / f"{stem}.{kind}", content.getvalue())


def _stem(summary: dict[str, Any]) -> str:
    return f"{summary['dataset']}_{summary['model']}_{summary['forget'].replace(':', '-')}"


def latex(summary: dict[str, Any]) -> str:
    """A booktabs table of one comparison."""
    rows = []
    for name in _present(summary):
        figures = summary["methods"][name]
        values = [plain(figures.get(f, {}).get("mean"), 4) for f in COLUMNS]
        values += [plain(figures.get(f, {}).get("mean"), 2) for f in ("gap", "forget_gap", "forget_slope")]
        values.append(seconds(figures.get("seconds.total", {}).get("mean")))
        rows.append(f"{name} & " + " & ".join("--" if v == MISSING else v for v in values) + r" \\")
    head = r"method & AUC & AUC-or & AUC-and & gap & forget gap & forget slope & seconds \\"
    body = "\n".join(rows)
    return f"\\begin{{tabular}}{{lrrrrrrr}}\n\\toprule\n{head}\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def quality_against_time(summary: dict[str, Any]) -> Figure:
    """AUC, and under- or over-forgetting, against seconds."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    retrained = summary["methods"]["retrain"]
    for panel, name, what in ((left, "auc", "test AUC"), (right, "forget_slope", "forget slope (1: as much as retraining)")):
        for method in _present(summary):
            figures = summary["methods"][method]
            time, value = (figures.get(f, {}).get("mean") for f in ("seconds.total", name))
            if not time or value is None:
                continue
            value = float(np.clip(value, -0.5, 2.5)) if name == "forget_slope" else value
            colour = GREEN if "retrain" in method else BLUE if _is_ours(method) else ORANGE
            panel.plot(time, value, "o", color=colour, markersize=5)
            if method in ("ifru", "retrain") or not _is_ours(method):
                panel.annotate(method, (time, value), (4, 3), textcoords="offset points", fontsize=6.5)
        panel.set_xscale("log")
        panel.set_xlabel("seconds, warm")
        panel.set_ylabel(what)
    level = retrained["auc"]["mean"]
    left.axhline(level, color=GREEN, linewidth=1, linestyle="--")
    left.set_ylim(level - 0.012, level + 0.004)
    right.axhline(1, color=GREEN, linewidth=1, linestyle="--")
    figure.suptitle(f"{summary['dataset']}, {summary['model']}, {summary['forget']}", fontsize=10)
    return figure
