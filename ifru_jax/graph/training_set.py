"""The interactions a model was trained on, sorted, padded and on the device, with their graph.

The host keeps `Interactions` in the order of the device arrays, so that a request resolved on the host is a mask on the
device. Removing interactions keeps every shape: nothing that was compiled for the set before is compiled again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.deletion import FEW, drop_entries
from ifru_jax.data.interactions import Interactions
from ifru_jax.graph.bipartite import BipartiteGraph, build_graph
from ifru_jax.graph.edges import Edges, build_edges, capacity_of, degrees, degrees_without, keep_edges
from ifru_jax.graph.groups import leaders_of, leaders_without
from ifru_jax.graph.histories import build_histories
from ifru_jax.graph.host_memory import aligned_empty, leading
from ifru_jax.graph.pairs import Pairs


@partial(jax.tree_util.register_dataclass, data_fields=["pairs", "labels", "weights", "leaders"], meta_fields=[])
@dataclass(frozen=True)
class Examples:
    """Pairs with labels, and how much each counts in a sum.

    Attributes:
      pairs: n pairs, padding included.
      labels: float [n].
      weights: float [n]; 1 counts, 0 does not (padding, or what a request removed).
      leaders: int32 [n], the place of the interaction that each is compared with (`graph.groups`); None where nobody compares.
    """

    pairs: Pairs
    labels: jax.Array
    weights: jax.Array
    leaders: jax.Array | None = None


@dataclass(frozen=True)
class TrainingSet:
    """Interactions on host and device.

    Attributes:
      interactions: the n interactions, sorted by (user, item).
      examples: the same, padded to a capacity; weights 1 for each interaction.
      graph: of the interactions with a positive label, in the same order; without edges where the model has no use for one.
      positives: int64 [p], the place of each edge of the graph among the interactions.
    """

    interactions: Interactions
    examples: Examples
    graph: BipartiteGraph
    positives: np.ndarray

    def __len__(self) -> int:
        return len(self.interactions)

    @property
    def leaders(self) -> np.ndarray | None:
        """int32 [n]: the leader of each interaction's group, for losses that compare; None for all others."""
        return None if self.examples.leaders is None else np.asarray(self.examples.leaders)[: len(self)]

    @property
    def without_data(self) -> tuple[np.ndarray, np.ndarray]:
        """bool [num_users], [num_items]: rows without an interaction."""
        users, items = self.degrees
        return users == 0, items == 0

    @property
    def degrees(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 [num_users], [num_items]: interactions of every row, whatever their label."""
        assert isinstance(self.examples.pairs, Edges)
        return degrees(self.examples.pairs, len(self))

    def edges_at(self, places: np.ndarray) -> np.ndarray:
        """int64 [e]: the edges of the graph that the interactions at these places (int [k], ascending) are."""
        found = np.searchsorted(self.positives, places)
        inside = found < len(self.positives)
        found, places = found[inside], places[inside]
        return found[self.positives[found] == places]

    def degrees_without(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`degrees` once the interactions at these places (int [k]) are gone."""
        assert isinstance(self.examples.pairs, Edges)
        data = self.interactions
        return degrees_without(self.examples.pairs, len(self), data.users[places], data.items[places])

    def without(self, forgotten: np.ndarray) -> TrainingSet:
        """The set without the interactions where `forgotten` (bool [n]) is True; same shapes on the device."""
        keep = ~forgotten
        pairs = self.examples.pairs
        assert isinstance(pairs, Edges)
        dtype = self.examples.labels.dtype
        kept_pairs = keep_edges(pairs, keep)
        gone = np.flatnonzero(forgotten)
        # The pattern is in the order of the interactions: both read one memory.
        ends = {"users": kept_pairs.rows, "items": kept_pairs.cols}
        kept = self.interactions.without(gone, left={name: np.asarray(x)[: len(keep) - len(gone)] for name, x in ends.items()})
        leaders = None if self.leaders is None else leaders_without(self.leaders, keep, kept)
        removed = self.edges_at(gone)
        graph = self.graph.without(removed, len(self.positives))
        if graph.history is not None:
            history = build_histories(kept, kept_pairs, capacity=graph.history.items.shape[0])
            graph = replace(graph, history=history)
        return TrainingSet(
            interactions=kept,
            examples=_examples(kept, kept_pairs, dtype, leaders),
            graph=graph,
            positives=_moved_up(drop_entries(self.positives, removed), gone, keep),
        )

    def without_names(self, before: TrainingSet) -> TrainingSet:
        """Erases the original ids of users and items that have no interaction here but had one `before`."""
        users, items = newly_lost(before, self)
        return self.erase(np.flatnonzero(users), np.flatnonzero(items)) if users.any() or items.any() else self

    def erase(self, users: np.ndarray, items: np.ndarray) -> TrainingSet:
        """Erases the original ids and side features of these rows."""
        named = self.interactions.erase_ids(users, items)
        graph = self.graph
        if graph.user_features is not None or graph.item_features is not None:
            graph = replace(graph, **_features(named, graph.weights.dtype))
        return replace(self, interactions=named, graph=graph)


def _moved_up(places: np.ndarray, gone: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Places that stay, as they are counted once those that are `gone` (ascending, False in `keep`) have left."""
    if len(gone) > FEW:
        return np.cumsum(keep)[places] - 1 if len(places) else places
    for place in gone[::-1]:
        places[np.searchsorted(places, place) :] -= 1
    return places


def newly_lost(before: TrainingSet, after: TrainingSet) -> tuple[np.ndarray, np.ndarray]:
    """bool [num_users], [num_items]: rows without an interaction after that had one before."""
    users, items = after.without_data
    users_before, items_before = before.without_data
    return users & ~users_before, items & ~items_before


def build_training_set(
    interactions: Interactions,
    *,
    capacity: int | None = None,
    graph_capacity: int | None = None,
    with_graph: bool = True,
    with_groups: bool = False,
    with_history: bool = False,
) -> TrainingSet:
    """Sorts, pads and moves interactions to the device.

    Args:
      interactions: labels above ½ are the edges of the graph.
      capacity: interactions to pad to; None takes the next power of two up to 65,536 and the next multiple of 65,536 above.
      graph_capacity: edges to pad the graph to; None as above.
      with_graph: False leaves the graph without edges, for models that propagate over none.
      with_groups: for losses that compare the members of a group.
      with_history: True gives the graph the histories of the users, for sequential models.

    Raises:
      DataError: interactions without groups or timestamps where they are wanted, or more of them than the capacity holds.
    """
    labels = interactions.labels
    num_positive = int((labels > 0.5).sum()) if with_graph else 0
    capacity = padded_size(len(interactions)) if capacity is None else capacity
    sizes = {"num_rows": interactions.num_users, "num_cols": interactions.num_items}
    pairs, order = build_edges(interactions.users, interactions.items, capacity=capacity, **sizes)
    ordered = interactions.select(order)
    positives = np.flatnonzero(ordered.labels > 0.5) if with_graph else np.zeros(0, np.int64)
    graph_edges, _ = build_edges(
        ordered.users[positives],
        ordered.items[positives],
        capacity=min(capacity, padded_size(num_positive)) if graph_capacity is None else graph_capacity,
        **sizes,
    )
    graph = build_graph(graph_edges, jnp.result_type(float))
    if with_graph:
        graph = replace(graph, **_features(ordered, graph.weights.dtype))
    if with_history:
        graph = replace(graph, history=build_histories(ordered, pairs, capacity=graph_edges.capacity))
    leaders = leaders_of(ordered) if with_groups else None
    return TrainingSet(ordered, _examples(ordered, pairs, jnp.result_type(float), leaders), graph, positives)


def build_examples(interactions: Interactions, *, capacity: int | None = None, with_groups: bool = False) -> Examples:
    """A small set of interactions (a forget set) on the device, padded to a power of two."""
    pairs, order = build_edges(
        interactions.users,
        interactions.items,
        num_rows=interactions.num_users,
        num_cols=interactions.num_items,
        capacity=capacity or capacity_of(len(interactions)),
    )
    ordered = interactions.select(order)
    return _examples(ordered, pairs, jnp.result_type(float), leaders_of(ordered) if with_groups else None)


def padded_size(size: int) -> int:
    """Capacity of a whole data set: padding never costs more than a tenth of a large one."""
    step = 1 << 16
    return capacity_of(size) if size <= step else -(-size // step) * step


def _features(data: Interactions, dtype: jnp.dtype) -> dict:
    """The side features as they stand in the graph."""
    sides = {"user_features": data.user_features, "item_features": data.item_features}
    return {name: None if side is None else jnp.asarray(side.values, dtype) for name, side in sides.items()}


def _examples(ordered: Interactions, pairs: Edges, dtype: jnp.dtype, leaders: np.ndarray | None = None) -> Examples:
    count, capacity = len(ordered), pairs.capacity
    labels, weights = aligned_empty(capacity, dtype), leading(count, capacity, dtype)
    labels[:count], labels[count:] = ordered.labels, 0
    if leaders is None:
        return Examples(pairs=pairs, labels=jax.device_put(labels), weights=jax.device_put(weights))
    padded_leaders = np.arange(capacity, dtype=np.int32)  # padding leads itself
    padded_leaders[:count] = leaders
    return Examples(pairs, *(jax.device_put(column) for column in (labels, weights, padded_leaders)))
