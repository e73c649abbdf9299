"""One method on all seeds: its state before the request, the request with a clock, and the model after it.

A method that starts from the trained original first forgets a *different* request of the same size, whose time with all compilation
is `seconds.first_call`; one that trains is compiled by one epoch. A method with a model of its own (shards) is trained before the
request, which is `seconds.fit`, and has yardsticks of its own: two models that it trains from scratch without the forgotten data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from experiments.methods import Context, Entry
from ifru_jax.data import ForgetRequest, Split
from ifru_jax.training import Trained
from ifru_jax.unlearning import Method, Report, RetrainState
from ifru_jax.unlearning.retrain import surviving

# Warm repetitions of a forgetting and of a baseline; of both the median counts.
REPEATS = 3
# What has run this long is not repeated: over so long the machine's noise averages out by itself.
ENOUGH_SECONDS = 10.0
# Keys that neither originals (the seed itself) nor retrained models (their own fold) have.
WARM_FOLD, YARDSTICK_FOLD = 0x3A27, 0x0DD5


class Scorer(Protocol):
    """A model that serves, whatever its state is; `Trained` is one."""

    def score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Logits float [n] of n pairs of rows."""
        ...

    def score_grid(self, users: np.ndarray) -> ArrayLike:
        """Logits float [b, num_items] of b users with every item."""
        ...


@dataclass(frozen=True, eq=False)
class Served:
    """A method with a state, as a `Scorer`. A full ranking goes through `score_grid` where the method or its state has one."""

    method: Method
    state: Any
    num_items: int

    def score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.method.score(self.state, users, items)

    def score_grid(self, users: np.ndarray) -> ArrayLike:
        of_method: Callable[..., jax.Array] | None = getattr(self.method, "score_grid", None)
        if of_method is not None:
            return of_method(self.state, users)
        if isinstance(self.state, Trained):
            return self.state.score_grid(users)
        items = np.tile(np.arange(self.num_items, dtype=np.int32), len(users))
        return jnp.asarray(self.score(np.repeat(users, self.num_items), items)).reshape(len(users), self.num_items)


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
    entry: Entry,
    context: Context,
    split: Split,
    originals: Sequence[Trained],
    request: ForgetRequest,
    other: ForgetRequest,
    *,
    own_yardsticks: bool,
    tell: Callable[[str], None],
) -> Iterator[Trial]:
    """Runs a method on every original.

    Args:
      entry, context: the method.
      split: what the originals were trained on.
      originals: one per seed.
      request: what is forgotten; other: the request to compile with.
      own_yardsticks: trains two models more for a method with a model of its own.
      tell: called with what is being done.

    Raises:
      IfruError: the method can't do it here; the message says why.
    """
    method = entry.build(context)
    num_items = split.train.num_items
    # Each method compiles for itself, whatever ran before it.
    jax.clear_caches()
    cold: dict[str, float] = {}
    if entry.start == "trained":
        began = time.perf_counter()
        method.forget(_prepared(method, originals[0]), other)
        cold = {"seconds.first_call": time.perf_counter() - began}
    elif entry.start == "retraining":
        short = entry.build(replace(context, train_config=replace(context.train_config, epochs=1)))
        short.forget(_state(entry, short, split, originals[0], 0), other)
    yardsticks: list[Scorer] = []
    if entry.start == "own" and own_yardsticks:
        tell("training its own yardsticks")
        yardsticks = _yardsticks(entry, context, split, request)
    for seed, original in enumerate(originals):
        tell(f"seed {seed}")
        began = time.perf_counter()
        state = _state(entry, method, split, original, seed)
        taken = time.perf_counter() - began
        done = [method.forget(state, request)]
        while len(done) < REPEATS and sum(report.seconds["total"] for _, report in done) < ENOUGH_SECONDS:
            done.append(method.forget(state, request))
        after, report = sorted(done, key=lambda one: one[1].seconds["total"])[len(done) // 2]
        own = entry.start == "own"
        times = {} if entry.start == "retraining" else {"seconds.fit" if own else "seconds.prepare": taken}
        before = Served(method, state, num_items) if own else None
        yield Trial(seed, method, Served(method, after, num_items), report, cold | times, before, yardsticks)


def _state(entry: Entry, method: Method, split: Split, original: Trained, seed: int) -> Any:
    key = jax.random.key(seed)
    if entry.start == "own":
        return method.fit(key, split)
    if entry.start == "retraining":
        return RetrainState(original, split.valid, jax.random.fold_in(key, WARM_FOLD))
    return _prepared(method, original)


def _prepared(method: Method, original: Trained) -> Any:
    prepare: Callable[[Trained], Trained] | None = getattr(method, "prepare", None)
    return original if prepare is None else prepare(original)


def _yardsticks(entry: Entry, context: Context, split: Split, request: ForgetRequest) -> list[Scorer]:
    """Two models of the method, trained from scratch on the retained data to the same objective."""
    retained = request.applied(split.train)
    ratio = len(split.train) / len(retained)
    configs = {"train_config": context.train_config, "whole_config": context.whole_config}
    heavier = {name: replace(config, reg=config.reg * ratio) for name, config in configs.items() if config is not None}
    method = entry.build(replace(context, **heavier))
    data = replace(split, train=retained, valid=surviving(split.valid, retained))
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), YARDSTICK_FOLD))
    return [Served(method, method.fit(key, data), retained.num_items) for key in keys]
