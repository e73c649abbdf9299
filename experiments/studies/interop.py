"""Models trained elsewhere: forgotten here, against the source's own retraining on the rest.

    pip install implicit recbole thop torch;  git clone https://github.com/gusye1234/LightGCN-PyTorch
    LIGHTGCN_PYTORCH=CLONE IFRU_JAX_DATA=DIR OPENBLAS_NUM_THREADS=1 python -m experiments.studies.interop [--only MODEL] [--seconds]

ml-100k, ratings above 3, 5-core, 70/10/20; hyper-parameters by NDCG@10 on valid. Three seeds of the original and three others of
the retraining. Each original comes in by way of a file that its system wrote, forgets, goes out by `export`, and is read by its
system again, so that all scores are those that it would serve. Minutes for ALS and BPR, up to half an hour for LightGCN.

Appends to experiments/results/interop.jsonl, from which `python -m experiments.tables` fills the table of docs/how-to/import.md;
what is there is not run again. `--seconds` measures how long a request and taking the model in take here, and a training there,
instead, for which nothing else may run beside it.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.command_line import command
from experiments.studies.sources import System
from experiments.studies.sources.implicit import Implicit
from experiments.studies.sources.lightgcn_pytorch import LightGCNPyTorch
from experiments.studies.sources.recbole import RecBole
from ifru_jax import ForgetRequest, Interactions, load_dataset, random_split, unlearn
from ifru_jax.compiled import keep_compiled
from ifru_jax.data import Split
from ifru_jax.data.filters import k_core
from ifru_jax.data.forget_sets import random_interactions, random_users
from ifru_jax.data.labels import binarize
from ifru_jax.errors import DataError
from ifru_jax.evaluation import ranking_metrics, survivors
from ifru_jax.evaluation.fidelity import gap, mean_or_none
from ifru_jax.evaluation.shift import shift, slope, undone, undone_interval
from ifru_jax.interop import ImplicitOptions

PATH = RESULTS / "interop.jsonl"
SEEDS, K, FIRST_RETRAINED = 3, 10, 100
SECONDS = "seconds"
REQUESTS: dict[str, Callable[[Interactions], ForgetRequest]] = {
    "interaction:0.02": lambda train: random_interactions(train, 0.02),
    "user:0.01": lambda train: random_users(train, 0.01),
}


@dataclass(frozen=True)
class Cell:
    """A model of a system and a way to answer its requests.

    Attributes:
      model: by its name in `SYSTEMS`.
      method: by name.
      options: of the import.
    """

    model: str
    method: str
    options: ImplicitOptions = field(default_factory=ImplicitOptions)


_GRAPH = {"bpr_batch_size": 2048, "latent_dim_rec": 32, "lightGCN_n_layers": 2, "lr": 0.005, "decay": 1e-3}
SYSTEMS: dict[str, System] = {
    "als": Implicit("als.AlternatingLeastSquares", factors=32, regularization=10.0, alpha=1.0, iterations=15),
    "bpr": Implicit("bpr.BayesianPersonalizedRanking", factors=32, regularization=0.03, learning_rate=0.02, iterations=100),
    "recbole-bpr": RecBole("BPR", embedding_size=32, learning_rate=0.002, epochs=60),
    "recbole-neumf": RecBole(
        "NeuMF", mf_embedding_size=32, mlp_embedding_size=32, mlp_hidden_size=[32, 16], dropout_prob=0.0, epochs=20
    ),
    "recbole-lightgcn": RecBole(
        "LightGCN", embedding_size=32, n_layers=2, reg_weight=1e-3, require_pow=True, learning_rate=0.005, epochs=60
    ),
    "lightgcn-pytorch": LightGCNPyTorch(epochs=60, **_GRAPH),
}
_REPLAYED = ("bpr", "recbole-bpr", "recbole-lightgcn", "lightgcn-pytorch")
CELLS = (
    Cell("als", "exact"),
    Cell("als", "one-sweep", ImplicitOptions(sweeps=1)),
    Cell("als", "converged", ImplicitOptions(sweeps=100)),
    Cell("als", "fold-out", ImplicitOptions(sweeps=0)),
    Cell("als", "influence", ImplicitOptions(exact=False)),
    *(Cell(model, "influence") for model in SYSTEMS if model != "als"),
    *(Cell(model, "from-end", ImplicitOptions(replay=False)) for model in _REPLAYED),
    *(Cell(model, "one-negative", ImplicitOptions(negatives=1)) for model in ("recbole-bpr", "lightgcn-pytorch")),
    *(Cell(model, "negatives", ImplicitOptions(negatives=16)) for model in ("bpr", "recbole-bpr", "lightgcn-pytorch")),
)


def study(only: str = "", *, seconds: bool = False) -> None:
    """Runs what is missing.

    Args:
      only: the model of this name.
      seconds: measures seconds alone.
    """
    if only and only not in SYSTEMS:
        raise DataError(f"no cell has {only!r} as its model: choose among {', '.join(SYSTEMS)}.")
    models = [only] if only else list(SYSTEMS)
    for model in models:
        SYSTEMS[model].versions()  # what isn't there is told before hours have passed
    keep_compiled()
    split = data()
    for model in models:
        (timed if seconds else compared)(model, split)


def compared(model: str, split: Split) -> None:
    """Every request and method of a model that is not in the records."""
    system, console = SYSTEMS[model], Console()
    done = {(record["model"], record["forget"], record["method"]) for record in read_records(PATH)}
    cells = {
        forget: [cell for cell in CELLS if cell.model == model and (model, forget, cell.method) not in done] for forget in REQUESTS
    }
    if not any(cells.values()):
        return
    originals = [system.fitted(split.train, seed) for seed in range(SEEDS)]
    before = [system.scores(one) for one in originals]
    for forget, missing in cells.items():
        request = REQUESTS[forget](split.train)
        rest = request.applied(split.train)
        after = [system.scores(system.fitted(rest, FIRST_RETRAINED + seed)) for seed in range(SEEDS)]
        measured = Measured(split, request, rest)
        answers: dict[str, Callable[[], Sequence[np.ndarray]]] = {"original": lambda: before, "retrain": lambda after=after: after}
        for cell in missing:
            answers[cell.method] = lambda cell=cell, request=request: [
                answered(cell, one, split.train, request)[0] for one in originals
            ]
        for method, grids in answers.items():
            if (model, forget, method) not in done:
                figures = measured.figures(grids(), before, after)
                append_record(PATH, _record(model, forget, method) | {"figures": figures})
                console.print(model, forget, method, figures)


def timed(model: str, split: Split) -> None:
    """A training there and the second request here, each once; alone on the machine."""
    system, console = SYSTEMS[model], Console()
    done = {(record["model"], record["forget"]) for record in read_records(PATH) if record["method"] == SECONDS}
    for forget, make in REQUESTS.items():
        if (model, forget) in done:
            continue
        request = make(split.train)
        began = time.perf_counter()
        original = system.fitted(request.applied(split.train), FIRST_RETRAINED, anew=True)
        figures = {"there": time.perf_counter() - began}
        original = system.fitted(split.train, 0)
        for cell in CELLS:
            if cell.model == model:
                for _ in range(2):  # the first compiles
                    _, figures[cell.method], figures[f"{cell.method} before"] = answered(cell, original, split.train, request)
        append_record(PATH, _record(model, forget, SECONDS) | {"figures": figures})
        console.print(model, forget, figures)


def _record(model: str, forget: str, method: str) -> dict[str, Any]:
    system = SYSTEMS[model]
    names = {"dataset": "ml-100k", "model": model, "forget": forget, "method": method, "seed": SEEDS}
    return names | {"config": system.settings, "environment": environment() | system.versions()}


def data() -> Split:
    """The interactions, split by a seed of its own; ids are rows."""
    ratings = binarize(load_dataset("ml-100k").interactions, 3)
    found = k_core(ratings.select(ratings.labels > 0.5), 5)
    return random_split(replace(found, user_ids=None, item_ids=None), shares=(0.7, 0.1, 0.2))


def answered(cell: Cell, model: Any, train: Interactions, request: ForgetRequest) -> tuple[np.ndarray, float, float]:
    """The scores that the system serves without what is forgotten, by files alone; seconds of the request, and of taking it in."""
    system = SYSTEMS[cell.model]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        imported = system.imported(model, train, Path(folder), cell.options)
        before = time.perf_counter() - began
        users = [system.named(row) for row in request.users.tolist()]
        pairs = [(system.named(user), system.named(item)) for user, item in request.pairs.tolist()]
        began = time.perf_counter()
        unlearned, _ = unlearn(imported.model, users=users or None, interactions=pairs or None)
        took = time.perf_counter() - began
        return system.served(model, (unlearned, imported.source), request.applied(train), Path(folder)), took, before


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

    def figures(
        self, grids: Sequence[np.ndarray], originals: Sequence[np.ndarray], retrained: Sequence[np.ndarray]
    ) -> dict[str, Any]:
        """Means over the models, of their scores [users, items]."""
        ndcg = [ranking_metrics(lambda users, of=grid: of[users], self.train, self.test, k=K) for grid in grids]
        values = np.array([one[f"ndcg@{K}"] for one in ndcg], float)
        found: dict[str, Any] = {f"ndcg@{K}": float(values.mean()), f"ndcg@{K}_std": float(values.std(ddof=1))}
        for prefix, pairs in (("", self.pairs), ("forget_", self.forgotten)):
            if not len(pairs[0]):
                found |= {f"{prefix}{name}": None for name in ("shift", "undone", "undone_interval", "slope", "gap")}
                continue
            s, o, r = (np.stack([grid[pairs] for grid in of]) for of in (grids, originals, retrained))
            itself = range(len(r)) if grids is retrained else [None] * len(s)
            found[f"{prefix}gap"] = mean_or_none([gap(one, r, itself=k) for one, k in zip(s, itself, strict=True)])
            if grids is not retrained:
                found |= {f"{prefix}shift": shift(s, r), f"{prefix}undone": undone(s, o, r), f"{prefix}slope": slope(s, o, r)}
                found[f"{prefix}undone_interval"] = undone_interval(s, o, r)
        return found


if __name__ == "__main__":
    command(study, __doc__)
