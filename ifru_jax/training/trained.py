"""A trained model with what later requests need: parameters, the retained interactions, and the terms of its objective.

After a request nothing of the forgotten data is left in it: no interaction, no original id of a user or item without data, no
optimiser state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.graph import BipartiteGraph, GridPairs, IndexPairs, TrainingSet, build_training_set, capacity_of
from ifru_jax.graph.inflow import Propagations
from ifru_jax.models import Params, Recommender
from ifru_jax.models.open_model import propagations_of
from ifru_jax.training.fit import TrainConfig, fit_params
from ifru_jax.training.losses import Loss, LossLike, as_loss, bce


@dataclass(frozen=True, eq=False)
class Recorded:
    """Propagations, with the model, the parameters and the graph that they are of."""

    model: Recommender
    params: Params
    graph: BipartiteGraph
    propagations: Propagations


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained recommender that can forget.

    Attributes:
      model: how parameters become scores.
      params: θ.
      training_set: the interactions it stands for now (D, or D_r after requests), with their graph.
      total: N, interactions it was first trained on; every loss is divided by it, also after deletions.
      config: hyper-parameters of training; `config.reg` is λ₂.
      loss: what its objective sums over the interactions.
      num_steps: optimiser steps that training took.
      damping_scale: |t_min| of the whole problem, from which λ follows; None until `unlearning.prepare` computed it.
      damping_exponent: of the metric that it was computed in.
      recorded: what the model propagates over the graph, for confined requests; None until it is asked for, and once the model,
        its parameters or its graph are others.
    """

    model: Recommender
    params: Params
    training_set: TrainingSet
    total: int
    config: TrainConfig
    loss: Loss = bce
    num_steps: int = 0
    damping_scale: float | None = None
    damping_exponent: float | None = None
    recorded: Recorded | None = None

    def __post_init__(self) -> None:
        known = self.recorded
        if known is None:
            return
        if known.model != self.model or known.params is not self.params or known.graph is not self.training_set.graph:
            # Of another model or an earlier state of it: of no use, and it would hold what was forgotten since.
            object.__setattr__(self, "recorded", None)

    @property
    def propagations(self) -> Propagations | None:
        """What was recorded, if anything was."""
        return None if self.recorded is None else self.recorded.propagations

    def with_propagations(self, propagations: Propagations | None = None) -> Trained:
        """The same with its propagations on record: those given, or those of a pass over the graph."""
        graph = self.training_set.graph
        if propagations is None:
            propagations = propagations_of(self.model, self.params, graph) if self.model.num_hops else Propagations()
        return replace(self, recorded=Recorded(self.model, self.params, graph, propagations))

    @property
    def interactions(self) -> Interactions:
        """The interactions the model stands for, sorted by user and item."""
        return self.training_set.interactions

    def with_params(self, params: Params) -> Trained:
        """The same with other parameters."""
        return replace(self, params=params)

    def score(self, users: npt.ArrayLike, items: npt.ArrayLike) -> np.ndarray:
        """Logits float [n] of user rows int [n] with item rows int [n].

        Raises:
          DataError: arrays of different lengths, or rows outside the tables.
        """
        user_rows, item_rows = np.asarray(users), np.asarray(items)
        data = self.interactions
        for kind, rows, size in (("user", user_rows, data.num_users), ("item", item_rows, data.num_items)):
            if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(rows) != len(user_rows):
                raise DataError(f"{kind} rows have shape {rows.shape}, dtype {rows.dtype}: give one integer per pair.")
            if len(rows) and not 0 <= rows.min() <= rows.max() < size:
                raise DataError(f"{kind} rows reach from {rows.min()} to {rows.max()}: the table has 0 … {size - 1}.")
        padding = capacity_of(len(user_rows)) - len(user_rows)
        pairs = IndexPairs(*(jnp.asarray(np.pad(r, (0, padding)).astype(np.int32)) for r in (user_rows, item_rows)))
        return np.asarray(score_pairs(self.model, self.params, pairs, self.training_set.graph))[: len(user_rows)]

    def score_grid(self, users: npt.ArrayLike) -> jax.Array:
        """Logits float [b, num_items] of user rows int [b] with every item; one compilation per b."""
        grid = GridPairs(jnp.asarray(users), jnp.arange(self.interactions.num_items, dtype=jnp.int32))
        scores = score_pairs(self.model, self.params, grid, self.training_set.graph)
        return scores.reshape(-1, self.interactions.num_items)


def _score(model: Recommender, params: Params, pairs: IndexPairs, graph: BipartiteGraph) -> jax.Array:
    return model.score(params, pairs, graph)


score_pairs = jax.jit(_score, static_argnums=0)
"""`score_pairs(model, params, pairs, graph)`: compiled scores of a list of pairs."""


def training_set_for(
    model: Recommender,
    loss: Loss,
    interactions: Interactions,
    *,
    capacity: int | None = None,
    graph_capacity: int | None = None,
) -> TrainingSet:
    """The interactions with what this model and this loss read of them: a graph, groups, histories.

    Args:
      model, loss: what will be trained.
      interactions, capacity, graph_capacity: see `graph.build_training_set`, and for its errors.
    """
    return build_training_set(
        interactions,
        capacity=capacity,
        graph_capacity=graph_capacity,
        with_graph=model.num_hops > 0,
        with_groups=loss.grouped,
        with_history=getattr(model, "history_length", 0) > 0,
    )


def train(
    key: jax.Array,
    model: Recommender,
    data: Split,
    config: TrainConfig,
    *,
    loss: LossLike = bce,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Trained:
    """Trains on `data.train` from scratch; see `fit_params` for the arguments and errors."""
    loss = as_loss(loss)
    training_set = training_set_for(model, loss, data.train)
    params, history = fit_params(key, model, training_set, data.valid, config, loss=loss, on_epoch=on_epoch)
    return Trained(model, params, training_set, len(data.train), config, loss, history.num_steps)
