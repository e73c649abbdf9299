"""One comparison: original, retrained and unlearned models side by side, as records.

For seed k the original model is trained with key k; the retrained one draws another key, so that no method is helped by sharing
an initialisation with the yardstick. Every time is warm, see `experiments.trials`; a retraining is first compiled by one epoch.
A method that has no meaning for the data, model or request gets one record without figures that says why.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np

from experiments.hyperparameters import Choice, HyperParameters, hyper_parameters, model_label
from experiments.methods import ALWAYS, PACEMAKER, REGISTRY, Context, describe_method
from experiments.model_store import KEEP_NOTHING, ModelStore
from experiments.models import LAYERED, ModelName, build_model, with_own_term
from experiments.reporting import environment
from experiments.trials import ENOUGH_SECONDS, REPEATS, Scorer, Trial, trials
from ifru_jax.data import Dataset, ForgetRequest, Interactions, Split, load_dataset, parse_forget, protocol_split
from ifru_jax.data.forget_sets import random_interactions, random_items, random_users
from ifru_jax.data.groups import leads_group
from ifru_jax.errors import IfruError, NumericsError
from ifru_jax.evaluation import Pairs, PairScores, fidelity, figures, ranking_metrics
from ifru_jax.graph import capacity_of
from ifru_jax.metrics import auc
from ifru_jax.models import FlaxRecommender, Recommender
from ifru_jax.training import LOSSES, Loss, Trained, bce
from ifru_jax.training.losses import describe_loss
from ifru_jax.training.objectives import objective as training_objective
from ifru_jax.unlearning import Method, Report, Retrain, RetrainState

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The models of one method and seed, for whoever wants to look closer than at figures.

    Attributes:
      name: of the method.
      seed: of the original and the method.
      before, after: the model before and after the request.
      retrained: its yardsticks, at least two.
      report: of the request.
    """

    name: str
    seed: int
    before: Scorer
    after: Scorer
    retrained: Sequence[Scorer]
    report: Report


Look = Callable[[Outcome], None]


@dataclass(frozen=True)
class Setup:
    """What is compared, on which data.

    Attributes:
      dataset, model, forget: as they stand in records.
      split: training data as the original model sees it (a label-noise attack included).
      request: what is forgotten; other: a different request of the same kind and size, to compile with.
      params: hyper-parameters.
      build: init_std ↦ model.
      loss: what is trained.
    """

    dataset: str
    model: str
    forget: str
    split: Split
    request: ForgetRequest
    other: ForgetRequest
    params: HyperParameters
    build: Callable[[float], Recommender]
    loss: Loss = bce


def set_up(
    data: str, model: ModelName, layers: int, forget: str, *, label_above: float | None = None, objective: str = "bce"
) -> Setup:
    """Loads, splits, draws the forget set; all fixed by the data, not by a seed.

    For an objective that compares, ratings become implicit data: the positives, with sampled negatives.
    """
    layers = layers if model in LAYERED else 0
    loss = LOSSES[objective]()
    dataset = load_dataset(data)
    if loss.grouped:
        dataset, label_above = _positives(dataset, label_above), None
    split = protocol_split(dataset, label_above=label_above)
    train, request = parse_forget(forget)(split.train)
    request.select(train)  # refuses a request for everything before any model is trained

    def build(init_std: float) -> FlaxRecommender:
        return build_model(model, layers=layers, init_std=init_std, data=train)

    return Setup(
        dataset=dataset.name,
        model=model_label(model, layers) + ("" if objective == "bce" else f"+{objective}"),
        forget="file" if forget.startswith("file:") else forget,
        split=replace(split, train=train),
        request=request,
        other=_another(train, request),
        # By the name that was given: somebody's own amazon.csv is not the Amazon data that was tuned for.
        # Nothing was tuned for another objective.
        params=hyper_parameters(data if objective == "bce" else f"{data} with {objective}", model, layers),
        build=build,
        loss=with_own_term(model, build(1e-2), loss, total=len(train)),
    )


