"""The block of docs/how-to/import.md: models of other systems against their own retraining."""

from experiments.pages.blocks import block
from experiments.reporting.main_table import markdown, plain, seconds
from experiments.reporting.records import read_records
from experiments.studies.interop import PATH, SECONDS, K

MODELS = {
    "als": "ALS, implicit",
    "bpr": "BPR, implicit",
    "recbole-bpr": "BPR, RecBole",
    "recbole-neumf": "NeuMF, RecBole",
    "recbole-lightgcn": "LightGCN-2, RecBole",
    "lightgcn-pytorch": "LightGCN-2, LightGCN-PyTorch",
}
METHODS = {
    "original": "nothing",
    "exact": "exact, 5 sweeps (the default)",
    "fold-out": "exact, no sweep",
    "one-sweep": "exact, 1 sweep",
    "converged": "exact, until the rows settle",
    "from-end": "IFRU, without replay",
    "influence": "IFRU",
    "one-negative": "IFRU, 1 negative",
    "negatives": "IFRU, 16 negatives",
    "retrain": "its own retraining",
}
FORGET = {"interaction:0.02": "2 % of the interactions", "user:0.01": "1 % of the users"}


@block
def interop() -> str:
    """A row for each model, request and way to answer it."""
    found = {(record["model"], record["forget"], record["method"]): record["figures"] for record in read_records(PATH)}
    figures = ["undone", "forget_undone", "forget_slope", "gap", "forget_gap"]
    heading = [
        "model",
        "forgotten",
        "answered by",
        *(name.replace("_", " ") for name in figures),
        f"NDCG@{K}",
        "seconds",
        "taking in",
    ]
    rows = []
    for model, of in MODELS.items():
        for forget, words in FORGET.items():
            timed = found.get((model, forget, SECONDS), {})
            for method, name in METHODS.items():
                if (measured := found.get((model, forget, method))) is not None:
                    shown = [plain(measured.get(figure), 2) for figure in figures]
                    took = timed.get("there" if method == "retrain" else method)
                    once = timed.get(f"{method} before")
                    rows.append([of, words, name, *shown, plain(measured[f"ndcg@{K}"], 4), seconds(took), seconds(once)])
    return markdown(heading, rows)
