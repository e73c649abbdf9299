"""Pictures and LaTeX of docs/paper, from the committed comparisons.

DATA_MODEL_FORGET.{png,svg,tex}   every method of a cell: quality and forgetting against time; a booktabs table
DATA_MODEL_shares.{png,svg}       gap, forget gap and forget slope by the share of flipped labels that is forgotten
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.pages.columns import FIDELITY
from experiments.pages.comparisons import Comparison
from experiments.pages.forget_sets import DATA, SIZES, of_model
from experiments.pages.rivals import is_ours, with_rivals
from experiments.reporting.main_table import MISSING, seconds
from experiments.reporting.plots import BLUE, GREEN, ORANGE, new_figure, save
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
    rows = []
    for name in one.present:
        values = [*one.digits(name, "auc", "auc_or", "auc_and", digits=4), *one.digits(name, *FIDELITY)]
        values.append(seconds(one.mean(name, "seconds.total")))
        rows.append(f"{name} & " + " & ".join("--" if value == MISSING else value for value in values) + r" \\")
    head = r"method & AUC & AUC-or & AUC-and & gap & forget gap & forget slope & seconds \\"
    body = "\n".join(rows)
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
