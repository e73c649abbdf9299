"""One comparison: original, retrained and unlearned models side by side, as records.

For seed k the original model is trained with key k; the retrained one draws another key, so that no method is helped by sharing
an initialisation with the yardstick. Every time is warm: a method first forgets a *different* request of the same size, whose time
is `seconds.first_call`, and a retraining is first compiled by one epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np

from experiments.hyperparameters import Choice, HyperParameters, hyper_parameters, model_label
from experiments.methods import ALWAYS, build_method
from experiments.models import ModelName, build_model
from experiments.reporting import environment
from ifru_jax.api import rank
from ifru_jax.data import ForgetRequest, Interactions, Split, load_dataset, parse_forget, protocol_split
from ifru_jax.data.forget_sets import random_interactions, random_items, random_users
from ifru_jax.evaluation import Pairs, PairScores, figures
from ifru_jax.models import Recommender
from ifru_jax.training import Trained, objective
from ifru_jax.unlearning import IFRU, Report, Retrain, RetrainState

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """What is compared, on which data.

    Attributes:
      dataset, model, forget: as they stand in records.
      split: training data as the original model sees it (a label-noise attack included).
      request: what is forgotten; other: a different request of the same kind and size, to compile with.
      params: hyper-parameters.
      build: init_std ↦ model.
    """

    dataset: str
    model: str
    forget: str
    split: Split
    request: ForgetRequest
    other: ForgetRequest
    params: HyperParameters
    build: Callable[[float], Recommender]


def set_up(data: str, model: ModelName, layers: int, forget: str, *, label_above: float | None = None) -> Setup:
    """Loads, splits, draws the forget set; all fixed by the data, not by a seed."""
    layers = layers if model == "lightgcn" else 0
    dataset = load_dataset(data)
    split = protocol_split(dataset, label_above=label_above)
    train, request = parse_forget(forget)(split.train)
    return Setup(
        dataset=dataset.name,
        model=model_label(model, layers),
        forget="file" if forget.startswith("file:") else forget,
        split=replace(split, train=train),
        request=request,
        other=_another(train, request),
        params=hyper_parameters(dataset.name, model, layers),
        build=lambda init_std: build_model(model, layers=layers, init_std=init_std),
    )


def _another(train: Interactions, request: ForgetRequest) -> ForgetRequest:
    """A request of the same kind and size with other rows."""
    if len(request.users):
        return random_users(train, len(request.users) / train.num_users, seed=1)
    if len(request.items):
        return random_items(train, len(request.items) / train.num_items, seed=1)
    return random_interactions(train, len(request.pairs) / len(train), seed=1)


def run(setup: Setup, methods: Sequence[str], seeds: int, *, tell: Tell = lambda text: None) -> Iterator[dict[str, Any]]:
    """Trains, forgets and yields a record per method and seed.

    Args:
      setup: of `set_up`.
      methods: names; the original and retraining are always among them.
      seeds: K ≥ 1; at least two models are retrained, for the noise between them.
      tell: called with what is being done.
    """
    choice = setup.params.best
    model = setup.build(choice.init_std)
    others = {name: build_method(name, model, choice.train) for name in methods if name not in ALWAYS}
    originals: list[Trained] = []
    training: list[dict[str, float]] = []
    for seed in range(seeds):
        tell(f"training the original model, seed {seed}")
        began = time.perf_counter()
        originals.append(train_original(setup, seed))
        training.append({"seconds.training": time.perf_counter() - began})
    gradient = gradient_seconds(originals[0])

    tell("compiling retraining")
    retrained: list[Trained] = []
    retraining: list[Report] = []
    retrain(setup, originals[0], seed=0, epochs=1)
    for seed in range(max(seeds, 2)):
        tell(f"retraining without the forgotten data, seed {seed}")
        after, report = retrain(setup, originals[min(seed, seeds - 1)], seed)
        retrained.append(after)
        retraining.append(report)
    baseline = float(np.median([report.seconds["total"] for report in retraining]))
    speeds = {"retrain": baseline} | _baselines(setup, originals[0], tell)

    pairs, scores = views(setup, originals[0], retrained[0])
    before = [scores(state) for state in originals]
    after_all = [scores(state) for state in retrained]
    compare = _Comparer(setup, pairs, before, after_all, speeds, gradient)

    for seed, state in enumerate(originals):
        yield compare.record("original", seed, before[seed], before[seed], state, None, training[seed])
    for seed, (state, report) in enumerate(zip(retrained, retraining, strict=True)):
        paired = before[seed % seeds]
        yield compare.record("retrain", seed, after_all[seed], paired, state, report, {}, itself=seed)
    for name, method in others.items():
        first_call = None
        for seed, original in enumerate(originals):
            tell(f"{name}, seed {seed}")
            state, extra = _prepared(method, original)
            if first_call is None:
                _, first = method.forget(state, setup.other)
                first_call = first.seconds["total"]
            extra["seconds.first_call"] = first_call
            state, report = method.forget(state, setup.request)
            yield compare.record(name, seed, scores(state), before[seed], state, report, extra, method=method)


@dataclass(frozen=True)
class _Comparer:
    """Puts figures, times and configuration of a run into a record."""

    setup: Setup
    pairs: Pairs
    before: list[PairScores]
    retrained: list[PairScores]
    speeds: dict[str, float]
    gradient: float

    def record(
        self,
        name: str,
        seed: int,
        scores: PairScores,
        original: PairScores,
        state: Trained,
        report: Report | None,
        extra: dict[str, float],
        *,
        itself: int | None = None,
        method: Any = None,
    ) -> dict[str, Any]:
        found: dict[str, Any] = figures(
            scores,
            self.pairs,
            original=original,
            originals=self.before,
            retrained=self.retrained,
            itself=itself,
            ranking=rank(state, self.setup.split.test),
        )
        if report is not None:
            total = report.seconds["total"]
            found |= {f"seconds.{part}": value for part, value in report.seconds.items()}
            found |= {f"speedup_vs_{name}": value / total for name, value in self.speeds.items()}
            found["gradient_evaluations"] = total / self.gradient
        setup, choice = self.setup, self.setup.params.best
        config = {"training": asdict(choice.train) | {"init_std": choice.init_std}, "tuned": setup.params.tuned}
        if isinstance(method, IFRU):
            config["unlearning"] = asdict(method.config)
        evidence = {} if report is None else report.as_dict()
        return {
            "dataset": setup.dataset,
            "model": setup.model,
            "forget": setup.forget,
            "method": name,
            "seed": seed,
            "figures": found | extra,
            "config": config,
            "evidence": {name: value for name, value in evidence.items() if name not in ("seconds", "ritz_values")},
            "environment": environment(),
        }


def gradient_seconds(trained: Trained, *, repeats: int = 7) -> float:
    """Warm seconds of one full-batch gradient of the objective: the unit of cost."""

    def gradient(params, examples, graph):
        return jax.grad(
            lambda p: objective(trained.model, trained.loss, p, examples, graph, total=trained.total, reg=trained.config.reg)
        )(params)

    compiled = jax.jit(gradient)
    arguments = (trained.params, trained.training_set.examples, trained.training_set.graph)
    jax.block_until_ready(compiled(*arguments))
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def train_original(setup: Setup, seed: int) -> Trained:
    """The model that is later asked to forget."""
    choice = setup.params.best
    return Retrain(setup.build(choice.init_std), choice.train).fit(jax.random.key(seed), setup.split).trained


def retrain(
    setup: Setup, original: Trained, seed: int, *, choice: Choice | None = None, epochs: int | None = None
) -> tuple[Trained, Report]:
    """A model trained without the forgotten interactions, with another initialisation and other batches than the original.

    Args:
      setup: the comparison.
      original: for its training data.
      seed: the key of `train_original` is split, so the same seed is another key here.
      choice: hyper-parameters; None takes those of the comparison.
      epochs: at the most; None takes those of the choice.
    """
    choice = choice or setup.params.best
    config = choice.train if epochs is None else replace(choice.train, epochs=epochs)
    state = RetrainState(original, setup.split.valid, jax.random.key(seed))
    after, report = Retrain(setup.build(choice.init_std), config).forget(state, setup.request)
    return after.trained, report


def _baselines(setup: Setup, original: Trained, tell: Tell) -> dict[str, float]:
    """Warm seconds of the two baselines of speed, one run each; none for data that was not tuned."""
    seconds = {}
    for name, choice in (("protocol", setup.params.protocol), ("fastest", setup.params.fastest)):
        if choice is None:
            continue
        tell(f"timing the {name} retraining")
        retrain(setup, original, seed=0, choice=choice, epochs=1)
        _, report = retrain(setup, original, seed=0, choice=choice)
        seconds[name] = report.seconds["total"]
    return seconds


def _prepared(method: Any, original: Trained) -> tuple[Trained, dict[str, float]]:
    """The method's state for this original model, and the warm seconds of what needs no request."""
    seconds: dict[str, float] = {}
    state = original
    for _ in range(2):
        began = time.perf_counter()
        state = method.prepare(original)
        seconds["seconds.prepare"] = time.perf_counter() - began
    return state, seconds


def views(setup: Setup, original: Trained, retrained: Trained) -> tuple[Pairs, Callable[[Trained], PairScores]]:
    """The pairs that are compared, and the scores of a model on them."""
    data = original.interactions
    forgotten = data.select(setup.request.select(data))
    test = setup.split.test

    def scores(state: Trained) -> PairScores:
        return PairScores(state.score(test.users, test.items), state.score(forgotten.users, forgotten.items))

    return Pairs.of(retrained.interactions, forgotten, test), scores