def _positives(dataset: Dataset, label_above: float | None) -> Dataset:
    """The interactions above the threshold, as implicit data."""
    above = dataset.label_above if label_above is None else label_above
    if above is None:
        return dataset

    def chosen(part: Interactions) -> Interactions:
        kept = part.select(part.labels > above)
        return kept.with_labels(np.ones(len(kept)))

    test = None if dataset.given_test is None else chosen(dataset.given_test)
    return replace(dataset, interactions=chosen(dataset.interactions), label_above=None, given_test=test)


def _another(train: Interactions, request: ForgetRequest) -> ForgetRequest:
    """A different request of the same kind whose interactions fill the same padding bucket."""

    def bucket(of: ForgetRequest) -> int:
        return capacity_of(int(of.select(train).sum()))

    for seed in range(1, 200):
        if len(request.users):
            other = random_users(train, len(request.users) / train.num_users, seed=seed)
        elif len(request.items):
            other = random_items(train, len(request.items) / train.num_items, seed=seed)
        else:
            # Of grouped interactions only the first can be named, and each brings its group.
            other = random_interactions(train, len(request.pairs) / int(leads_group(train).sum()), seed=seed)
        if bucket(other) == bucket(request):
            return other
    return request


def run(
    setup: Setup,
    methods: Sequence[str],
    seeds: int,
    *,
    store: ModelStore = KEEP_NOTHING,
    own_yardsticks: bool = True,
    tell: Tell = lambda text: None,
    look: Look = lambda outcome: None,
) -> Iterator[dict[str, Any]]:
    """Trains, forgets and yields a record per method and seed.

    Args:
      setup: of `set_up`.
      methods: names; the original and retraining are always among them.
      seeds: K ≥ 1; at least two models are retrained, for the noise between them.
      store: where trained models are kept.
      own_yardsticks: methods with a model of their own are also measured against their own retraining, which costs two trainings
        of that model each.
      tell: called with what is being done.
      look: called with the models behind each record of a method that was asked for and has at least two yardsticks.
    """
    choice = setup.params.best
    model = setup.build(choice.init_std)
    originals: list[Trained] = []
    for seed in range(seeds):
        tell(f"training the original model, seed {seed}")
        originals.append(train_original(setup, seed, store=store))
    gradient = gradient_seconds(originals[0])

    tell("compiling retraining")
    retrained: list[Trained] = []
    retraining: list[Report] = []
    retrain(setup, originals[0], seed=0, epochs=1)
    for seed in range(max(seeds, 2)):
        tell(f"retraining without the forgotten data, seed {seed}")
        after, report = retrain(setup, originals[min(seed, seeds - 1)], seed, store=store)
        retrained.append(after)
        retraining.append(report)
    baselines = {"retrain": Baseline.of(retraining)} | _baselines(setup, originals[0], retraining, store, tell)

    pairs, scores = views(setup, originals[0], retrained[0])
    before = [scores(state) for state in originals]
    after_all = [scores(state) for state in retrained]
    compare = _Comparer(setup, pairs, scores, before, after_all, baselines, gradient)

    for seed, state in enumerate(originals):
        yield compare.record("original", seed, state, before[seed])
    for seed, (state, report) in enumerate(zip(retrained, retraining, strict=True)):
        yield compare.record("retrain", seed, state, before[seed % seeds], report=report, itself=seed)

    pace: list[float] = []
    for name in in_running_order([name for name in methods if name not in ALWAYS]):
        entry, budget = REGISTRY[name], None
        if entry.budget is not None:
            if not pace:
                reason = f"its budget is in times of {PACEMAKER}, which has no time here."
                yield compare.without_figures(name, reason, failed=False)
                continue
            budget = entry.budget * float(np.median(pace))

        def tell_of(text: str, name: str = name) -> None:
            tell(f"{name}, {text}")

        try:
            for trial in trials(
                entry,
                Context(model, choice.train, setup.split.valid, setup.loss, budget),
                setup.split,
                originals,
                setup.request,
                setup.other,
                own_yardsticks=own_yardsticks,
                tell=tell_of,
            ):
                if name == PACEMAKER:
                    pace.append(trial.report.seconds["total"])
                if name in methods:
                    yield compare.trial(name, trial)
                    before, yardsticks = trial.before or originals[trial.seed], trial.yardsticks
                    if trial.before is None:
                        yardsticks = retrained
                    if len(yardsticks) >= 2:
                        look(Outcome(name, trial.seed, before, trial.after, yardsticks, trial.report))
        except IfruError as error:
            if name in methods:
                yield compare.without_figures(name, str(error), failed=isinstance(error, NumericsError))


