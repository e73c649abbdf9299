"""Blocks of docs/any_model.md: models and objectives beyond those of the IFRU paper, and what may become of shared weights."""

from functools import partial

from experiments.pages.blocks import block
from experiments.pages.columns import (
    CLOSENESS,
    FROM_ORIGINAL,
    MODEL,
    RETRAINED,
    SECONDS,
    SPEEDUP,
    STEP,
    UNDONE,
    joined,
    mean,
    of,
    table,
)
from experiments.pages.comparisons import comparisons, missing_cells
from experiments.pages.rivals import names
from experiments.reporting.main_table import plain
from experiments.suite import any_model, shared_weights

STEMS = [cell.name for cell in any_model.CELLS]


@block
def any_model_table() -> str:
    """Original, IFRU and retraining of every model and request."""
    ndcg, rms = mean("ndcg@20", 3), mean("rms", 3)
    quality = {"NDCG@20": lambda one, method: f"{ndcg(one, method)} ({ndcg(one, 'retrain')})"}
    distance = {"RMS to retraining: IFRU, fine-tuning": joined(", ", rms, of("finetune", rms))}
    found = [one for one in comparisons() if one.stem in STEMS]
    return table(found, MODEL, STEP, RETRAINED, quality, UNDONE, FROM_ORIGINAL, distance, SECONDS, SPEEDUP)


@block
def in_gradients() -> str:
    """What training again and a request take, in full gradients, where both were timed."""
    taken = mean("gradient_evaluations", partial(plain, digits=0))
    found = [one for one in comparisons() if one.stem in STEMS and one.mean("ifru", "gradient_evaluations") is not None]
    return table(found, MODEL, {"retraining, full gradients": of("retrain", taken), "a request": taken}, SPEEDUP)


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
    called = {"original": "nothing done", "ifru": "updated"}
    called |= {name: name.removeprefix("ifru-") for name in shared_weights.METHODS}
    choice = {"shared weights": lambda _, method: called[method], "AUC": mean("auc", 4)}
    found = [one for one in comparisons() if shared_weights.METHODS[0] in one.methods]
    return table(found, MODEL, choice, CLOSENESS, {"RMS to retraining": mean("rms", 3)}, SECONDS, methods=called)
