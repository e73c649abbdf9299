"""One method on all seeds: its state before the request, the request with a clock, and the model after it.

A method that starts from the trained original first forgets a *different* request of the same size, whose time with all compilation
is `seconds.first_call`; one that trains is compiled by one epoch. A method with a model of its own (shards) is trained before the
request, which is `seconds.fit`, and has yardsticks of its own: two models that it trains from scratch without the forgotten data.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jax

from experiments.run.methods import Context, RegisteredMethod
from experiments.run.setup import Setup
from ifru_jax.data import Split
from ifru_jax.models import Scorer
from ifru_jax.training import Trained
from ifru_jax.training.validation import surviving
from ifru_jax.unlearning import Method, Report

# Warm repetitions of a forgetting and of a baseline; of both the median counts.
REPEATS = 3
# What has run this long is not repeated: over so long the machine's noise averages out by itself.
ENOUGH_SECONDS = 10.0
# Keys that neither originals (the seed itself) nor retrained models (their own fold) have.
WARM_FOLD, YARDSTICK_FOLD = 0x3A27, 0x0DD5
State = TypeVar("State")


@dataclass(frozen=True, eq=False)
class Trial:
    """What one method did with one seed.

    Attributes:
      seed: of original and method.
      method: as it was built.
      after: the model that serves after the request.
      report: of the request.
      figures: times outside of the report.
      before: the method's own model before the request; None if that is the original.
      yardsticks: the method's own models of the retained data; empty if those are the retrained ones, or were not asked for.
    """

    seed: int
    method: Method
    after: Scorer
    report: Report
    figures: dict[str, float]
    before: Scorer | None = None
    yardsticks: Sequence[Scorer] = ()


def trials(
    entry: RegisteredMethod,
    context: Context,
    setup: Setup,
    originals: Sequence[Trained],
    *,
    own_yardsticks: bool,
    tell: Callable[[str], None],
) -> Iterator[Trial]:
    """Runs a method on every original.

    Args:
      entry, context: the method.
      setup: the comparison: data, what is forgotten, and the request to compile with.
      originals: one per seed.
      own_yardsticks: trains two models more for a method with a model of its own.
      tell: called with what is being done.

    Raises:
      IfruError: the method can't do it here; the message says why.
    """
    method, split, own = entry.build(context), setup.split, entry.start == "own"
    # Each method compiles for itself, whatever ran before it.
    jax.clear_caches()
    cold: dict[str, float] = {}
    if entry.start == "trained":
        began = time.perf_counter()
        method.forget(_state(entry, method, split, originals[0], 0), setup.other)
        cold = {"seconds.first_call": time.perf_counter() - began}
    elif entry.start == "retraining":
        short = entry.build(replace(context, train_config=replace(context.train_config, epochs=1)))
        short.forget(_state(entry, short, split, originals[0], 0), setup.other)
    yardsticks: list[Scorer] = []
    if own and own_yardsticks:
        tell("training its own yardsticks")
        yardsticks = _yardsticks(entry, context, setup)
    for seed, original in enumerate(originals):
        tell(f"seed {seed}")
        began = time.perf_counter()
        state = _state(entry, method, split, original, seed)
        taken = time.perf_counter() - began
        done = repeatedly(lambda state=state: method.forget(state, setup.request))
        after, report = sorted(done, key=lambda one: one[1].seconds["total"])[len(done) // 2]
        times = {} if entry.start == "retraining" else {"seconds.fit" if own else "seconds.prepare": taken}
        before = method.served(state) if own else None
        yield Trial(seed, method, method.served(after), report, cold | times, before, yardsticks)


def seconds_of(run: Callable[[], Any]) -> float:
    """Calls `run` once; compiled code is waited for."""
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def repeatedly(run: Callable[[], tuple[State, Report]]) -> list[tuple[State, Report]]:
    """Runs once, and again while that is short; each brings a report of its time."""
    done = [run()]
    while len(done) < REPEATS and sum(report.seconds["total"] for _, report in done) < ENOUGH_SECONDS:
        done.append(run())
    return done


def _state(entry: RegisteredMethod, method: Any, split: Split, original: Trained, seed: int) -> Any:
    key = jax.random.key(seed)
    if entry.start == "own":
        return method.fit(key, split)
    return method.prepare(original, split, jax.random.fold_in(key, WARM_FOLD))


def _yardsticks(entry: RegisteredMethod, context: Context, setup: Setup) -> list[Scorer]:
    """Two models of the method, trained from scratch on the retained data to the same objective."""
    split = setup.split
    retained = setup.request.applied(split.train)
    ratio = len(split.train) / len(retained)
    configs = {"train_config": context.train_config, "whole_config": context.whole_config}
    heavier = {name: replace(config, reg=config.reg * ratio) for name, config in configs.items() if config is not None}
    method = entry.build(replace(context, **heavier))
    data = replace(split, train=retained, valid=surviving(split.valid, retained))
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), YARDSTICK_FOLD))
    return [method.served(method.fit(key, data)) for key in keys]
