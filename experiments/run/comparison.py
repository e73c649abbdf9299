"""One comparison: original, retrained and unlearned models side by side, as records.

Every time is warm, see `experiments.run.trials`. A method that has no meaning for the data, model or request gets one record
without figures that says why.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from experiments.reporting.records import environment
from experiments.run.baselines import Baseline, baselines_of, gradient_seconds, retrain, train_original
from experiments.run.methods import ALWAYS, PACEMAKER, REGISTRY, Context, RegisteredMethod, describe_method
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import Tell
from experiments.run.setup import Setup
from experiments.run.trials import Trial, trials
from experiments.run.yardsticks import Yardsticks
from ifru_jax.errors import IfruError, NumericsError
from ifru_jax.evaluation import PairScores
from ifru_jax.models import Scorer
from ifru_jax.training import Trained
from ifru_jax.training.described_losses import describe_loss
from ifru_jax.unlearning import Method, Report


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
Record = dict[str, Any]


def run(
    setup: Setup,
    methods: Sequence[str],
    seeds: int,
    *,
    store: ModelStore = KEEP_NOTHING,
    own_yardsticks: bool = True,
    tell: Tell = lambda text: None,
    look: Look = lambda outcome: None,
    done: Sequence[Record] = (),
) -> Iterator[Record]:
    """Trains, forgets and yields a record per method and seed.

    Args:
      setup: of `set_up`.
      methods: names; the original and retraining are always among them.
      seeds: K ≥ 1; at least two models are retrained, for the noise between them.
      store: where trained models are kept.
      own_yardsticks: methods with a model of their own are also measured against their own retraining, which costs two trainings
        of that model each.
      tell: called with what is being done.
      look: called with the models behind each record of a method that was asked for and has at least two yardsticks, before it.
      done: all records of methods that are done: by a run of the same setup that was interrupted.
    """
    known = {record["method"] for record in done}
    originals, retrained, retraining = list[Trained](), list[Trained](), list[Report]()
    for seed in range(seeds):
        tell(f"training the original model, seed {seed}")
        originals.append(train_original(setup, seed, store=store))
    tell("compiling retraining")
    retrain(setup, originals[0], seed=0, epochs=1)
    for seed in range(max(seeds, 2)):
        tell(f"retraining without the forgotten data, seed {seed}")
        after, report = retrain(setup, originals[min(seed, seeds - 1)], seed, store=store)
        retrained.append(after)
        retraining.append(report)
    baselines = {"retrain": Baseline.of(retraining)} | baselines_of(setup, originals[0], retraining, store, tell)

    yardsticks = Yardsticks.of(setup, originals, retrained)
    before = yardsticks.originals
    compare = _Comparer(setup, yardsticks, baselines, gradient_seconds(originals[0]))
    for seed, state in enumerate(originals if "original" not in known else ()):
        yield compare.record("original", seed, state, before[seed])
    for seed, (state, report) in enumerate(zip(retrained, retraining, strict=True) if "retrain" not in known else ()):
        yield compare.record("retrain", seed, state, before[seed % seeds], report=report, itself=seed)

    pace = [record["figures"]["seconds.total"] for record in done if record["method"] == PACEMAKER and record["figures"]]
    for name in in_running_order([name for name in methods if name not in ALWAYS]):
        if name in known:
            continue
        entry = REGISTRY[name]
        context = context_of(setup, entry)
        if entry.budget is not None:
            if not pace:
                reason = f"its budget is in times of {PACEMAKER}, which has no time here."
                yield compare.without_figures(name, reason, failed=False)
                continue
            context = replace(context, budget_seconds=entry.budget * float(np.median(pace)))
        try:
            doing: Tell = partial(lambda name, text: tell(f"{name}, {text}"), name)
            answers: list[PairScores] = []
            for trial in trials(entry, context, setup, originals, own_yardsticks=own_yardsticks, tell=doing):
                answers.append(yardsticks.scores(trial.after))
                if name == PACEMAKER:
                    pace.append(trial.report.seconds["total"])
                if name in methods:
                    was, others = (trial.before, trial.yardsticks) if trial.before else (originals[trial.seed], retrained)
                    if len(others) >= 2:
                        look(Outcome(name, trial.seed, was, trial.after, others, trial.report))
                    last = len(answers) == len(originals) and not trial.before
                    yield compare.trial(name, trial, yardsticks.over_seeds(answers) if last else {})
        except IfruError as error:
            if name in methods:
                yield compare.without_figures(name, str(error), failed=isinstance(error, NumericsError))


def context_of(setup: Setup, entry: RegisteredMethod) -> Context:
    """What a method is built from, but for its budget."""
    best, choice = setup.params.best, setup.params.of(entry.tuned_as)
    return Context(setup.build(choice.init_std), choice.train, setup.split.valid, setup.loss, whole_config=best.train)


def times_of(report: Report, baselines: Mapping[str, Baseline], gradient: float) -> dict[str, float | None]:
    """Seconds of a request, what they are a fraction of, and how many full gradients they are worth."""
    total = report.seconds["total"]
    found: dict[str, float | None] = {f"seconds.{part}": value for part, value in report.seconds.items()}
    found |= {f"speedup_vs_{role}": baseline.seconds / total for role, baseline in baselines.items()}
    return found | {"gradient_evaluations": total / gradient}


def in_running_order(names: Sequence[str]) -> list[str]:
    """The methods, with the pacemaker first where one has a budget, asked for or not."""
    if any(REGISTRY[name].budget is not None for name in names):
        return [PACEMAKER, *(name for name in names if name != PACEMAKER)]
    return list(names)


@dataclass(frozen=True)
class _Comparer:
    """Puts figures, times and configuration of a run into a record."""

    setup: Setup
    yardsticks: Yardsticks
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
    ) -> Record:
        """The record of a model that serves, measured against the retrained ones; `original` is what it was before the request."""
        found = self.yardsticks.figures(model, original, itself=itself, ranking=self.yardsticks.ranking(model))
        if report is not None:
            found |= times_of(report, self.baselines, self.gradient)
        evidence = {} if report is None else report.as_dict()
        if evidence.get("solve"):
            del evidence["solve"]["ritz_values"]
        return self._frame(name, seed, method) | {
            "figures": found | (extra or {}),
            "evidence": {name: value for name, value in evidence.items() if name != "seconds"},
        }

    def trial(self, name: str, trial: Trial, over_seeds: dict[str, float | None]) -> Record:
        """The record of a method and a seed; the last of them has the figures over all seeds beside its own."""
        measure, extra = self.yardsticks, dict[str, float | None](trial.figures) | over_seeds
        original = measure.originals[trial.seed]
        if trial.before is not None:
            original = measure.scores(trial.before)
            extra |= measure.own_figures(measure.scores(trial.after), original, [measure.scores(one) for one in trial.yardsticks])
        if trial.report.shards:
            extra["shards_retrained"] = float(trial.report.shards.retrained)
        return self.record(name, trial.seed, trial.after, original, report=trial.report, extra=extra, method=trial.method)

    def without_figures(self, name: str, reason: str, *, failed: bool) -> Record:
        """The record of a method that has no meaning here, or that failed; the reason names nobody."""
        return self._frame(name, 0, None) | {"figures": {}, "evidence": {}, "failed" if failed else "not_applicable": reason}

    def _frame(self, name: str, seed: int, method: Method | None) -> Record:
        setup = self.setup
        choice = setup.params.of(REGISTRY[name].tuned_as if name in REGISTRY else "")
        config = {
            "training": asdict(choice.train) | {"init_std": choice.init_std, "objective": describe_loss(setup.loss)},
            "tuned": setup.params.tuned,
            "baselines": {role: asdict(baseline) for role, baseline in self.baselines.items()},
        }
        if method is not None:
            config["unlearning"] = describe_method(method)
        names = {"dataset": setup.dataset, "model": setup.model, "forget": setup.forget, "method": name, "seed": seed}
        return names | {"config": config, "environment": environment()}
