"""Minibatch Adam with early stopping on validation data, one compiled call per epoch.

Each step minimises the mean loss of a batch plus (λ₂/2)‖θ‖² on all rows. After every epoch the validation metric is taken on
the device; the parameters of the best epoch are returned. Shapes don't depend on how many interactions remain, so training
and retraining share one compilation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.graph import BipartiteGraph, Examples, IndexPairs, TrainingSet, capacity_of
from ifru_jax.metrics import auc
from ifru_jax.models import Params, Recommender
from ifru_jax.training.objectives import Loss, bce, squared_norm


@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters of training.

    Attributes:
      learning_rate: of Adam.
      batch_size: interactions per step.
      reg: λ₂, the weight of ‖θ‖²/2 beside the mean loss over N interactions.
      epochs: at the most.
      patience: epochs without a better validation metric before training stops.
    """

    learning_rate: float = 1e-3
    batch_size: int = 2048
    reg: float = 1e-5
    epochs: int = 1000
    patience: int = 10

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_size", "epochs", "patience"):
            if not getattr(self, name) > 0:
                raise DataError(f"{name} is {getattr(self, name)}: it must be positive.")
        if not self.reg >= 0:
            raise DataError(f"reg is {self.reg}: the weight of the L2 term can't be negative.")


@dataclass(frozen=True)
class History:
    """How training went.

    Attributes:
      valid_metric: the validation metric after each epoch.
      best_epoch: index of the epoch whose parameters were kept.
      num_steps: optimiser steps taken in all.
      seconds: wall-clock time of each epoch, validation included; the first includes compilation.
    """

    valid_metric: tuple[float, ...]
    best_epoch: int
    num_steps: int
    seconds: tuple[float, ...]


class _State(NamedTuple):
    params: Params
    opt_state: Any
    best_params: Params
    best_metric: jax.Array


