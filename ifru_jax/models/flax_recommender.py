"""A Flax Linen module as a `Recommender`.

>>> import jax
>>> from ifru_jax.models import mf
>>> params = mf(embedding_size=8).init(jax.random.key(0), num_users=3, num_items=5)
>>> params["item_embedding"].shape
(5, 8)
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import errors, traverse_util

from ifru_jax.errors import ModelError
from ifru_jax.graph import BipartiteGraph, Graph, GraphView, IndexPairs, Pairs
from ifru_jax.graph.histories import Histories
from ifru_jax.models.checks import check_tables
from ifru_jax.models.joint_tables import JointTables, Layout, as_joint, cut, joined, joint_sides
from ifru_jax.models.recommender import Params, Side
from ifru_jax.sparse import build_edges


@dataclass(frozen=True)
class NoGraph(GraphView):
    """What a module with num_hops = 0 is given: side features, but no edges, any use of which would be a silent mistake."""

    graph: Graph
    module: str

    def read(self, name: str) -> Graph:
        raise ModelError(
            f"{self.module} reads {name!r} of the graph but is declared with num_hops=0: set num_hops to the number of times it "
            "propagates, so that removed edges reach its scores."
        )


class _Undeclared(GraphView):
    """A graph that keeps account of which side features were read although they have no columns."""

    def __init__(self, graph: Graph, user_features: int, item_features: int) -> None:
        self.graph, self.declared = graph, {"user_features": user_features, "item_features": item_features}
        self.asked: list[str] = []

    @property
    def user_features(self) -> jax.Array | None:
        return self._account("user_features").user_features

    @property
    def item_features(self) -> jax.Array | None:
        return self._account("item_features").item_features

    def read(self, name: str) -> Graph:
        return self.graph

    def _account(self, name: str) -> Graph:
        self.asked += [] if self.declared[name] else [name]
        return self.graph


@dataclass(frozen=True, repr=False)
class FlaxRecommender:
    """Wraps a module whose `__call__(pairs, graph)` returns logits [n].

    A module with tables has fields `num_users` and `num_items`, which are set here: by `init` from its arguments, by `score`
    from the tables it is given.

    Attributes:
      module: a Linen module; its fields are the hyper-parameters.
      user_tables: names of its parameters [num_users, …]; those of a submodule as "submodule/parameter".
      item_tables: names of its parameters [num_items, …].
      num_hops: see `Recommender`.
      shared: names of parameters that are no tables although their first axis is as long as one.
      history_length: items of a history that the module reads at a time; 0 for modules that read none.
      joint_tables: parameters that hold users and items together, such as {"embedding": ("user", "item")}, or (1, "user", "item")
        where a row of padding is before them; `models.joint_tables`.
      user_features, item_features: columns of side features that the module reads from the graph; they are no hop.
      turning: see `Recommender`.
    """

    module: nn.Module
    user_tables: tuple[str, ...] = ()
    item_tables: tuple[str, ...] = ()
    num_hops: int = 0
    shared: tuple[str, ...] = ()
    user_features: int = 0
    item_features: int = 0
    history_length: int = 0
    joint_tables: Mapping[str, Layout] | JointTables = ()
    turning: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "joint_tables", as_joint(self.joint_tables))

    @property
    def joint(self) -> JointTables:
        """`joint_tables` in a form that can be a key."""
        return as_joint(self.joint_tables)

    def __repr__(self) -> str:
        hidden = {"parent", "name", "num_users", "num_items"}
        shown = [field.name for field in dataclasses.fields(self.module) if field.name not in hidden]
        fields = ", ".join(f"{name}={getattr(self.module, name)!r}" for name in shown)
        return f"{type(self.module).__name__}({fields})"

    @property
    def tables(self) -> Mapping[str, Side]:
        users: dict[str, Side] = dict.fromkeys(self.user_tables, "user")
        items: dict[str, Side] = dict.fromkeys(self.item_tables, "item")
        return users | items | joint_sides(self.joint)

    def init(self, key: jax.Array, num_users: int, num_items: int) -> Params:
        nothing = np.zeros(0, np.int32)
        edges, _ = build_edges(nothing, nothing, num_rows=num_users, num_cols=num_items, capacity=1)
        pairs = IndexPairs(jnp.asarray(nothing), jnp.asarray(nothing))
        graph = BipartiteGraph(
            edges,
            jnp.zeros(1),
            user_features=jnp.zeros((num_users, self.user_features)),
            item_features=jnp.zeros((num_items, self.item_features)),
            history=Histories(jnp.zeros(1, jnp.int32), jnp.zeros(num_users + 1, jnp.int32), edges, jnp.zeros(1, jnp.int32)),
        )
        seen = _Undeclared(graph, self.user_features, self.item_features)
        try:
            variables = self._sized(num_users, num_items).init(key, pairs, seen)
        except Exception as error:
            if not seen.asked:
                raise
            name, side = type(self.module).__name__, seen.asked[0]
            raise ModelError(
                f"{name} reads {side} and doesn't say how many columns it has ({error}): FlaxRecommender(…, {side}=…)."
            ) from error
        if other := sorted(set(variables) - {"params"}):
            raise ModelError(
                f"{type(self.module).__name__} keeps variables beside its parameters ({', '.join(other)}): a score depends on "
                "parameters, pairs and graph alone. Replace batch statistics by LayerNorm and counters by constants."
            )
        params: Params = traverse_util.flatten_dict(dict(variables["params"]), sep="/")
        params, sizes = (
            cut(params, self.joint, {"user": num_users, "item": num_items}),
            {"num_users": num_users, "num_items": num_items},
        )
        check_tables(params, self.tables, self.shared, **sizes)
        return params

    def score(self, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
        rows: dict[Side, int] = {side: params[name].shape[0] for name, side in self.tables.items()}
        # The edges are not looked at where the tables tell: a graph that keeps account of what is read of it sees that.
        module = self._sized(rows.get("user") or graph.num_users, rows.get("item") or graph.num_items)
        seen = graph if self.num_hops else NoGraph(graph, type(self.module).__name__)
        for side, wanted, given in (
            ("user", self.user_features, graph.user_features),
            ("item", self.item_features, graph.item_features),
        ):
            name = type(self.module).__name__
            if wanted and given is None:
                raise ModelError(
                    f"{name} reads {wanted} columns of {side} features, the data has none: replace(data, {side}_features=…), one "
                    f"row per {side} in the order of data.{side}_ids."
                )
            if wanted and given is not None and wanted != given.shape[1]:
                raise ModelError(
                    f"{name} reads {wanted} columns of {side} features, the data has {given.shape[1]}: build the model for its "
                    "fields."
                )
        if self.history_length and graph.history is None:
            raise ModelError(
                f"{type(self.module).__name__} reads histories, and this graph has none: "
                "build the training set with_history=True; a neighbourhood of a graph has no histories."
            )
        try:
            whole = joined(params, self.joint)
            logits = module.apply({"params": traverse_util.unflatten_dict(whole, sep="/")}, pairs, seen)
        except errors.InvalidRngError as error:
            raise ModelError(
                f"{type(self.module).__name__} asks for random numbers when it scores ({str(error).splitlines()[0]}): influence "
                "needs a deterministic score. Set deterministic=True for dropout, and sample nothing in __call__."
            ) from error
        if not isinstance(logits, jax.Array) or logits.shape != pairs.users.shape:
            raise ModelError(
                f"{type(self.module).__name__} returned {getattr(logits, 'shape', type(logits))} for {pairs.users.shape} "
                "pairs: a score is one logit per pair."
            )
        return logits

    def _sized(self, num_users: int, num_items: int) -> nn.Module:
        sizes = {"num_users": num_users, "num_items": num_items}
        known = {field.name for field in dataclasses.fields(self.module)}
        fields: dict[str, Any] = {name: size for name, size in sizes.items() if name in known}
        return self.module.clone(**fields)