def in_running_order(names: Sequence[str]) -> list[str]:
    """The methods, with the pacemaker first where one has a budget, asked for or not."""
    if any(REGISTRY[name].budget is not None for name in names):
        return [PACEMAKER, *(name for name in names if name != PACEMAKER)]
    return list(names)


@dataclass(frozen=True)
class Baseline:
    """A retraining as a baseline of speed: medians of warm seconds and of the best validation AUC."""

    seconds: float
    valid_auc: float

    @classmethod
    def of(cls, reports: Sequence[Report]) -> Baseline:
        seconds = [report.seconds["total"] for report in reports]
        metrics = [report.valid_metric for report in reports if report.valid_metric is not None]
        return cls(float(np.median(seconds)), float(np.median(metrics)))


@dataclass(frozen=True)
class _Comparer:
    """Puts figures, times and configuration of a run into a record."""

    setup: Setup
    pairs: Pairs
    scores: Callable[[Scorer], PairScores]
    before: list[PairScores]
    retrained: list[PairScores]
    baselines: dict[str, Baseline]
    gradient: float

    def record(
        self,
        name: str,
        seed: int,
        model: Scorer,
        original: PairScores,
        *,
        report: Report | None = None,
        extra: dict[str, float | None] | None = None,
        itself: int | None = None,
        method: Method | None = None,
    ) -> dict[str, Any]:
        """The record of a model that serves, measured against the retrained ones; `original` is what it was before the request."""
        found: dict[str, Any] = figures(
            self.scores(model),
            self.pairs,
            original=original,
            originals=self.before,
            retrained=self.retrained,
            itself=itself,
            ranking=self._ranking(model),
        )
        if report is not None:
            total = report.seconds["total"]
            found |= {f"seconds.{part}": value for part, value in report.seconds.items()}
            found |= {f"speedup_vs_{role}": baseline.seconds / total for role, baseline in self.baselines.items()}
            found["gradient_evaluations"] = total / self.gradient
        evidence = {} if report is None else report.as_dict()
        return self._frame(name, seed, method) | {
            "figures": found | (extra or {}),
            "evidence": {name: value for name, value in evidence.items() if name not in ("seconds", "ritz_values")},
        }

    def trial(self, name: str, trial: Trial) -> dict[str, Any]:
        """The record of a method and a seed."""
        original, extra = self.before[trial.seed], dict[str, float | None](trial.figures)
        if trial.before is not None:
            original = self.scores(trial.before)
            extra["auc_before"] = self._auc(original)
            extra |= self._own_figures(self.scores(trial.after), original, [self.scores(one) for one in trial.yardsticks])
        if trial.report.shards:
            extra["shards_retrained"] = float(trial.report.shards_retrained)
        return self.record(name, trial.seed, trial.after, original, report=trial.report, extra=extra, method=trial.method)

    def without_figures(self, name: str, reason: str, *, failed: bool) -> dict[str, Any]:
        """The record of a method that has no meaning here, or that failed; the reason names nobody."""
        return self._frame(name, 0, None) | {"figures": {}, "evidence": {}, "failed" if failed else "not_applicable": reason}

    def _frame(self, name: str, seed: int, method: Method | None) -> dict[str, Any]:
        setup, choice = self.setup, self.setup.params.best
        config = {
            "training": asdict(choice.train) | {"init_std": choice.init_std, "objective": describe_loss(setup.loss)},
            "tuned": setup.params.tuned,
            "baselines": {role: asdict(baseline) for role, baseline in self.baselines.items()},
        }
        if method is not None:
            config["unlearning"] = describe_method(method)
        return {
            "dataset": setup.dataset,
            "model": setup.model,
            "forget": setup.forget,
            "method": name,
            "seed": seed,
            "config": config,
            "environment": environment(),
        }

    def _own_figures(self, after: PairScores, before: PairScores, yardsticks: list[PairScores]) -> dict[str, float | None]:
        """Closeness to the method's own retraining; nothing without yardsticks."""
        if not yardsticks:
            return {}
        test, forgotten = self.pairs.test_survives, self.pairs.forgotten_survives
        on_test = [one.test[test] for one in yardsticks]
        on_forgotten = [one.forgotten[forgotten] for one in yardsticks]
        return {
            "own_gap": fidelity.gap(after.test[test], on_test),
            "own_gap_before": fidelity.gap(before.test[test], on_test),
            "own_forget_gap": fidelity.gap(after.forgotten[forgotten], on_forgotten),
            "own_forget_gap_before": fidelity.gap(before.forgotten[forgotten], on_forgotten),
        }

    def _auc(self, scores: PairScores) -> float | None:
        value = float(auc(scores.test, self.pairs.test_labels, self.pairs.test_survives))
        return None if np.isnan(value) else value

    def _ranking(self, model: Scorer) -> dict[str, float | None]:
        """On the pairs that the other figures use, out of the same candidates for every method: what was in no training data."""
        kept = self.setup.split.test.select(self.pairs.test_survives)
        return ranking_metrics(model.score_grid, self.setup.split.train, kept, k=20)


