"""Minibatch Adam with early stopping on validation data, one compiled call per epoch.

Each step minimises the mean loss of a batch plus (λ₂/2)‖θ‖² on all rows. Losses that compare take batches of whole groups. After
every epoch the validation metric is taken on the device; the parameters of the best epoch are returned. Shapes don't depend on how
many interactions remain, so training and retraining share one compilation.
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
from ifru_jax.graph.groups import group_members, leaders_of
from ifru_jax.graph.training_set import padded_size
from ifru_jax.metrics import auc
from ifru_jax.models import Params, Recommender, check_recommender
from ifru_jax.training.losses import Loss, LossLike, as_loss, bce
from ifru_jax.training.objectives import auxiliary_term, squared_norm, summed_loss
from ifru_jax.training.scores import Scorer


@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters of training.

    Attributes:
      learning_rate: of Adam.
      batch_size: interactions per step; of grouped ones, as many whole groups as fit.
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
      valid_metric: the validation metric after each epoch: AUC over all pairs; for a loss that fixes no level across users, over
        the pairs of one user, and where negatives were sampled for positives, of one group.
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
    loss: LossLike = bce,
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
      loss: one of `losses`, or a function (logits [n], labels [n]) → [n].
      total: N of the objective; when D_r is trained in place of D, N = |D| makes both minimise the same objective: the mean
        over |D_r| then goes with λ₂ N / |D_r|. None takes the size of `train`.
      initial: parameters to start from (warm start); None draws them from the key.
      valid_capacity: pairs to pad the validation data to, so that sets of many sizes share a compilation; None takes the next
        power of two.
      on_epoch: called with epoch and validation metric.

    Returns:
      Parameters of the best epoch, and the history.

    Raises:
      DataError: nothing to train on, a validation set without both labels, or data that the loss can't take.
      ModelError: a model whose scores are not one logit per pair, or not the same each time.
      NumericsError: the validation metric became NaN.
    """
    if len(train) == 0:
        raise DataError("no interaction to train on: loosen the filters or split anew.")
    if len(np.unique(valid.labels > 0.5)) < 2:
        raise DataError(f"the {len(valid)} validation interactions have one label only: early stopping by AUC needs both.")
    loss = as_loss(loss)
    loss.check(train.interactions)
    if not (loss.fixes_levels or (loss.grouped and valid.groups is not None) or _both_labels_of_a_user(valid)):
        raise DataError(
            f"no user has validation interactions of both labels, and {type(loss).__name__} compares the items of one user: keep "
            "interactions of both labels for validation, or sample negatives for the whole split."
        )
    init_key, key = jax.random.split(key)
    sizes = (train.interactions.num_users, train.interactions.num_items)
    params = in_precision(model.init(init_key, *sizes) if initial is None else initial)
    check_recommender(model, params, train.graph)
    # N / |D_r|: what is not divided by the number of interactions grows by as much as the mean over the rest does.
    scale = (len(train) if total is None else total) / len(train)
    optimiser = optax.adam(config.learning_rate)
    state = _State(params, optimiser.init(params), params, jnp.asarray(-jnp.inf, jnp.result_type(float)))
    valid_examples = _padded(valid, valid_capacity, compared=loss.grouped)
    members, count = None, len(train)
    if loss.grouped:
        if train.leaders is None:
            raise DataError("the loss compares the members of a group: build_training_set(…, with_groups=True).")
        members, count = _padded_members(train.leaders)
    group_size = 1 if members is None else members.shape[1]
    units = max(1, config.batch_size // group_size)
    run = partial(_epoch, model, loss, units)

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
            members,
            learning_rate=config.learning_rate,
            reg=config.reg * scale,
            scale=scale,
            size=count,
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
    steps = -(-count // units) * len(metrics)
    return state.best_params, History(tuple(metrics), best_epoch, steps, tuple(seconds))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _epoch(
    model: Recommender,
    loss: Loss,
    units: int,
    key: jax.Array,
    state: _State,
    examples: Examples,
    graph: BipartiteGraph,
    valid: Examples,
    members: jax.Array | None,
    *,
    learning_rate: jax.Array,
    reg: jax.Array,
    scale: jax.Array,
    size: jax.Array,
) -> tuple[_State, jax.Array]:
    """One pass over `size` shuffled units (interactions, or the groups of `members` [g, s]), then the validation metric."""
    optimiser = optax.adam(learning_rate)
    capacity = examples.labels.shape[0] if members is None else members.shape[0]
    # Padding sorts last; the number of batches follows the number of interactions, the shapes don't.
    draw = jax.random.uniform(key, (capacity,))
    order = jnp.argsort(jnp.where(jnp.arange(capacity) < size, draw, jnp.inf))
    order = jnp.concatenate([order, jnp.zeros(units, order.dtype)])

    def batch(i: jax.Array) -> Examples:
        which = jax.lax.dynamic_slice(order, (i * units,), (units,))
        present, leaders = i * units + jnp.arange(units) < size, None
        if members is not None:
            group_size = members.shape[1]
            which, present = members[which].reshape(-1), jnp.repeat(present, group_size)
            present &= which >= 0
            which = jnp.maximum(which, 0)
            leaders = jnp.repeat(jnp.arange(units) * group_size, group_size)
        pairs = IndexPairs(examples.pairs.users[which], examples.pairs.items[which])
        return Examples(pairs, examples.labels[which], present.astype(examples.labels.dtype), leaders)

    def batch_loss(params: Params, chosen: Examples) -> jax.Array:
        losses = summed_loss(loss, loss.outputs(Scorer(model, params, graph), chosen), chosen)
        beside = scale * auxiliary_term(loss, params, graph) + 0.5 * reg * squared_norm(params)
        return losses / jnp.sum(chosen.weights) + beside

    def step(i: jax.Array, carry: tuple[Params, Any]) -> tuple[Any, Any]:
        params, opt_state = carry
        grads = jax.grad(batch_loss)(params, batch(i))
        updates, opt_state = optimiser.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    num_batches = (size + units - 1) // units
    params, opt_state = jax.lax.fori_loop(0, num_batches, step, (state.params, state.opt_state))
    scores, counted = model.score(params, valid.pairs, graph), valid.weights > 0
    # Infinite scores can be ranked, but a model that gives them has diverged.
    sound = jnp.all(jnp.isfinite(scores) | ~counted)
    if valid.leaders is None:
        found = auc(scores, valid.labels, counted, within=None if loss.fixes_levels else valid.pairs.users)
    else:
        found = _pairs_in_order(scores, valid)
    metric = jnp.where(sound, found, jnp.nan)
    better = metric > state.best_metric
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), params, state.best_params)
    return _State(params, opt_state, best, jnp.where(better, metric, state.best_metric)), metric


