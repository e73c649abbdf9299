"""Submodels on disjoint shards of the data: a request retrains those that it touches, and no other.

Shard s is trained with key k_s = fold_in(key, s) on its own interactions, on its own graph, and stopped by the validation
interactions of its own users and items. All of this depends on nothing outside the shard, so that after a request every shard is,
bit for bit, what training it from scratch without the forgotten rows gives, and the order of requests doesn't matter.
Its objective is a sum divided by the N_s it was first trained on, as everywhere in ifru_jax.

A user or an item without an interaction in a shard has a row of zeros there. All shards are padded to one size: one compilation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.graph.training_set import padded_size
from ifru_jax.models import Recommender
from ifru_jax.training import Loss, TrainConfig, Trained, fit_params, training_set_for
from ifru_jax.unlearning.clear_rows import clear_rows
from ifru_jax.unlearning.retrain import surviving

# Validation pairs of shards are padded to a multiple of this: they are scored after every epoch, so a power of two costs too much.
STEP = 1024


@dataclass(frozen=True, eq=False)
class Shards:
    """K submodels and what training them again takes.

    Attributes:
      interactions: the n retained ones, in the order of the training data.
      assignment: int32 [n], the shard of each; what remains never changes its shard.
      models: K of them, each with the interactions of its shard, which carry no original ids.
      valid: for early stopping; no original ids.
      key: of `fit`.
      capacities: interactions, edges and validation pairs that shards are padded to.
    """

    interactions: Interactions
    assignment: np.ndarray
    models: tuple[Trained, ...]
    valid: Interactions
    key: jax.Array
    capacities: tuple[int, int, int]

    def known(self, side: str) -> np.ndarray:
        """bool [K, rows]: whether a shard has an interaction of a user ("user") or an item ("item")."""
        place = 0 if side == "user" else 1
        return ~np.stack([shard.training_set.without_data[place] for shard in self.models])


def fit_shards(
    key: jax.Array, model: Recommender, data: Split, assignment: np.ndarray, config: TrainConfig, *, loss: Loss, num_shards: int
) -> Shards:
    """Trains K submodels.

    Args:
      key: see above.
      model: what each shard trains.
      data: `data.train` is partitioned, `data.valid` stops the training.
      assignment: int [n], the shard of each training interaction.
      config, loss: of every shard.
      num_shards: K.

    Raises:
      DataError: a shard whose users and items have validation interactions of one label only.
    """
    train, valid = data.train, replace(data.valid, user_ids=None, item_ids=None)
    sizes = [int((assignment == s).sum()) for s in range(num_shards)]
    edges = [int((train.labels[assignment == s] > 0.5).sum()) for s in range(num_shards)]
    capacity = padded_size(max(sizes))
    # What a shard knows only shrinks, and so does its share of the validation data.
    stopping = max(len(surviving(valid, train.select(assignment == s))) for s in range(num_shards))
    capacities = (capacity, min(capacity, padded_size(max(edges) if model.num_hops else 0)), -(-stopping // STEP) * STEP)
    models = tuple(
        train_shard(
            jax.random.fold_in(key, s),
            model,
            train.select(assignment == s),
            valid,
            config,
            loss=loss,
            total=sizes[s],
            capacities=capacities,
        )
        for s in range(num_shards)
    )
    return Shards(train, assignment.astype(np.int32), models, valid, key, capacities)


def forget_in_shards(state: Shards, request: ForgetRequest) -> tuple[Shards, np.ndarray]:
    """Retrains the shards that hold a forgotten interaction, from scratch, without it.

    Returns:
      The new state, whose other shards are the same objects, and bool [K], the shards that were retrained. An empty request
      returns the very same state.

    Raises:
      DataError: what is asked for isn't there, or what is left of a shard can't be trained; nothing was changed.
    """
    forgotten = request.select(state.interactions)
    touched = np.isin(np.arange(len(state.models)), state.assignment[forgotten])
    if not touched.any():
        return state, touched
    retained, assignment = state.interactions.select(~forgotten), state.assignment[~forgotten]
    valid = surviving(state.valid, retained)
    models = list(state.models)
    for s in np.flatnonzero(touched):
        before = models[s]
        models[s] = train_shard(
            jax.random.fold_in(state.key, int(s)),
            before.model,
            retained.select(assignment == s),
            valid,
            before.config,
            loss=before.loss,
            total=before.total,
            capacities=state.capacities,
        )
    lost_users = np.flatnonzero((retained.user_degrees() == 0) & (state.interactions.user_degrees() > 0))
    lost_items = np.flatnonzero((retained.item_degrees() == 0) & (state.interactions.item_degrees() > 0))
    named = retained.erase_ids(lost_users, lost_items)
    if retained.user_features is not None or retained.item_features is not None:
        # Every shard has the features of all users and items, also of those it has no interaction of.
        models = [replace(shard, training_set=shard.training_set.erase(lost_users, lost_items)) for shard in models]
    return replace(state, interactions=named, assignment=assignment, models=tuple(models), valid=valid), touched


def train_shard(
    key: jax.Array,
    model: Recommender,
    interactions: Interactions,
    valid: Interactions,
    config: TrainConfig,
    *,
    loss: Loss,
    total: int,
    capacities: tuple[int, int, int],
) -> Trained:
    """One submodel from scratch; all zeros where no interaction is left.

    Args:
      key: of this shard.
      interactions: of this shard.
      valid: of all users and items; those that the shard doesn't know are left out.
      total: N_s.
      capacities: of `Shards`.

    Raises:
      DataError: the users and items of the shard have validation interactions of one label only.
    """
    capacity, graph_capacity, valid_capacity = capacities
    nameless = replace(interactions, user_ids=None, item_ids=None)
    training_set = training_set_for(model, loss, nameless, capacity=capacity, graph_capacity=graph_capacity)
    if not len(interactions):
        shapes = jax.eval_shape(lambda k: model.init(k, nameless.num_users, nameless.num_items), key)
        zeros = {name: jnp.zeros(leaf.shape, jnp.result_type(float)) for name, leaf in shapes.items()}
        return Trained(model, zeros, training_set, total, config, loss)
    known = surviving(valid, nameless)
    if len(np.unique(known.labels > 0.5)) < 2:
        raise DataError(
            f"a shard of {len(interactions)} interactions has {len(known)} validation interactions of its users and items, and not "
            "of both labels: use fewer shards, so that each can be stopped early."
        )
    params, history = fit_params(key, model, training_set, known, config, loss=loss, total=total, valid_capacity=valid_capacity)
    params = clear_rows(model, params, training_set)
    return Trained(model, params, training_set, total, config, loss, history.num_steps)


def cleared_rows(before: Shards, after: Shards) -> tuple[int, int]:
    """How many users and items lost their last interaction."""
    had, have = before.interactions, after.interactions
    counts: Sequence[tuple[np.ndarray, np.ndarray]] = (
        (had.user_degrees(), have.user_degrees()),
        (had.item_degrees(), have.item_degrees()),
    )
    users, items = (int(((x > 0) & (y == 0)).sum()) for x, y in counts)
    return users, items
