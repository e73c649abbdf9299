"""Models trained in the package implicit: forgotten here, against implicit's own retraining on the rest.

    pip install implicit
    IFRU_JAX_DATA=DIR OPENBLAS_NUM_THREADS=1 python -m experiments.studies.interop

ml-100k, ratings above 3, 5-core, 70/10/20; hyper-parameters by NDCG@10 on valid. Three seeds of the original and three others of
the retraining. Each original is written by `model.save`, comes in by `from_implicit`, forgets, goes out by `export`, and is read by
implicit again, so that all scores are those that implicit would serve. A few minutes. Appends to experiments/results/interop.jsonl,
from which `python -m experiments.tables` fills the table of docs/how-to/import.md; what is there is not run again.
"""

import importlib.metadata
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.command_line import command
from ifru_jax import ForgetRequest, Interactions, interop, load_dataset, random_split, unlearn
from ifru_jax.compiled import keep_compiled
from ifru_jax.data import Split
from ifru_jax.data.extras import needed
from ifru_jax.data.filters import binarize, k_core
from ifru_jax.data.forget_sets import random_interactions, random_users
from ifru_jax.errors import DataError
from ifru_jax.evaluation import ranking_metrics, survivors
from ifru_jax.evaluation.fidelity import gap, mean_or_none
from ifru_jax.evaluation.shift import shift, slope, undone, undone_interval

PATH = RESULTS / "interop.jsonl"
SEEDS, K, FIRST_RETRAINED = 3, 10, 100
REQUESTS: dict[str, Callable[[Interactions], ForgetRequest]] = {
    "user:0.01": lambda train: random_users(train, 0.01),
    "interaction:0.02": lambda train: random_interactions(train, 0.02),
}


@dataclass(frozen=True)
class Cell:
    """A model of implicit and a way to answer its requests.

    Attributes:
      model: "als" or "bpr".
      method: by name.
      options: of the import.
    """

    model: str
    method: str
    options: interop.ImplicitOptions = field(default_factory=interop.ImplicitOptions)


SETTINGS: dict[str, dict[str, Any]] = {
    "als": {"factors": 32, "regularization": 10.0, "alpha": 1.0, "iterations": 15},
    "bpr": {"factors": 32, "regularization": 0.03, "learning_rate": 0.02, "iterations": 100},
}
CELLS = (
    Cell("als", "exact"),
    Cell("als", "one-sweep", interop.ImplicitOptions(sweeps=1)),
    Cell("als", "converged", interop.ImplicitOptions(sweeps=100)),
    Cell("als", "fold-out", interop.ImplicitOptions(sweeps=0)),
    Cell("als", "influence", interop.ImplicitOptions(exact=False)),
    Cell("bpr", "influence"),
)


def study(only: str = "") -> None:
    """Runs what is missing.

    Args:
      only: the model of this name.
    """
    if only and only not in SETTINGS:
        raise DataError(f"no cell has {only!r} as its model: choose among {', '.join(SETTINGS)}.")
    keep_compiled()
    implicit, console = needed("implicit", "this study trains in the package implicit: pip install implicit"), Console()
    done = {(record["model"], record["forget"], record["method"]) for record in read_records(PATH)}
    split = data()
    for model in [only] if only else SETTINGS:
        originals = [fitted(implicit, model, split.train, seed) for seed in range(SEEDS)]
        for forget, make in REQUESTS.items():
            cells = [cell for cell in CELLS if cell.model == model and (model, forget, cell.method) not in done]
            if not cells:
                continue
            request = make(split.train)
            rest = request.applied(split.train)
            retrained = [fitted(implicit, model, rest, FIRST_RETRAINED + seed) for seed in range(SEEDS)]
            measured = Measured(split, request, rest)
            answers = {"original": originals, "retrain": retrained}
            answers |= {cell.method: [answered(cell, model, split.train, request) for model in originals] for cell in cells}
            for method, models in answers.items():
                if (model, forget, method) in done:
                    continue
                names = {"dataset": "ml-100k", "model": model, "forget": forget, "method": method, "seed": SEEDS}
                figures = measured.figures(models, originals, retrained)
                versions = environment() | {"implicit": importlib.metadata.version("implicit")}
                append_record(PATH, names | {"figures": figures, "config": SETTINGS[model], "environment": versions})
                console.print(model, forget, method, figures)


