"""A Flax NNX module as a `Recommender`.

>>> import jax
>>> from flax import nnx
>>> from ifru_jax.graph import inner_products
>>> class Factors(nnx.Module):
...     def __init__(self, num_users, num_items, rngs):
...         self.user = nnx.Embed(num_users, 8, rngs=rngs)
...         self.item = nnx.Embed(num_items, 8, rngs=rngs)
...
...     def __call__(self, pairs, graph):
...         return inner_products(self.user.embedding[...], self.item.embedding[...], pairs)
>>> model = from_nnx(Factors, user_tables=("user/embedding",), item_tables=("item/embedding",))
>>> sorted(model.init(jax.random.key(0), 3, 5))
['item/embedding', 'user/embedding']
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ifru_jax.errors import ModelError
from ifru_jax.graph import Graph, Pairs
from ifru_jax.models.checks import check_tables
from ifru_jax.models.flax_recommender import NoGraph
from ifru_jax.models.joint_tables import JointTables, Layout, as_joint, cut, joined, joint_sides
from ifru_jax.models.recommender import Params, Side

# num_users, num_items, rngs ↦ module
Build = Callable[[int, int, nnx.Rngs], nnx.Module]


@dataclass(frozen=True)
class NNXRecommender:
    """Wraps what builds a module whose `__call__(pairs, graph)` returns logits [n]; see `from_nnx`."""

    build: Build
    user_tables: tuple[str, ...] = ()
    item_tables: tuple[str, ...] = ()
    num_hops: int = 0
    shared: tuple[str, ...] = ()
    history_length: int = 0
    joint_tables: JointTables = ()
    turning: bool = False

    @property
    def tables(self) -> Mapping[str, Side]:
        users: dict[str, Side] = dict.fromkeys(self.user_tables, "user")
        items: dict[str, Side] = dict.fromkeys(self.item_tables, "item")
        return users | items | joint_sides(self.joint_tables)

    def init(self, key: jax.Array, num_users: int, num_items: int) -> Params:
        state = self._split(self.build(num_users, num_items, nnx.Rngs(key)))[1]
        params: Params = {_name(path): variable[...] for path, variable in nnx.to_flat_state(state)}
        params = cut(params, self.joint_tables, {"user": num_users, "item": num_items})
        check_tables(params, self.tables, self.shared, num_users=num_users, num_items=num_items)
        return params

    def score(self, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
        rows: dict[Side, int] = {side: params[name].shape[0] for name, side in self.tables.items()}
        # The edges are not looked at where the tables tell: a graph that keeps account of what is read of it sees that.
        sizes = rows.get("user") or graph.num_users, rows.get("item") or graph.num_items
        # Only the structure of a module of this size; its numbers are the parameters.
        definition, state = self._split(nnx.eval_shape(lambda: self.build(*sizes, nnx.Rngs(0))))
        whole = joined(params, self.joint_tables)
        filled = nnx.from_flat_state([(path, like.replace(whole[_name(path)])) for path, like in nnx.to_flat_state(state)])
        seen = graph if self.num_hops else NoGraph(graph, str(getattr(self.build, "__name__", self.build)))
        logits = nnx.merge(definition, filled)(pairs, seen)  # pyright: ignore[reportCallIssue]
        if jnp.shape(logits) != pairs.users.shape:
            raise ModelError(
                f"{self.build!r} returned {getattr(logits, 'shape', type(logits))} for {pairs.users.shape} pairs: a score is one "
                "logit per pair."
            )
        return logits

    def _split(self, module: nnx.Module) -> tuple[Any, Any]:
        definition, state, rest = nnx.split(module, nnx.Param, ...)
        other = sorted({_name(path) for path, _ in nnx.to_flat_state(rest)})
        if other:
            raise ModelError(
                f"{type(module).__name__} keeps state beside its parameters ({', '.join(other)}), but a score depends on "
                "parameters alone: build it without dropout (it holds a random stream), and with LayerNorm in place of BatchNorm."
            )
        return definition, state


def from_nnx(
    build: Build,
    *,
    user_tables: tuple[str, ...] = (),
    item_tables: tuple[str, ...] = (),
    num_hops: int = 0,
    shared: tuple[str, ...] = (),
    joint_tables: Mapping[str, Layout] = MappingProxyType({}),
    turning: bool = False,
) -> NNXRecommender:
    """An NNX module as a recommender.

    Args:
      build: (num_users, num_items, rngs) ↦ module; a class with these arguments, or a function around one. It is called again
        for tables of other sizes, so it must depend on nothing else. Compiled functions are kept per `build`: pass the same one.
      user_tables: names of the parameters [num_users, …], "attribute/…/parameter", such as "user/embedding".
      item_tables: the same for items.
      num_hops: see `Recommender`.
      shared: names of parameters that are no tables although their first axis is as long as one.
      joint_tables: see `FlaxRecommender`.
      turning: see `Recommender`.

    Raises:
      ModelError: when it is used, for a module with other variables than `nnx.Param`, or whose output is not one logit per pair.
    """
    return NNXRecommender(
        build,
        tuple(user_tables),
        tuple(item_tables),
        num_hops,
        tuple(shared),
        joint_tables=as_joint(joint_tables),
        turning=turning,
    )


def _name(path: tuple[Any, ...]) -> str:
    """Of a parameter; submodules in a list are numbered."""
    return "/".join(map(str, path))
