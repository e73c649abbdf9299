"""Blocks of docs/any_model.md: models and objectives beyond those of the IFRU paper, and what may become of shared weights."""

from __future__ import annotations

from experiments.pages.blocks import block
from experiments.pages.comparisons import comparisons, missing_cells
from experiments.pages.results import FIDELITY
from experiments.pages.rivals import names
from experiments.reporting.main_table import markdown, plain, seconds, times
from experiments.suite import any_model, shared_weights

STEMS = [cell.name for cell in any_model.CELLS]


@block
def any_model_table() -> str:
    """Original, IFRU and retraining of every model and request."""
    heads = ["model", "request", "AUC original → IFRU (retrained)", "NDCG@20", "gap", "forget gap", "forget slope"]
    heads += ["RMS to retraining: IFRU, fine-tuning", "seconds", "against retraining"]
    rows = [
        [
            one.model,
            one.forget,
            f"{one.arrow('auc', 4)} ({one.spread('retrain')})",
            f"{plain(one.mean('ifru', 'ndcg@20'))} ({plain(one.mean('retrain', 'ndcg@20'))})",
            one.arrow("gap"),
            one.arrow("forget_gap"),
            plain(one.mean("ifru", "forget_slope"), 2),
            f"{plain(one.mean('ifru', 'rms'))}, {plain(one.mean('finetune', 'rms'))}",
            seconds(one.mean("ifru", "seconds.total")),
            times(one.mean("ifru", "speedup_vs_retrain")),
        ]
        for one in comparisons()
        if one.stem in STEMS
    ]
    return markdown(heads, rows)


@block
def finetuning_ahead() -> str:
    """Where fine-tuning for as long ends closer to retraining than IFRU."""
    behind = []
    for one in comparisons():
        ours, theirs = one.mean("ifru", "rms"), one.mean("finetune", "rms")
        if ours is not None and theirs is not None and ours > theirs:
            stem = f"{one.dataset}_{one.model}_{one.forget.replace(':', '-')}"
            behind.append(f"`{stem}` ({plain(ours)} against {plain(theirs)})")
    return ", ".join(behind) or "none"


@block
def any_model_not_run() -> str:
    """Cells without results."""
    return names([name for name in missing_cells() if name in STEMS])


@block
def shared() -> str:
    """What becomes of the shared weights: the fidelity of each choice."""
    heads = ["model", "request", "shared weights", "AUC", "gap", "forget gap", "forget slope", "RMS to retraining", "seconds"]
    choices = {"original": "nothing done", "ifru": "updated"}
    choices |= {name: name.removeprefix("ifru-") for name in shared_weights.METHODS}
    rows = [
        [
            one.model,
            one.forget,
            what,
            plain(one.mean(name, "auc"), 4),
            *one.digits(name, *FIDELITY),
            plain(one.mean(name, "rms")),
            seconds(one.mean(name, "seconds.total")),
        ]
        for one in comparisons()
        if shared_weights.METHODS[0] in one.methods
        for name, what in choices.items()
    ]
    return markdown(heads, rows)
