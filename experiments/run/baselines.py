"""Originals, retrained models and the baselines of speed of a comparison, trained or found among those that are kept.

For seed k the original model is trained with key k; the retrained one draws another key, so that no method is helped by sharing
an initialisation with the yardstick. A retraining is first compiled by one epoch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any, Self

import jax
import numpy as np

from experiments.run.hyperparameters import Choice
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import Tell
from experiments.run.setup import Setup
from experiments.run.trials import repeatedly, seconds_of
from ifru_jax.baselines import Retrain
from ifru_jax.training import Trained, bce
from ifru_jax.training.described_losses import describe_loss
from ifru_jax.unlearning import Report


@dataclass(frozen=True)
class Baseline:
    """A retraining as a baseline of speed: medians of warm seconds and of the best validation AUC."""

    seconds: float
    valid_auc: float

    @classmethod
    def of(cls, reports: Sequence[Report]) -> Self:
        seconds = [report.seconds["total"] for report in reports]
        metrics = [
            report.training.valid_metric for report in reports if report.training and report.training.valid_metric is not None
        ]
        return cls(float(np.median(seconds)), float(np.median(metrics)))


def train_original(setup: Setup, seed: int, *, store: ModelStore = KEEP_NOTHING) -> Trained:
    """The model that is later asked to forget."""
    choice = setup.params.best
    model = setup.build(choice.init_std)

    def make() -> tuple[Trained, None]:
        return Retrain(model, choice.train, setup.loss).fit(jax.random.key(seed), setup.split).trained, None

    return store.get(_key(setup, "original", choice, seed), model, setup.loss, make)[0]


def retrain(
    setup: Setup,
    original: Trained,
    seed: int,
    *,
    choice: Choice | None = None,
    epochs: int | None = None,
    store: ModelStore = KEEP_NOTHING,
) -> tuple[Trained, Report]:
    """A model trained without the forgotten interactions, with another initialisation and other batches than the original.

    Args:
      setup: the comparison.
      original: for its training data.
      seed: the key of `train_original` is split, so the same seed is another key here.
      choice: hyper-parameters; None takes those of the comparison.
      epochs: at the most; None takes those of the choice.
      store: where the model is kept, with the seconds its training took.
    """
    choice = choice or setup.params.best
    config = choice.train if epochs is None else replace(choice.train, epochs=epochs)
    model = setup.build(choice.init_std)

    def make() -> tuple[Trained, Report]:
        method = Retrain(model, config)
        after, report = method.forget(method.prepare(original, setup.split, jax.random.key(seed)), setup.request)
        return after.trained, report

    trained, report = store.get(_key(setup, "retrained", replace(choice, train=config), seed), model, setup.loss, make)
    assert report is not None
    return trained, report


def _key(setup: Setup, role: str, choice: Choice, seed: int) -> dict[str, Any]:
    """What decides a trained model."""
    data, request = setup.split.train, setup.request
    columns = [data.users, data.items, data.labels]
    if role == "retrained":
        columns += [request.pairs, request.users, request.items, request.corrected, request.labels]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns))
    objective = {} if setup.loss == bce else {"objective": describe_loss(setup.loss)}
    names = {"dataset": setup.dataset, "data": digest.hexdigest(), "model": setup.model, "role": role, "seed": seed}
    return objective | names | {"choice": asdict(choice), "jax": jax.__version__}


def baselines_of(setup: Setup, original: Trained, retraining: list[Report], store: ModelStore, tell: Tell) -> dict[str, Baseline]:
    """The two baselines of speed; none for data that was not tuned."""
    found = {}
    for name, choice in (("protocol", setup.params.protocol), ("fastest", setup.params.fastest)):
        if choice is None:
            continue
        if choice == setup.params.best:
            found[name] = Baseline.of(retraining)
            continue
        tell(f"timing the {name} retraining")
        retrain(setup, original, seed=0, choice=choice, epochs=1)
        seeds = count()
        done = repeatedly(lambda choice=choice, seeds=seeds: retrain(setup, original, next(seeds), choice=choice, store=store))
        found[name] = Baseline.of([report for _, report in done])
    return found


def gradient_seconds(trained: Trained, *, repeats: int = 7) -> float:
    """Warm seconds of one full-batch gradient of the objective: the unit of cost."""

    gradient = jax.jit(lambda objective, params, batch: objective.gradient(params, batch))
    # The first compiles.
    seconds = [seconds_of(lambda: gradient(trained.objective, trained.params, trained.batch)) for _ in range(repeats + 1)]
    return float(np.median(seconds[1:]))
