"""Adam on minibatches until the time is up: what fine-tuning and gradient ascent have in common.

Every step has the same shapes whatever is learned or forgotten, so that it is compiled once, before any request. The steps depend
on the seed and their number alone; the clock decides only how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.graph import BipartiteGraph, Examples, IndexPairs
from ifru_jax.graph.groups import group_members, leaders_of
from ifru_jax.models import Params, Recommender
from ifru_jax.training import Trained
from ifru_jax.training.objectives import Loss, auxiliary_term, squared_norm, weighted_loss
from ifru_jax.unlearning.clock import Now
from ifru_jax.unlearning.trained_method import TrainedMethod


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
        if self.seconds is None and self.num_steps is None:
            raise DataError("seconds and num_steps are both None: give at least one, or the steps never end.")
        for name in ("seconds", "num_steps", "learning_rate", "batch_size"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DataError(f"{name} is {value}: it must be positive, or None.")


@dataclass(frozen=True)
class TimedMethod(TrainedMethod):
    """A `TrainedMethod` with a budget; `now` reads its clock."""

    config: BudgetConfig = BudgetConfig()
    now: Now = time.perf_counter

    def prepare(self, trained: Trained) -> Trained:
        """Compiles the step, so that no request pays for it; the model is the same."""
        self.steps(
            trained, trained.interactions, trained.training_set.graph, ascent=False, reg=0.0, running=lambda taken: taken < 1
        )
        return trained

    def steps(
        self,
        trained: Trained,
        data: Interactions,
        graph: BipartiteGraph,
        *,
        ascent: bool,
        reg: float,
        running: Callable[[int], bool],
    ) -> tuple[Params, int]:
        """Parameters after as many steps as `running` (of the number taken) allows, and that number."""
        rate = trained.config.learning_rate if self.config.learning_rate is None else self.config.learning_rate
        size = trained.config.batch_size if self.config.batch_size is None else self.config.batch_size
        params, state, taken = trained.params, optax.adam(rate).init(trained.params), 0
        dtype = trained.training_set.examples.labels.dtype
        grouped = trained.loss.grouped
        for batch in batches(data, size, grouped=grouped, seed=self.config.seed, dtype=dtype):
            if not running(taken):
                break
            params, state = adam_step(
                trained.model,
                trained.loss,
                params,
                state,
                batch,
                graph,
                learning_rate=rate,
                reg=reg,
                scale=0.0 if ascent else trained.total / len(data),
                sign=-1.0 if ascent else 1.0,
            )
            jax.block_until_ready(params)
            taken += 1
        return params, taken

    def running(self, elapsed: Callable[[], float]) -> Callable[[int], bool]:
        """Whether another step may begin, by the number taken and the seconds `elapsed` since the request."""
        seconds, most = self.config.seconds, self.config.num_steps
        return lambda taken: (most is None or taken < most) and (seconds is None or elapsed() < seconds)


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


@partial(jax.jit, static_argnames=("model", "loss"))
def adam_step(
    model: Recommender,
    loss: Loss,
    params: Params,
    state: Any,
    batch: Examples,
    graph: BipartiteGraph,
    *,
    learning_rate: jax.Array | float,
    reg: jax.Array | float,
    scale: jax.Array | float,
    sign: jax.Array | float,
) -> tuple[Params, Any]:
    """One step of Adam on sign · (mean loss of the batch) + scale · A(θ) + (reg/2)‖θ‖², the objective of training where sign is 1.

    Args:
      scale: of the loss's auxiliary term; N over the number of interactions that are learned.
    """

    def batch_loss(p: Params) -> jax.Array:
        mean = weighted_loss(model, loss, p, batch, graph) / jnp.sum(batch.weights)
        return sign * mean + scale * auxiliary_term(loss, p, graph) + 0.5 * reg * squared_norm(p)

    updates, state = optax.adam(learning_rate).update(jax.grad(batch_loss)(params), state, params)
    return optax.apply_updates(params, updates), state  # pyright: ignore[reportReturnType]
