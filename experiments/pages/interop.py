"""The block of docs/how-to/import.md: models of implicit against its own retraining."""

from experiments.pages.blocks import block
from experiments.reporting.main_table import markdown, plain
from experiments.reporting.records import read_records
from experiments.studies.interop import PATH, K

METHODS = {
    "original": "nothing",
    "exact": "exact, 5 sweeps (the default)",
    "fold-out": "exact, no sweep",
    "one-sweep": "exact, 1 sweep",
    "converged": "exact, until the rows settle",
    "influence": "IFRU",
    "retrain": "retraining in implicit",
}
FORGET = {"interaction:0.02": "2 % of the interactions", "user:0.01": "1 % of the users"}


@block
def interop() -> str:
    """A row for each model, request and way to answer it."""
    found = {(record["model"], record["forget"], record["method"]): record["figures"] for record in read_records(PATH)}
    heading = ["model", "forgotten", "answered by", "undone", "forget undone", "forget slope", "gap", "forget gap", f"NDCG@{K}"]
    rows = []
    for model in ("als", "bpr"):
        for forget, words in FORGET.items():
            for method, name in METHODS.items():
                if (figures := found.get((model, forget, method))) is not None:
                    shown = [plain(figures.get(of), 2) for of in ("undone", "forget_undone", "forget_slope", "gap", "forget_gap")]
                    rows.append([model.upper(), words, name, *shown, plain(figures[f"ndcg@{K}"], 4)])
    return markdown(heading, rows)
