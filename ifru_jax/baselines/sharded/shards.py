"""Submodels on disjoint shards of the data: a request retrains those that it touches, and no other.

Shard s is trained with key k_s = fold_in(key, s) on its own interactions, on its own graph, and stopped by the validation
interactions of its own users and items. All of this depends on nothing outside the shard, so that after a request every shard is,
bit for bit, what training it from scratch without the forgotten rows gives, and the order of requests doesn't matter.
Its objective is a sum divided by the N_s it was first trained on, as everywhere in ifru_jax.

A user or an item without an interaction in a shard has a row of zeros there. All shards are padded to one size: one compilation.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.graph.training_set import padded_size
from ifru_jax.models import Recommender, Side
from ifru_jax.models.tables import clear_rows
from ifru_jax.status import Status
from ifru_jax.training import Loss, TrainConfig, Trained, fit_params
from ifru_jax.training.losses import check_learnable
from ifru_jax.training.validation import surviving
from ifru_jax.unlearning.report import Report, Shards

# Validation pairs of shards are padded to a multiple of this: they are scored after every epoch, so a power of two costs too much.
STEP = 1024


@dataclass(frozen=True, eq=False)
class ShardedModel:
    """K submodels and what training them again takes.

    Attributes:
      interactions: the n retained ones, in the order of the training data.
      assignment: int32 [n], the shard of each; what remains never changes its shard.
      models: K of them, each with the interactions of its shard, which carry no original ids.
      valid: for early stopping; no original ids.
      key: of `fit`.
      valid_capacity: validation pairs that shards are padded to.
    """

    interactions: Interactions
    assignment: np.ndarray
    models: tuple[Trained, ...]
    valid: Interactions
    key: jax.Array
    valid_capacity: int

    def known(self, side: Side) -> np.ndarray:
        """bool [K, rows]: whether a shard has an interaction of a user ("user") or an item ("item")."""
        nodes = [shard.training_set.without_data for shard in self.models]
        return ~np.stack([each.users if side == "user" else each.items for each in nodes])

    def train(self, shard: int, interactions: Interactions) -> Trained:
        """A submodel from scratch on its interactions; all zeros where none is left.

        Raises:
          DataError: the users and items of the shard have validation interactions of one label only.
        """
        before = self.models[shard]
        model, capacities = before.model, before.training_set.capacities
        options = {"config": before.config, "loss": before.loss, "total": before.total, "capacities": capacities}
        blank = Trained.of(model, before.params, interactions, **options)
        if not len(interactions):
            return blank.with_params(jax.tree.map(jnp.zeros_like, blank.params))
        known = surviving(self.valid, interactions)
        if len(np.unique(known.labels > 0.5)) < 2:
            raise DataError(
                f"a shard of {len(interactions)} interactions has {len(known)} validation interactions of its users and items, and "
                "not of both labels: use fewer shards, so that each can be stopped early."
            )
        key = jax.random.fold_in(self.key, shard)
        capacity = self.valid_capacity
        params, _ = fit_params(key, blank.objective, blank.training_set, known, blank.config.unrecorded, valid_capacity=capacity)
        users, items = (jnp.asarray(rows) for rows in blank.training_set.without_data)
        return blank.with_params(clear_rows(model.tables, params, (users, items)))


def fit_shards(
    key: jax.Array, model: Recommender, data: Split, assignment: np.ndarray, config: TrainConfig, *, loss: Loss
) -> ShardedModel:
    """Trains K submodels.

    Args:
      key: see above.
      model: what each shard trains.
      data: `data.train` is partitioned, `data.valid` stops the training.
      assignment: int [n], the shard of each training interaction, 0 … K − 1.
      config, loss: of every shard.

    Raises:
      DataError: a shard whose users and items have validation interactions of one label only, or data without what the loss needs
        (`Loss.needed`).
    """
    check_learnable(loss, data.train)
    train, valid = data.train, replace(data.valid, user_ids=None, item_ids=None)
    nameless = replace(train, user_ids=None, item_ids=None)
    shards = [nameless.select(assignment == s) for s in range(int(assignment.max()) + 1)]
    capacity = padded_size(max(len(shard) for shard in shards))
    edges = max(int((shard.labels > 0.5).sum()) for shard in shards) if model.num_hops else 0
    # What a shard knows only shrinks, and so does its share of the validation data.
    stopping = max(len(surviving(valid, shard)) for shard in shards)
    shapes = jax.eval_shape(lambda k: model.init(k, train.num_users, train.num_items), key)
    zeros = {name: jnp.zeros(leaf.shape, leaf.dtype) for name, leaf in shapes.items()}
    capacities = capacity, min(capacity, padded_size(edges))
    blank = tuple(Trained.of(model, zeros, shard, config=config, loss=loss, capacities=capacities) for shard in shards)
    state = ShardedModel(train, assignment.astype(np.int32), blank, valid, key, -(-stopping // STEP) * STEP)
    return replace(state, models=tuple(state.train(s, shard) for s, shard in enumerate(shards)))


def forget_in_shards(state: ShardedModel, request: ForgetRequest) -> tuple[ShardedModel, np.ndarray]:
    """Retrains the shards that hold a forgotten or corrected interaction, from scratch, on what the request leaves.

    Returns:
      The new state, whose other shards are the same objects, and bool [K], the shards that were retrained. An empty request
      returns the very same state.

    Raises:
      DataError: what is asked for isn't there, or what is left of a shard can't be trained; nothing was changed.
    """
    before = state.interactions
    touched = np.isin(np.arange(len(state.models)), state.assignment[request.touches(before)])
    if not touched.any():
        return state, touched
    retained, assignment = request.applied(before), state.assignment[~request.select(before)]
    lost, nameless = _lost(before, retained), replace(retained, user_ids=None, item_ids=None)
    named = retained.erase_ids(*lost)
    after = replace(state, interactions=named, assignment=assignment, valid=surviving(state.valid, retained))
    models = list(state.models)
    for s in np.flatnonzero(touched):
        models[s] = after.train(int(s), nameless.select(assignment == s))
    if retained.user_features is not None or retained.item_features is not None:
        # Every shard has the features of all users and items, also of those it has no interaction of.
        models = [replace(shard, training_set=shard.training_set.erase(*lost)) for shard in models]
    return replace(after, models=tuple(models)), touched


def _lost(before: Interactions, after: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the users and of the items that lost their last interaction."""
    users = np.flatnonzero((before.user_degrees() > 0) & (after.user_degrees() == 0))
    return users, np.flatnonzero((before.item_degrees() > 0) & (after.item_degrees() == 0))


def report_of(before: ShardedModel, after: ShardedModel, request: ForgetRequest, retrained: np.ndarray, **evidence) -> Report:
    """The report of a request that retrained some shards (bool [K])."""
    had, have = before.interactions, after.interactions
    users, items = _lost(had, have)
    return Report(
        status=Status.RETRAINED,
        retained=len(have),
        forgotten=len(had) - len(have),
        corrected=len(request.corrections(had)[0]),
        cleared_users=len(users),
        cleared_items=len(items),
        users_taken_along=len(np.setdiff1d(users, request.users)),
        items_taken_along=len(np.setdiff1d(items, request.items)),
        shards=Shards(len(after.models), int(retrained.sum())),
        **evidence,
    )
