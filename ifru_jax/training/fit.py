"""Minibatch Adam with early stopping on validation data, one compiled call per epoch; without such data, for a number of epochs.

Each step minimises the mean loss of a batch plus (λ₂/2)‖θ‖² on all rows. Losses that compare take batches of whole groups. After
every epoch the validation metric is taken on the device; the parameters of the best epoch are returned. Shapes don't depend on how
many interactions remain, so training and retraining share one compilation.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.groups import group_members
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError, check_whole
from ifru_jax.graph import Batch, Examples, TrainingSet
from ifru_jax.graph.training_set import padded_size
from ifru_jax.models import Params, check_recommender
from ifru_jax.pytree import pytree
from ifru_jax.sparse import on_device
from ifru_jax.training.adam import ADAM, ROW_ADAM, Optimiser
from ifru_jax.training.losses import Loss, check_labels
from ifru_jax.training.objective import Objective
from ifru_jax.training.over_mesh import drawn, filled_up
from ifru_jax.training.record import NUM_SEGMENTS, Boundary, Record, Recorder, Recording
from ifru_jax.training.row_adam import check_rows_alone
from ifru_jax.training.validation import both_labels, valid_metric, validation_pairs

MOST_EPOCHS = 1000


@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters of training.

    Attributes:
      learning_rate: of Adam.
      batch_size: interactions per step at the most; of grouped ones, as many whole groups as fit. An epoch has as few steps as it
        can, and their batches differ by one interaction or group at the most.
      reg: λ₂, the weight of ‖θ‖²/2 beside the mean loss over N interactions.
      epochs: at the most; None stands for 1,000. Without validation data all of them are run, and it has to be given.
      patience: epochs without a better validation metric before training stops.
      record: segments of the training that are recorded, for requests that follow it. 0 records nothing, and requests then read
        all they know of the training off its end.
      sparse: a step moves the rows of its batch alone (`training.row_adam`), for tables much larger than a batch; for models whose
        scores depend on the rows of their pair.
    """

    learning_rate: float = 1e-3
    batch_size: int = 2048
    reg: float = 1e-5
    epochs: int | None = None
    patience: int = 10
    record: int = NUM_SEGMENTS
    sparse: bool = False

    @property
    def optimiser(self) -> Optimiser:
        """How parameters move."""
        return ROW_ADAM if self.sparse else ADAM

    @property
    def most_epochs(self) -> int:
        """Epochs at the most."""
        return MOST_EPOCHS if self.epochs is None else self.epochs

    @classmethod
    def of_file(cls, described: Mapping[str, Any]) -> Self:
        """From the fields in a file; null for `record`, as older files have it, was as many segments as the default is."""
        return cls(**{name: value for name, value in described.items() if (name, value) != ("record", None)})

    @property
    def unrecorded(self) -> Self:
        """The same without a record, for a model that no request will come to."""
        return replace(self, record=0)

    def __post_init__(self) -> None:
        check_whole(self, "batch_size", "epochs", "patience", "record")
        for name in ("learning_rate", "batch_size", "epochs", "patience"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise DataError(f"{name} is {getattr(self, name)}: it must be positive.")
        if self.record is None or isinstance(self.record, bool) or self.record < 0:
            raise DataError(f"record is {self.record}: give the number of segments, or 0 to record nothing.")
        if not self.reg >= 0:
            raise DataError(f"reg is {self.reg}: the weight of the L2 term can't be negative.")


@dataclass(frozen=True)
class History:
    """How training went.

    Attributes:
      valid_metric: the validation metric after each epoch: AUC over all pairs; for a loss that fixes no level across users, over
        the pairs of one user, and where negatives were sampled for positives, of one group. Empty without validation data.
      best_epoch: index of the epoch whose parameters were kept; without validation data the last.
      num_steps: optimiser steps taken in all.
      seconds: wall-clock time of each epoch, validation included; the first includes compilation.
      record: of the training up to the best epoch; None if nothing was recorded.
    """

    valid_metric: tuple[float, ...]
    best_epoch: int
    num_steps: int
    seconds: tuple[float, ...]
    record: Record | None = None


class _State(NamedTuple):
    params: Params
    opt_state: Any
    best_params: Params
    best_metric: jax.Array
    best_sums: tuple[Params, Params] | None = None

    @property
    def sums(self) -> tuple[Params, Params] | None:
        """What a recording optimiser has accumulated."""
        return (self.opt_state.applied, self.opt_state.size) if isinstance(self.opt_state, Recording) else None


@pytree
class _Passes:
    """What an epoch passes over.

    Attributes:
      train: D and its graph.
      valid: the validation pairs; None if there are none.
      members: int32 [g, s], the members of each group, for a loss that compares; else None.
      size: units there are, interactions or groups; shapes hold more.
      units: in a minibatch at the most.
    """

    train: Batch
    valid: Examples | None
    members: jax.Array | None
    size: int
    units: int = field(metadata={"static": True})

    @property
    def per_epoch(self) -> int:
        """Minibatches of an epoch, which differ in size by one unit at the most."""
        return -(-self.size // self.units)


def fit_params(
    key: jax.Array,
    objective: Objective,
    train: TrainingSet,
    valid: Interactions,
    config: TrainConfig,
    *,
    initial: Params | None = None,
    valid_capacity: int | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> tuple[Params, History]:
    """Trains a model.

    Args:
      key: decides initialisation and batches; the same key gives the same parameters.
      objective: what to minimise. Its N may be that of a larger set, |D| where D_r is trained: the mean over |D_r| then goes with
        λ₂ N / |D_r|, so that both trainings minimise sums that are divided by the same N.
      train: interactions to learn from, at least one.
      valid: interactions for early stopping, with both labels; where there are none, all epochs are run.
      config: hyper-parameters; λ₂ is the objective's.
      initial: parameters to start from (warm start); None draws them from the key.
      valid_capacity: pairs to pad the validation data to, so that sets of many sizes share a compilation; None takes the next
        power of two.
      on_epoch: called with epoch and validation metric, NaN without validation data.

    Returns:
      Parameters of the best epoch, without validation data of the last, and the history.

    Raises:
      DataError: nothing to train on, a validation set without both labels, none and no number of epochs either, or data that the
        loss can't take.
      ModelError: a model whose scores are not one logit per pair, or not the same each time.
      NumericsError: the validation metric, or without validation data a parameter, became NaN.
    """
    model, loss = objective.model, objective.loss
    _check(loss, train, valid, config)
    init_key, key = jax.random.split(key)
    params = in_precision(drawn(model, init_key, train) if initial is None else filled_up(initial, model.tables, train))
    if train.mesh is None:
        check_recommender(model, params, train.graph)
    if config.sparse:
        check_rows_alone(objective, params, train.graph)
    optimiser, num_segments = config.optimiser, config.record
    opt_state = optimiser.init(params, (train.placed.num_rows, train.placed.num_cols), num_segments > 0)
    state = _State(params, opt_state, params, jnp.asarray(-jnp.inf, jnp.result_type(float)))
    pairs = validation_pairs(valid, valid_capacity, compared=loss.grouped, mesh=train.mesh) if valid.total else None
    passes = _passes(loss, train, pairs, config.batch_size)
    per_epoch = passes.per_epoch
    state, recorder = state._replace(best_sums=state.sums), Recorder(num_segments, per_epoch)
    if state.sums:
        recorder.add(Boundary(0, params, *state.sums))
    # A minibatch is small whatever the model.
    objective = replace(objective, chunk_size=None)

    metrics: list[float] = []
    seconds: list[float] = []
    best_epoch = 0
    for epoch in range(config.most_epochs):
        began = time.perf_counter()
        order, at, shown = _order(jax.random.fold_in(key, epoch), passes), 0, state
        for stop in recorder.stops(epoch):
            moving = state.params, state.opt_state
            moving = _steps(optimiser, objective, moving, passes, order, (at, stop), len(train), config.learning_rate)
            state = state._replace(params=moving[0], opt_state=moving[1])
            settled = optimiser.settled(objective, moving, config.learning_rate)
            shown = state._replace(params=settled[0], opt_state=settled[1])
            if shown.sums:
                recorder.add(Boundary(epoch * per_epoch + stop, shown.params, *shown.sums))
            at = stop
        shown, metric = _latest(shown, epoch) if passes.valid is None else _judged(objective, shown, passes)
        state = shown._replace(params=state.params, opt_state=state.opt_state)
        metrics.append(float(metric))
        seconds.append(time.perf_counter() - began)
        if not np.isfinite(metrics[-1]):
            found = "parameters" if passes.valid is None else "validation scores"
            raise NumericsError(f"{found} are not finite after epoch {epoch}; lower the learning rate ({config.learning_rate}).")
        if metrics[-1] > metrics[best_epoch]:
            best_epoch = epoch
        if best_epoch == epoch:
            recorder.best_so_far()
        if on_epoch is not None:
            on_epoch(epoch, metrics[-1] if passes.valid is not None else math.nan)
        if epoch - best_epoch >= config.patience:
            break
    steps = per_epoch * len(metrics)
    record = None
    if state.best_sums:
        segments = recorder.segments_to(Boundary((best_epoch + 1) * per_epoch, state.best_params, *state.best_sums))
        kept = valid if loss.grouped else replace(valid, groups=None)
        record = Record(segments, passes.units * len(train) / passes.size, kept, mesh=train.mesh)
    return state.best_params, History(() if passes.valid is None else tuple(metrics), best_epoch, steps, tuple(seconds), record)


def _check(loss: Loss, train: TrainingSet, valid: Interactions, config: TrainConfig) -> None:
    if len(train) == 0:
        raise DataError("no interaction to train on: loosen the filters or split anew.")
    check_labels(loss, train.interactions)
    if loss.grouped and train.leaders is None:
        raise DataError("the loss compares the members of a group: build_training_set(…, with_groups=True).")
    there = valid.total
    if not there:
        if config.epochs is None:
            raise DataError(
                "there is no validation interaction to stop the training by: say how long to train, TrainConfig(epochs=…), or keep "
                "some for validation."
            )
        return
    if not both_labels(valid, compared=False):
        raise DataError(
            f"the {there} validation interactions have one label only: early stopping by AUC needs both. Without any, "
            "training runs for TrainConfig(epochs=…)."
        )
    positive = valid.labels > 0.5
    compared = valid.added_up(np.array(len(np.intersect1d(valid.users[positive], valid.users[~positive])))) > 0
    if not (loss.fixes_levels or compared or (loss.grouped and valid.groups is not None)):
        raise DataError(
            f"no user has validation interactions of both labels, and {type(loss).__name__} compares the items of one user: keep "
            "interactions of both labels for validation, or sample negatives for the whole split."
        )


def _passes(loss: Loss, train: TrainingSet, valid: Examples | None, batch_size: int) -> _Passes:
    if not loss.grouped:
        return _Passes(train.batch, valid, None, len(train), max(1, batch_size))
    assert train.leaders is not None
    members = group_members(train.leaders)
    # Padded so that a deletion keeps the shape.
    room = np.pad(members, ((0, padded_size(len(members)) - len(members)), (0, 0)), constant_values=-1)
    return _Passes(train.batch, valid, on_device(room), len(members), max(1, batch_size // members.shape[1]))


@jax.jit
def _order(key: jax.Array, passes: _Passes) -> jax.Array:
    """The units of an epoch, shuffled, with room behind them for a batch that is not full."""
    capacity = passes.train.examples.labels.shape[0] if passes.members is None else passes.members.shape[0]
    # Padding sorts last; the number of batches follows the number of interactions, the shapes don't.
    draw = jax.random.uniform(key, (capacity,))
    order = jnp.argsort(jnp.where(jnp.arange(capacity) < passes.size, draw, jnp.inf))
    return jnp.concatenate([order, jnp.zeros(passes.units, order.dtype)])


@partial(jax.jit, static_argnums=0)
def _steps(
    optimiser: Optimiser,
    objective: Objective,
    moving: tuple[Params, Any],
    passes: _Passes,
    order: jax.Array,
    span: tuple[jax.Array, jax.Array],
    size: jax.Array,
    learning_rate: jax.Array,
) -> tuple[Params, Any]:
    """Minibatches `span[0]` … `span[1]` − 1 of an epoch over |D| = `size` interactions."""
    examples, graph, members, units = passes.train.examples, passes.train.graph, passes.members, passes.units
    # A last batch of what is left over would scatter far, and Adam would go slower for it all along.
    least, more = jnp.divmod(passes.size, passes.per_epoch)

    def batch(i: jax.Array) -> Batch:
        which = jax.lax.dynamic_slice(order, (i * least + jnp.minimum(i, more),), (units,))
        present, leaders = jnp.arange(units) < least + jnp.where(i < more, 1, 0), None
        if members is not None:
            group_size = members.shape[1]
            which, present = members[which].reshape(-1), jnp.repeat(present, group_size)
            present &= which >= 0
            which = jnp.maximum(which, 0)
            leaders = jnp.repeat(jnp.arange(units) * group_size, group_size)
        pairs, labels = examples.at(which)
        return Batch(Examples(pairs, labels, present.astype(examples.labels.dtype), leaders), graph)

    def step(i: jax.Array, carry: tuple[Params, Any]) -> tuple[Params, Any]:
        return optimiser.step(objective, carry, batch(i), size, learning_rate)

    return jax.lax.fori_loop(*span, step, moving)


@jax.jit
def _judged(objective: Objective, state: _State, passes: _Passes) -> tuple[_State, jax.Array]:
    """The state with the best parameters so far, and the validation metric of the present ones."""
    assert passes.valid is not None
    metric = valid_metric(objective, state.params, Batch(passes.valid, passes.train.graph))
    better = metric > state.best_metric
    best = (state.params, metric, state.sums), (state.best_params, state.best_metric, state.best_sums)
    best_params, best_metric, best_sums = jax.tree.map(lambda new, old: jnp.where(better, new, old), *best)
    return state._replace(best_params=best_params, best_metric=best_metric, best_sums=best_sums), metric


@jax.jit
def _latest(state: _State, epoch: int) -> tuple[_State, jax.Array]:
    """The state whose best parameters are the present ones, and a metric that says so; NaN once one of them is not finite."""
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state.params)]))
    return state._replace(best_params=state.params, best_sums=state.sums), jnp.where(finite, epoch, jnp.nan)


def in_precision(params: Params) -> Params:
    """Parameters in the precision that is in use: float32, or float64 under `jax_enable_x64`."""
    dtype = jnp.result_type(float)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.asarray(x), params)