def data() -> Split:
    """The interactions, split by a seed of its own."""
    ratings = binarize(load_dataset("ml-100k").interactions, 3)
    return random_split(k_core(ratings.select(ratings.labels > 0.5), 5), shares=(0.7, 0.1, 0.2))


def fitted(implicit: Any, model: str, train: Interactions, seed: int) -> Any:
    """A model of implicit; one thread, so that a seed gives a model."""
    kinds = {"als": implicit.als.AlternatingLeastSquares, "bpr": implicit.bpr.BayesianPersonalizedRanking}
    entries = train.labels, (train.users, train.items)
    found = kinds[model](**SETTINGS[model], random_state=seed, num_threads=1)
    matrix = scipy.sparse.csr_matrix(entries, shape=(train.num_users, train.num_items))
    found.fit(matrix, show_progress=False)
    return found


def answered(cell: Cell, model: Any, train: Interactions, request: ForgetRequest) -> Any:
    """The model of implicit without what is forgotten, by files alone."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.npz"), Path(folder, "after.npz")
        model.save(str(before))
        imported = interop.from_implicit(before, train, options=cell.options)
        unlearned, _ = unlearn(imported.model, request)
        interop.export(unlearned, after, like=imported.source)
        return type(model).load(str(after))


class Measured:
    """Pairs on which models are compared: what remains of test with as many pairs drawn at random, and what was forgotten."""

    def __init__(self, split: Split, request: ForgetRequest, rest: Interactions) -> None:
        self.train, self.test = rest, split.test.select(survivors(rest, split.test))
        rng = np.random.default_rng(0)
        users, items = (rng.choice(np.unique(rows), len(self.test)) for rows in (rest.users, rest.items))
        self.pairs = np.append(self.test.users, users), np.append(self.test.items, items)
        gone = split.train.select(request.select(split.train))
        # Of a user or item that is gone the retrained score is a constant.
        gone = gone.select(survivors(rest, gone))
        self.forgotten = gone.users, gone.items

    def figures(self, models: Sequence[Any], originals: Sequence[Any], retrained: Sequence[Any]) -> dict[str, Any]:
        """Means over the models."""
        ndcg = [ranking_metrics(lambda u, m=m: m.user_factors[u] @ m.item_factors.T, self.train, self.test, k=K) for m in models]
        values = np.array([one[f"ndcg@{K}"] for one in ndcg], float)
        found: dict[str, Any] = {f"ndcg@{K}": float(values.mean()), f"ndcg@{K}_std": float(values.std(ddof=1))}
        for prefix, pairs in (("", self.pairs), ("forget_", self.forgotten)):
            if not len(pairs[0]):
                found |= {f"{prefix}{name}": None for name in ("shift", "undone", "undone_interval", "slope", "gap")}
                continue
            s, o, r = (np.stack([scores(m, pairs) for m in of]) for of in (models, originals, retrained))
            itself = range(len(r)) if models is retrained else [None] * len(s)
            found[f"{prefix}gap"] = mean_or_none([gap(one, r, itself=k) for one, k in zip(s, itself, strict=True)])
            if models is not retrained:
                found |= {f"{prefix}shift": shift(s, r), f"{prefix}undone": undone(s, o, r), f"{prefix}slope": slope(s, o, r)}
                found[f"{prefix}undone_interval"] = undone_interval(s, o, r)
        return found


def scores(model: Any, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Of a model of implicit."""
    return np.einsum("nd,nd->n", model.user_factors[pairs[0]].astype(float), model.item_factors[pairs[1]].astype(float))


if __name__ == "__main__":
    command(study, __doc__)
