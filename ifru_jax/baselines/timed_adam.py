"""Adam on minibatches until the time is up: what fine-tuning and gradient ascent have in common.

Every step has the same shapes whatever is learned or forgotten, so that it is compiled once, before any request. The steps depend
on the seed and their number alone; the clock decides only how many there are.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.baselines.trained_method import TrainedMethod
from ifru_jax.data.groups import group_members, leaders_of
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, check_whole
from ifru_jax.graph import Batch, Examples, Graph, IndexPairs
from ifru_jax.models import Params
from ifru_jax.training import Objective, Trained
from ifru_jax.unlearning.clock import Clock, Now
from ifru_jax.unlearning.method import check_model


@dataclass(frozen=True)
class BudgetConfig:
    """How long to optimise.

    Attributes:
      seconds: wall-clock seconds from the request; the step during which they end is the last. None: no limit of time.
      num_steps: steps at the most; with `seconds` None exactly as many, the same on every machine. None: no limit.
      learning_rate: of Adam; None takes that of training.
      batch_size: interactions per step; None takes that of training.
      seed: of the batches.
    """

    seconds: float | None = 1.0
    num_steps: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(self, "num_steps", "batch_size")
        if self.seconds is None and self.num_steps is None:
            raise DataError("seconds and num_steps are both None: give at least one, or the steps never end.")
        for name in ("seconds", "num_steps", "learning_rate", "batch_size"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DataError(f"{name} is {value}: it must be positive, or None.")


@dataclass(frozen=True)
class TimedMethod(TrainedMethod):
    """A `TrainedMethod` with a budget; `now` reads its clock. Subclasses say what is minimised."""

    config: BudgetConfig = BudgetConfig()
    now: Now = time.perf_counter

    def clock(self) -> Clock:
        return Clock(self.now)

    @staticmethod
    def value(objective: Objective, params: Params, batch: Batch, size: jax.Array) -> jax.Array:
        """What is minimised on a batch that was drawn from `size` interactions."""
        raise NotImplementedError

    def prepare(self, trained: Trained, data: Split, key: jax.Array) -> Trained:
        """Compiles the step, so that no request pays for it; the model is the same."""
        check_model(self.model, trained.model)
        self.steps(trained, trained.interactions, trained.training_set.graph, running=lambda taken: taken < 1)
        return trained

    def running(self, clock: Clock) -> Callable[[int], bool]:
        """Whether another step may begin, by the number taken and the seconds since the request."""
        seconds, most = self.config.seconds, self.config.num_steps
        return lambda taken: (most is None or taken < most) and (seconds is None or clock.elapsed() < seconds)

    def steps(self, trained: Trained, data: Interactions, graph: Graph, *, running: Callable[[int], bool]) -> tuple[Params, int]:
        """Parameters after as many steps as `running` (of the number taken) allows on batches of the data, and that number."""
        config = self.config
        rate = trained.config.learning_rate if config.learning_rate is None else config.learning_rate
        size = trained.config.batch_size if config.batch_size is None else config.batch_size
        params, state, taken = trained.params, optax.adam(rate).init(trained.params), 0
        objective, dtype = replace(trained.objective, chunk_size=None), trained.training_set.examples.labels.dtype
        for examples in batches(data, size, grouped=trained.loss.grouped, seed=config.seed, dtype=dtype):
            if not running(taken):
                break
            params, state = adam_step(self.value, objective, params, state, Batch(examples, graph), len(data), rate)
            jax.block_until_ready(params)
            taken += 1
        return params, taken


def batches(data: Interactions, size: int, *, grouped: bool, seed: int, dtype: Any) -> Iterator[Examples]:
    """Minibatches without end, each pass over the data in a new order; the last of a pass is padded with weight 0.

    For a loss that compares the members of a group they are made of whole groups.
    """
    rng = np.random.default_rng(seed)
    members = group_members(leaders_of(data)) if grouped else np.arange(len(data))[:, None]
    width = members.shape[1]
    units = max(1, size // width)
    leaders = np.repeat(np.arange(units, dtype=np.int32) * width, width) if grouped else None
    while True:
        order = rng.permutation(len(members))
        for first in range(0, len(members), units):
            which = members[order[first : first + units]].ravel()
            which = np.concatenate([which, np.full(units * width - len(which), -1)])
            present = which >= 0
            users, items, labels = (np.where(present, column[which], 0) for column in (data.users, data.items, data.labels))
            pairs = IndexPairs(users.astype(np.int32), items.astype(np.int32))  # pyright: ignore[reportArgumentType]
            yield Examples(pairs, labels.astype(dtype), present.astype(dtype), leaders)  # pyright: ignore[reportArgumentType]


@partial(jax.jit, static_argnums=0)
def adam_step(
    value: Callable[..., jax.Array],
    objective: Objective,
    params: Params,
    state: Any,
    batch: Batch,
    size: jax.Array | int,
    learning_rate: jax.Array | float,
) -> tuple[Params, Any]:
    """One step of Adam down `value`; `size` is of the data that the batch was drawn from."""
    gradient = jax.grad(lambda p: value(objective, p, batch, jnp.asarray(size)))(params)
    updates, state = optax.adam(learning_rate).update(gradient, state, params)
    return optax.apply_updates(params, updates), state  # pyright: ignore[reportReturnType]
