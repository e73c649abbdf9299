"""The interactions a model was trained on, sorted, padded and on the device, with their graph.

The host keeps `Interactions` in the order of the device arrays, so that a request resolved on the host is a mask on the
device. Removing interactions keeps every shape: nothing that was compiled for the set before is compiled again.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ifru_jax.data.groups import leaders_of, leaders_without, with_corrections
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.share import check_whole
from ifru_jax.errors import DataError
from ifru_jax.graph.bipartite import BipartiteGraph, build_graph, graph_over_mesh
from ifru_jax.graph.examples import Batch, Examples, examples_of, interactions_over
from ifru_jax.graph.histories import build_histories
from ifru_jax.graph.nodes import Nodes
from ifru_jax.graph.pairs import SortedPairs
from ifru_jax.host_arrays import FEW, drop_entries
from ifru_jax.sparse.edges import Edges, build_edges, capacity_of, degrees, degrees_without, host_edges
from ifru_jax.sparse.mesh_edges import MeshEdges, build_mesh_edges
from ifru_jax.sparse.operations import Pattern
from ifru_jax.sparse.placement import by_rows, on_accelerator, on_device, on_host, over_mesh
from ifru_jax.sparse.removal import column_without, places_on_device, without_edges


@dataclass(frozen=True)
class TrainingSet:
    """Interactions on host and device.

    Over the devices of several processes the host of each may have a share of the interactions (`data.share`). Places are then
    those in the share, and what is counted, by `len`, by degrees and by `without_data`, is of all.

    Attributes:
      interactions: the n interactions, sorted by (user, item).
      examples: the same, padded to a capacity; weights 1 for each interaction.
      graph: of the interactions with a positive label, in the same order; without edges where the model has no use for one.
      positives: int64 [p], the place of each edge of the graph among the interactions.
      has_graph: whether the model has a use for edges.
      host_patterns: over the devices of a mesh, the patterns of the interactions and of the graph on the host; else None, since a
        device's own can be read there.
      counted: of shares, the degrees of all users and items; else None, since they can be read off a pattern.
    """

    interactions: Interactions
    examples: Examples
    graph: BipartiteGraph
    positives: np.ndarray
    has_graph: bool = True
    host_patterns: tuple[Edges, Edges] | None = None
    counted: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        """Interactions of all processes."""
        return self.placed.count if isinstance(self.placed, MeshEdges) else len(self.interactions)

    @property
    def shared(self) -> bool:
        """Whether the host of a process has its own share of the interactions alone."""
        return self.interactions.share is not None

    @property
    def batch(self) -> Batch:
        """What an objective is evaluated on."""
        return Batch(self.examples, self.graph)

    @property
    def pattern(self) -> Edges:
        """The pattern of the interactions, of both labels, for the host to read."""
        return self.host_patterns[0] if self.host_patterns else _own(self.placed)

    @property
    def edges(self) -> Edges:
        """The pattern of the graph, for the host to read."""
        return self.host_patterns[1] if self.host_patterns else _own(self.graph.edges)

    @cached_property
    def lists(self) -> tuple[Edges, Edges]:
        """`pattern` and `edges` as NumPy arrays: what is read of them many times is asked for once."""
        return on_host((self.pattern, self.edges))

    @property
    def placed(self) -> Pattern:
        """The pattern of the interactions where the examples are, on a device or over a mesh."""
        assert isinstance(self.examples.pairs, SortedPairs)
        return self.examples.pairs.edges

    @property
    def mesh(self) -> Mesh | None:
        """The devices that it is on; None for the default one."""
        return self.placed.mesh if isinstance(self.placed, MeshEdges) else None

    def masks(self, nodes: Nodes) -> tuple[jax.Array, jax.Array]:
        """bool [num_users], [num_items] of the tables, on their devices; rows that fill up a table are in no set."""
        if self.mesh is None:
            return on_device((nodes.users, nodes.items))
        rows, mesh = (self.placed.num_rows, self.placed.num_cols), self.mesh
        users, items = (np.pad(of, (0, size - len(of))) for of, size in zip(nodes, rows, strict=True))
        return over_mesh(users, by_rows(mesh)), over_mesh(items, by_rows(mesh))

    def room_for(self, size: int) -> int:
        """What to pad `size` of the interactions to.

        A thousand at least, so that nearly all requests are compiled for once: what takes seconds to compile takes hardly longer
        for a thousand terms than for one.
        """
        return min(capacity_of(size, least=1024), self.capacities[0])

    @property
    def capacities(self) -> tuple[int, int]:
        """Interactions and edges that the arrays on the device hold, padding included."""
        return self.placed.capacity, self.graph.edges.capacity

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows of users and of items."""
        return self.interactions.num_users, self.interactions.num_items

    @property
    def leaders(self) -> np.ndarray | None:
        """int32 [n]: the leader of each interaction's group, for losses that compare; None for all others."""
        return None if self.examples.leaders is None else on_host(self.examples.leaders)[: len(self)]

    @cached_property
    def degrees(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 [num_users], [num_items]: interactions of every row, whatever their label."""
        return self.counted or degrees(self.pattern, len(self))

    @cached_property
    def rows_up_to(self) -> np.ndarray:
        """int64: how many rows, of users and items, have 0, at most 1, … interactions."""
        return np.cumsum(np.bincount(np.concatenate(self.degrees)))

    @cached_property
    def graph_degrees(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 [num_users], [num_items]: edges of the graph at every row."""
        return degrees(self.edges, len(self.positives))

    @property
    def without_data(self) -> Nodes:
        """Rows without an interaction."""
        users, items = self.degrees
        return Nodes(users == 0, items == 0)

    def degrees_without(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`degrees` once the interactions at these places (int [k]) are gone, of a share with those of the other processes."""
        data = self.interactions
        if self.counted:
            gone = data.select(places)
            return self.degrees[0] - gone.user_degrees(), self.degrees[1] - gone.item_degrees()
        return degrees_without(self.pattern, len(self), data.users[places], data.items[places])

    def edges_at(self, places: np.ndarray) -> np.ndarray:
        """int64 [e]: the edges of the graph that the interactions at these places (int [k], ascending) are."""
        found = np.searchsorted(self.positives, places)
        inside = found < len(self.positives)
        found, places = found[inside], places[inside]
        return found[self.positives[found] == places]

    def without(self, gone: np.ndarray) -> "TrainingSet":
        """The set without the interactions at the places `gone` (int [k], ascending); same shapes on the device."""
        if self.mesh is not None:
            return _over_mesh(self.interactions.without(gone), self.mesh, self.has_graph, before=self)
        keep = np.ones(len(self), bool)
        keep[gone] = False
        pattern = without_edges(self.pattern, gone, len(self))
        kept = self.interactions.without(gone, left=self._ends(pattern, len(self) - len(gone)))
        leaders = None if self.leaders is None else leaders_without(self.leaders, keep, kept)
        removed = self.edges_at(gone)
        graph = self.graph.without(removed, len(self.positives))
        if graph.history is not None:
            graph = replace(graph, history=build_histories(kept, pattern, capacity=graph.history.items.shape[0]))
        return TrainingSet(
            interactions=kept,
            examples=self._examples_without(gone, kept, SortedPairs(pattern), leaders),
            graph=graph,
            positives=_moved_up(drop_entries(self.positives, removed), gone, keep),
            has_graph=self.has_graph,
        )

    def _examples_without(self, gone: np.ndarray, kept: Interactions, pairs: SortedPairs, leaders: np.ndarray | None) -> Examples:
        labels = self.examples.labels
        if leaders is not None or not on_accelerator(labels):
            return examples_of(kept, pairs, leaders, dtype=labels.dtype)
        left = column_without(labels, places_on_device(gone, len(labels)), on_device(len(self)))
        return Examples(pairs, left, pairs.edges.mask.astype(labels.dtype))

    @staticmethod
    def _ends(pattern: Edges, count: int) -> dict[str, np.ndarray]:
        """The columns of interactions that a pattern holds already: on the host both read one memory."""
        if on_accelerator(pattern.rows):
            return {}
        return {name: on_host(of)[:count] for name, of in (("users", pattern.rows), ("items", pattern.cols))}

    def relabelled(self, places: np.ndarray, labels: np.ndarray) -> "TrainingSet":
        """The set with other labels (float [k]) at these places (int [k]); edges come and go where a label crosses ½.

        Shapes stay as they are unless there are more edges than the graph has room for.
        """
        data = with_corrections(self.interactions, places, labels)
        if self.mesh is not None:
            return _over_mesh(data, self.mesh, self.has_graph, before=self)
        leaders = None if self.leaders is None else leaders_of(data)
        examples = examples_of(data, SortedPairs(self.pattern), leaders, dtype=self.examples.labels.dtype)
        positives = np.flatnonzero(data.labels > 0.5) if self.has_graph else self.positives
        graph = self.graph
        if not np.array_equal(positives, self.positives):
            room = self.capacities[1]
            capacity = room if len(positives) <= room else padded_size(len(positives))
            found = _graph_of(data, positives, capacity)
            graph = replace(graph, edges=found.edges, weights=found.weights)
        if graph.history is not None:
            graph = replace(graph, history=build_histories(data, self.pattern, capacity=graph.edges.capacity))
        return TrainingSet(data, examples, graph, positives, self.has_graph)

    def erase(self, users: np.ndarray, items: np.ndarray) -> "TrainingSet":
        """Erases the original ids and side features of these rows."""
        if not (len(users) or len(items)):
            return self
        named = self.interactions.erase_ids(users, items)
        graph = self.graph
        if graph.user_features is not None or graph.item_features is not None:
            graph = replace(graph, **_features(named, self.placed, graph.weights.dtype))
        return replace(self, interactions=named, graph=graph)


def _moved_up(places: np.ndarray, gone: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Places that stay, as they are counted once those that are `gone` (ascending, False in `keep`) have left."""
    if len(gone) > FEW:
        return np.cumsum(keep)[places] - 1 if len(places) else places
    for place in gone[::-1]:
        places[np.searchsorted(places, place) :] -= 1
    return places


def build_training_set(
    interactions: Interactions,
    *,
    capacities: tuple[int | None, int | None] = (None, None),
    with_graph: bool = True,
    with_groups: bool = False,
    with_history: bool = False,
    mesh: Mesh | None = None,
) -> TrainingSet:
    """Sorts, pads and moves interactions to the device.

    Args:
      interactions: labels above ½ are the edges of the graph.
      capacities: interactions, and edges of the graph, to pad to; None takes the next power of two up to 65,536 and the next
        multiple of 65,536 above.
      with_graph: False leaves the graph without edges, for models that propagate over none; side features are there all the same.
      with_groups: for losses that compare the members of a group.
      with_history: True gives the graph the histories of the users, for sequential models.
      mesh: devices to put them over, of `on_mesh`; None takes the default one. Capacities follow from the data there.

    Raises:
      DataError: interactions without groups or timestamps where they are wanted, or more of them than the capacity holds; groups
        or histories over a mesh.
    """
    if mesh is None:
        check_whole(interactions, "one device")
    else:
        for what in (name for name, wanted in {"groups": with_groups, "histories": with_history}.items() if wanted):
            raise DataError(f"there are no {what} over several devices: train this model on one, outside of on_mesh.")
        return _over_mesh(interactions, mesh, with_graph)
    capacity = padded_size(len(interactions)) if capacities[0] is None else capacities[0]
    sizes = {"num_rows": interactions.num_users, "num_cols": interactions.num_items}
    pattern, order = build_edges(interactions.users, interactions.items, capacity=capacity, **sizes)
    ordered = interactions.select(order)
    positives = np.flatnonzero(ordered.labels > 0.5) if with_graph else np.zeros(0, np.int64)
    graph = _graph_of(ordered, positives, min(capacity, padded_size(len(positives))) if capacities[1] is None else capacities[1])
    graph = replace(graph, **_features(ordered, pattern, graph.weights.dtype))
    if with_history:
        graph = replace(graph, history=build_histories(ordered, pattern, capacity=graph.edges.capacity))
    leaders = leaders_of(ordered) if with_groups else None
    return TrainingSet(ordered, examples_of(ordered, SortedPairs(pattern), leaders), graph, positives, with_graph)


def _over_mesh(interactions: Interactions, mesh: Mesh, with_graph: bool, *, before: TrainingSet | None = None) -> TrainingSet:
    """A training set over the devices of a mesh, of the shapes of the one `before` where it fits them."""
    rooms = (None, None) if before is None else (before.placed.room, before.graph.edges.room)  # pyright: ignore[reportAttributeAccessIssue]
    sizes = interactions.num_users, interactions.num_items
    ordered, placed = interactions_over(interactions, mesh, room=rooms[0])
    positives = np.flatnonzero(ordered.labels > 0.5) if with_graph else np.zeros(0, np.int64)
    ends = ordered.users[positives], ordered.items[positives]
    edges = build_mesh_edges(*ends, sizes=sizes, mesh=mesh, room=rooms[1], shared=interactions.share is not None)
    host = [
        host_edges(users, items, num_rows=sizes[0], num_cols=sizes[1])[0] for users, items in ((ordered.users, ordered.items), ends)
    ]
    graph = graph_over_mesh(edges, host[1], _added_up(degrees(host[1], len(positives)), interactions))
    graph = replace(graph, **_features(ordered, placed, graph.weights.dtype))
    examples = examples_of(ordered, SortedPairs(placed))
    counted = None if ordered.share is None else (ordered.user_degrees(), ordered.item_degrees())
    return TrainingSet(ordered, examples, graph, positives, with_graph, (host[0], host[1]), counted)


def _added_up(of: tuple[np.ndarray, np.ndarray], data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Σ over all processes of what each counted of users and items in its share."""
    users, items = np.split(data.added_up(np.concatenate(of)), [len(of[0])])
    return users, items


def _own(edges: Pattern) -> Edges:
    """The pattern of one device."""
    assert isinstance(edges, Edges)
    return edges


def padded_size(size: int) -> int:
    """Capacity of a whole data set: padding never costs more than a tenth of a large one."""
    step = 1 << 16
    return capacity_of(size) if size <= step else -(-size // step) * step


def _graph_of(ordered: Interactions, positives: np.ndarray, capacity: int) -> BipartiteGraph:
    """The normalised graph of the interactions at these places."""
    users, items = ordered.users[positives], ordered.items[positives]
    edges, _ = build_edges(users, items, num_rows=ordered.num_users, num_cols=ordered.num_items, capacity=capacity)
    return build_graph(edges)


def _features(data: Interactions, placed: Pattern, dtype: jnp.dtype) -> dict[str, jax.Array | None]:
    """The side features as they stand in the graph, where the interactions are; over a mesh filled up as the tables are."""
    sides = {"user_features": (data.user_features, placed.num_rows), "item_features": (data.item_features, placed.num_cols)}

    def of(values: np.ndarray, rows: int) -> jax.Array:
        if not isinstance(placed, MeshEdges):
            return jnp.asarray(values, dtype)
        filled = np.pad(values.astype(dtype), ((0, rows - len(values)), (0, 0)))
        return over_mesh(filled, by_rows(placed.mesh))

    return {name: None if side is None else of(side.values, rows) for name, (side, rows) in sides.items()}