def gradient_seconds(trained: Trained, *, repeats: int = 7) -> float:
    """Warm seconds of one full-batch gradient of the objective: the unit of cost."""

    def gradient(params, examples, graph):
        return jax.grad(
            lambda p: training_objective(
                trained.model, trained.loss, p, examples, graph, total=trained.total, reg=trained.config.reg
            )
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
        state = RetrainState(original, setup.split.valid, jax.random.key(seed))
        after, report = Retrain(model, config).forget(state, setup.request)
        return after.trained, report

    trained, report = store.get(_key(setup, "retrained", replace(choice, train=config), seed), model, setup.loss, make)
    assert report is not None
    return trained, report


def _key(setup: Setup, role: str, choice: Choice, seed: int) -> dict[str, Any]:
    """What decides a trained model."""
    train, request = setup.split.train, setup.request
    columns = [train.users, train.items, train.labels]
    if role == "retrained":
        columns += [request.pairs, request.users, request.items]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns))
    objective = {} if setup.loss == bce else {"objective": describe_loss(setup.loss)}
    return objective | {
        "dataset": setup.dataset,
        "data": digest.hexdigest(),
        "model": setup.model,
        "role": role,
        "choice": asdict(choice),
        "seed": seed,
        "jax": jax.__version__,
    }


def _baselines(setup: Setup, original: Trained, retraining: list[Report], store: ModelStore, tell: Tell) -> dict[str, Baseline]:
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
        reports: list[Report] = []
        while len(reports) < REPEATS and sum(report.seconds["total"] for report in reports) < ENOUGH_SECONDS:
            reports.append(retrain(setup, original, len(reports), choice=choice, store=store)[1])
        found[name] = Baseline.of(reports)
    return found


def views(setup: Setup, original: Trained, retrained: Trained) -> tuple[Pairs, Callable[[Scorer], PairScores]]:
    """The pairs that are compared, and the scores of a model on them."""
    data = original.interactions
    forgotten = data.select(setup.request.select(data))
    test = setup.split.test

    def scores(state: Scorer) -> PairScores:
        return PairScores(state.score(test.users, test.items), state.score(forgotten.users, forgotten.items))

    return Pairs.of(retrained.interactions, forgotten, test), scores
