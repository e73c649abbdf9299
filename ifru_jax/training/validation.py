"""What stops a training: the metric of validation pairs, and which pairs still count once something is forgotten."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ifru_jax.data.filters import known_pairs
from ifru_jax.data.groups import leaders_of
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.graph import Batch, Examples, IndexPairs, build_examples
from ifru_jax.graph.examples import padded_leaders
from ifru_jax.host_arrays import leading, padded
from ifru_jax.metrics import auc, auc_in_bins
from ifru_jax.models import Params
from ifru_jax.sparse import capacity_of, on_device
from ifru_jax.training.objective import Objective

# Of more pairs, an AUC over all is taken in bins: a sort of them costs more than an epoch of a small model.
MOST_SORTED = 1 << 14


def valid_metric(objective: Objective, params: Params, batch: Batch) -> jax.Array:
    """What training is stopped by (`History.valid_metric`); NaN if a score that counts is not finite."""
    valid = batch.examples
    scores, counted = objective.model.score(params, valid.pairs, batch.graph), valid.weights > 0
    # Infinite scores can be ranked, but a model that gives them has diverged.
    sound = jnp.all(jnp.isfinite(scores) | ~counted)
    if valid.leaders is None and objective.loss.fixes_levels and len(scores) > MOST_SORTED:
        found = auc_in_bins(scores, valid.labels, counted)
    elif valid.leaders is None:
        found = auc(scores, valid.labels, counted, within=None if objective.loss.fixes_levels else valid.pairs.users)
    else:
        in_order, counts = _pairs_in_order(scores, valid)
        found = jnp.sum(counts * in_order) / jnp.sum(counts)
    return jnp.where(sound, found, jnp.nan)


def chance_of(objective: Objective, params: Params, others: Params, batch: Batch) -> jax.Array:
    """The standard error of the difference of `valid_metric` between two parameters, as far as it is one of chance.

    Where a loss compares the members of a group, the metric is a share of some thousand pairs, and what few of them turn over says
    little (McNemar, Psychometrika 1947). An AUC is of all pairs of both labels, and goes evenly from parameters to parameters: 0.
    """
    valid = batch.examples
    if valid.leaders is None:
        return jnp.zeros((), valid.labels.dtype)
    (one, counts), (other, _) = (
        _pairs_in_order(objective.model.score(p, valid.pairs, batch.graph), valid) for p in (params, others)
    )
    return jnp.sqrt(jnp.sum(jnp.square(counts * (one - other)))) / jnp.sum(counts)


def _pairs_in_order(scores: jax.Array, valid: Examples) -> tuple[jax.Array, jax.Array]:
    """Whether in the pairs of a leader with another member the positive scores higher, one half for ties; and what each counts."""
    positive, leaders = valid.labels > 0.5, valid.leaders
    margin = scores[leaders] - scores
    margin = jnp.where(positive[leaders], margin, -margin)
    return 0.5 + 0.5 * jnp.sign(margin), jnp.where(positive != positive[leaders], valid.weights, 0)


def validation_pairs(valid: Interactions, capacity: int | None = None, *, compared: bool, mesh: Mesh | None = None) -> Examples:
    """Validation interactions on the device.

    Args:
      valid: the interactions.
      capacity: pairs to pad to; None takes the next power of two.
      compared: whether the loss compares the members of a group, and so does the metric.
      mesh: devices to put them over; None takes the default one.

    Raises:
      DataError: more pairs than the capacity, or groups of one label only.
    """
    capacity = capacity_of(len(valid)) if capacity is None else capacity
    if len(valid) > capacity:
        raise DataError(f"{len(valid)} validation interactions don't fit a capacity of {capacity}: raise valid_capacity.")
    if not compared or valid.groups is None:
        return build_examples(valid, capacity=capacity, mesh=mesh)
    if not both_labels(valid, compared=True):
        raise DataError("no validation group has a positive and a negative: sample negatives for the whole split.")
    dtype, leaders = jnp.result_type(float), leaders_of(valid)
    users, items = (padded(rows, capacity, np.int32) for rows in (valid.users, valid.items))
    labels, weights = padded(valid.labels, capacity, dtype), leading(len(valid), capacity, dtype)
    users, items, *columns = on_device((users, items, labels, weights, padded_leaders(leaders, capacity)))
    return Examples(IndexPairs(users, items), *columns)


def surviving(valid: Interactions, retained: Interactions) -> Interactions:
    """The validation interactions of users and items that still have a retained interaction; rows only, no original ids."""
    return replace(valid.select(known_pairs(valid, retained)), user_ids=None, item_ids=None)


def stopping_pairs(valid: Interactions, retained: Interactions) -> Interactions:
    """Those that stop a training on what is retained: the surviving ones.

    Raises:
      DataError: there were some and none is left, so that a training which was to be stopped would not be.
    """
    found = surviving(valid, retained)
    there = valid.total
    if there and not found.total:
        raise DataError(
            f"of {there} validation interactions none is of a user and an item that have data: give others, or none, for a "
            "number of epochs."
        )
    return found


def both_labels(valid: Interactions, *, compared: bool) -> bool:
    """Whether a metric has an answer on these pairs; where groups are `compared`, whether one of them has both labels."""
    if compared and valid.groups is not None:
        return bool(np.any(valid.labels[leaders_of(valid)] != valid.labels))
    return valid.added_up(label_counts(valid)).all().item()


def label_counts(data: Interactions) -> np.ndarray:
    """int64 [2]: negative and positive interactions that are here."""
    return np.bincount(data.labels > 0.5, minlength=2)