def _pairs_in_order(scores: jax.Array, valid: Examples) -> jax.Array:
    """Share of the pairs of a leader with another member in which the positive scores higher, ties counting one half."""
    positive, leaders = valid.labels > 0.5, valid.leaders
    margin = scores[leaders] - scores
    margin = jnp.where(positive[leaders], margin, -margin)
    counts = jnp.where(positive != positive[leaders], valid.weights, 0)
    return jnp.sum(counts * (0.5 + 0.5 * jnp.sign(margin))) / jnp.sum(counts)


def in_precision(params: Params) -> Params:
    """Parameters in the precision that is in use: float32, or float64 under `jax_enable_x64`."""
    dtype = jnp.result_type(float)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.asarray(x), params)


def _both_labels_of_a_user(valid: Interactions) -> bool:
    positive = valid.labels > 0.5
    return len(np.intersect1d(valid.users[positive], valid.users[~positive])) > 0


def _padded(valid: Interactions, capacity: int | None, *, compared: bool) -> Examples:
    capacity = capacity_of(len(valid)) if capacity is None else capacity
    if len(valid) > capacity:
        raise DataError(f"{len(valid)} validation interactions don't fit a capacity of {capacity}: raise valid_capacity.")

    def pad(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x, np.zeros(capacity - len(x), x.dtype)])

    dtype = jnp.result_type(float)
    leaders = None
    if compared and valid.groups is not None:
        leaders = np.arange(capacity, dtype=np.int32)
        leaders[: len(valid)] = leaders_of(valid)
        if not np.any(valid.labels[leaders[: len(valid)]] != valid.labels):
            raise DataError("no validation group has a positive and a negative: sample negatives for the whole split.")
    pairs = IndexPairs(jnp.asarray(pad(valid.users)), jnp.asarray(pad(valid.items)))
    weights = jnp.asarray(np.arange(capacity) < len(valid), dtype)
    return Examples(pairs, jnp.asarray(pad(valid.labels), dtype), weights, None if leaders is None else jnp.asarray(leaders))


def _padded_members(leaders: np.ndarray) -> tuple[jax.Array, int]:
    """The members of all groups, int32 [g, s], padded so that a deletion keeps the shape; and how many groups there are."""
    members = group_members(leaders)
    padding = padded_size(len(members)) - len(members)
    return jnp.asarray(np.pad(members, ((0, padding), (0, 0)), constant_values=-1)), len(members)
