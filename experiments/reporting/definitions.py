"""The figures: their names in the order of reports, and what each means, in a line."""

from __future__ import annotations

from collections.abc import Iterable

_SPEEDUP = "seconds of {} divided by seconds.total, both warm"

FIGURES: dict[str, str] = {
    "auc": "area under the ROC curve on the test pairs whose user and item remain",
    "auc_before": "auc of the method's own model (shards) before the request, on the same pairs",
    "auc_or": "auc on test pairs whose user or item occurs in the forgotten interactions",
    "auc_and": "the same on test pairs whose user and item both occur in the forgotten interactions",
    "ndcg@20": "NDCG of the 20 best unseen items, mean over users with a test positive",
    "recall@20": "share of a user's test positives among the 20 best unseen items, mean over those users",
    "hr@20": "share of those users with a test positive among the 20 best unseen items",
    "mrr@20": "1 / rank of the first test positive among the 20 best unseen items, 0 without one, mean over those users",
    "map@20": "average precision of the 20 best unseen items, mean over those users",
    "gap": "RMS of score differences to retrained models, in units of the RMS between two retrained models, on test "
    "pairs whose user and item remain; 1 = as close as another retraining, far below 1 = scores shrank",
    "rms": "the same RMS in score units",
    "noise": "RMS of score differences between two retrained models, the unit of gap",
    "share_removed": "1 − rms / rms of the original: share of the original's distance to retraining that is gone",
    "score_std": "standard deviation of the test scores; read the gap together with it",
    "forget_gap": "gap on the forgotten pairs whose user and item remain",
    "forget_noise": "noise on those pairs, the unit of forget_gap",
    "forget_rms": "RMS of score differences to retrained models on all forgotten pairs",
    "forget_slope": "change made on the forgotten pairs, regressed on the mean change that retraining makes; "
    "1 = exactly as much, below = under-forgetting, above = over-forgetting",
    "forget_loss": "mean cross-entropy of the forgotten pairs under the labels they were trained on, in nats",
    "forget_loss_retrained": "the same for retrained models: the value to come out at",
    "own_gap": "gap to two models that the method itself trains from scratch without the forgotten data, in units of the "
    "distance between these two",
    "own_gap_before": "the same of its model before the request",
    "own_forget_gap": "own_gap on the forgotten pairs whose user and item remain",
    "own_forget_gap_before": "the same of its model before the request",
    "shards_retrained": "submodels that the request touched and that were trained again",
    "nonfinite_scores": "scores that are NaN or infinite; above 0 the model has diverged",
    "seconds.total": "seconds from the request to parameters that can serve, warm",
    "seconds.first_call": "seconds of the first call, with compilation",
    "seconds.fit": "seconds in which the method trains its own model before the request, with compilation",
    "seconds.prepare": "seconds of what is computed before any request comes, from the trained model and its data",
    "speedup_vs_retrain": _SPEEDUP.format("retraining as in this comparison"),
    "speedup_vs_protocol": _SPEEDUP.format("protocol retraining (Adam, batch 2,048, patience 10, best learning rate)"),
    "speedup_vs_fastest": _SPEEDUP.format("the fastest retraining whose validation AUC is within .001 of the best"),
    "gradient_evaluations": "cost in full-batch gradient evaluations, which no choice of baseline can flatter",
}


def define(figure: str) -> str:
    """What a figure means; a part of the time explains itself, an unknown figure is passed through."""
    if figure in FIGURES:
        return FIGURES[figure]
    if figure.startswith("seconds."):
        return f"seconds of the part “{figure.removeprefix('seconds.').replace('_', ' ')}”"
    return "not defined here; see the configuration of the run"


def in_order(figures: Iterable[str]) -> list[str]:
    """Distinct names: in the order of `FIGURES`, parts of the time after its other figures, then the unknown ones."""
    place = {name: float(position) for position, name in enumerate(FIGURES)}

    def position(name: str) -> float:
        return place.get(name, place["seconds.prepare"] + 0.5 if name.startswith("seconds.") else len(place))

    return sorted(dict.fromkeys(figures), key=position)