def fit_params(
    key: jax.Array,
    model: Recommender,
    train: TrainingSet,
    valid: Interactions,
    config: TrainConfig,
    *,
    loss: Loss = bce,
    total: int | None = None,
    initial: Params | None = None,
    valid_capacity: int | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> tuple[Params, History]:
    """Trains a model.

    Args:
      key: decides initialisation and batches; the same key gives the same parameters.
      model: what to train.
      train: interactions to learn from, at least one.
      valid: interactions for early stopping, with both labels.
      config: hyper-parameters.
      loss: per-interaction loss of (logits, labels).
      total: N of the objective; when D_r is trained in place of D, N = |D| makes both minimise the same objective: the mean
        over |D_r| then goes with λ₂ N / |D_r|. None takes the size of `train`.
      initial: parameters to start from (warm start); None draws them from the key.
      valid_capacity: pairs to pad the validation data to, so that sets of many sizes share a compilation; None takes the next
        power of two.
      on_epoch: called with epoch and validation metric.

    Returns:
      Parameters of the best epoch, and the history.

    Raises:
      DataError: nothing to train on, or a validation set without both labels.
      NumericsError: the validation metric became NaN.
    """
    if len(train) == 0:
        raise DataError("no interaction to train on: loosen the filters or split anew.")
    if len(np.unique(valid.labels > 0.5)) < 2:
        raise DataError(f"the {len(valid)} validation interactions have one label only: early stopping by AUC needs both.")
    if loss is bce and not (train.interactions.labels.min() >= 0 and train.interactions.labels.max() <= 1):
        low, high = train.interactions.labels.min(), train.interactions.labels.max()
        raise DataError(f"labels go from {low:g} to {high:g}, but cross-entropy needs 0 … 1: use binarize or protocol_split.")
    init_key, key = jax.random.split(key)
    sizes = (train.interactions.num_users, train.interactions.num_items)
    params = in_precision(model.init(init_key, *sizes) if initial is None else initial)
    reg = config.reg * (len(train) if total is None else total) / len(train)
    optimiser = optax.adam(config.learning_rate)
    state = _State(params, optimiser.init(params), params, jnp.asarray(-jnp.inf, jnp.result_type(float)))
    valid_examples = _padded(valid, valid_capacity)
    run = partial(_epoch, model, loss, config.batch_size)

    metrics: list[float] = []
    seconds: list[float] = []
    best_epoch = 0
    for epoch in range(config.epochs):
        began = time.perf_counter()
        state, metric = run(
            jax.random.fold_in(key, epoch),
            state,
            train.examples,
            train.graph,
            valid_examples,
            learning_rate=config.learning_rate,
            reg=reg,
            size=len(train),
        )
        metrics.append(float(metric))
        seconds.append(time.perf_counter() - began)
        if not np.isfinite(metrics[-1]):
            raise NumericsError(
                f"validation scores are not finite after epoch {epoch} (metric {metrics[-1]}); "
                f"lower the learning rate ({config.learning_rate})."
            )
        if metrics[-1] > metrics[best_epoch]:
            best_epoch = epoch
        if on_epoch is not None:
            on_epoch(epoch, metrics[-1])
        if epoch - best_epoch >= config.patience:
            break
    steps = -(-len(train) // config.batch_size) * len(metrics)
    return state.best_params, History(tuple(metrics), best_epoch, steps, tuple(seconds))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _epoch(
    model: Recommender,
    loss: Loss,
    batch_size: int,
    key: jax.Array,
    state: _State,
    examples: Examples,
    graph: BipartiteGraph,
    valid: Examples,
    *,
    learning_rate: jax.Array,
    reg: jax.Array,
    size: jax.Array,
) -> tuple[_State, jax.Array]:
    """One pass over `size` shuffled interactions, then the validation metric."""
    optimiser = optax.adam(learning_rate)
    capacity = examples.labels.shape[0]
    # Padding sorts last; the number of batches follows the number of interactions, the shapes don't.
    draw = jax.random.uniform(key, (capacity,))
    order = jnp.argsort(jnp.where(jnp.arange(capacity) < size, draw, jnp.inf))
    order = jnp.concatenate([order, jnp.zeros(batch_size, order.dtype)])

    def batch_loss(params: Params, which: jax.Array, counts: jax.Array) -> jax.Array:
        pairs = IndexPairs(examples.pairs.users[which], examples.pairs.items[which])
        losses = loss(model.score(params, pairs, graph), examples.labels[which])
        return jnp.sum(counts * losses) / jnp.sum(counts) + 0.5 * reg * squared_norm(params)

    def step(i: jax.Array, carry: tuple[Params, Any]) -> tuple[Any, Any]:
        params, opt_state = carry
        which = jax.lax.dynamic_slice(order, (i * batch_size,), (batch_size,))
        counts = (i * batch_size + jnp.arange(batch_size) < size).astype(examples.labels.dtype)
        grads = jax.grad(batch_loss)(params, which, counts)
        updates, opt_state = optimiser.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    num_batches = (size + batch_size - 1) // batch_size
    params, opt_state = jax.lax.fori_loop(0, num_batches, step, (state.params, state.opt_state))
    scores, counted = model.score(params, valid.pairs, graph), valid.weights > 0
    # Infinite scores can be ranked, but a model that gives them has diverged.
    sound = jnp.all(jnp.isfinite(scores) | ~counted)
    metric = jnp.where(sound, auc(scores, valid.labels, counted), jnp.nan)
    better = metric > state.best_metric
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), params, state.best_params)
    return _State(params, opt_state, best, jnp.where(better, metric, state.best_metric)), metric


def in_precision(params: Params) -> Params:
    """Parameters in the precision that is in use: float32, or float64 under `jax_enable_x64`."""
    dtype = jnp.result_type(float)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.asarray(x), params)


def _padded(valid: Interactions, capacity: int | None) -> Examples:
    capacity = capacity_of(len(valid)) if capacity is None else capacity
    if len(valid) > capacity:
        raise DataError(f"{len(valid)} validation interactions don't fit a capacity of {capacity}: raise valid_capacity.")

    def pad(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x, np.zeros(capacity - len(x), x.dtype)])

    dtype = jnp.result_type(float)
    pairs = IndexPairs(jnp.asarray(pad(valid.users)), jnp.asarray(pad(valid.items)))
    return Examples(pairs, jnp.asarray(pad(valid.labels), dtype), jnp.asarray(np.arange(capacity) < len(valid), dtype))
