"""What a model has to keep to before it is trained: floating parameters, one logit per pair, the same logits each time.

The influence of an interaction is a derivative of the scores, so they have to be a function of parameters, pairs and graph alone.
"""

import re
from collections.abc import Mapping, Sequence

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np

from ifru_jax.errors import ModelError
from ifru_jax.graph import Graph, IndexPairs
from ifru_jax.models.probes import check_scores, reach
from ifru_jax.models.recommender import Params, Recommender, Side

# Primitives that may answer differently each time, as they stand in the text of a trace.
_OUTSIDE = re.compile(r"\b(io_callback|pure_callback|rng_uniform|rng_bit_generator)\[")


def check_recommender(model: Recommender, params: Params, graph: Graph) -> None:
    """Traces the score twice, and scores four pairs.

    Raises:
      ModelError: a parameter that is no floating array, scores that are not [n], not deterministic, not of their pair alone or all
        the same, or that reach farther over the graph than is declared.
    """
    name = type(getattr(model, "module", model)).__name__
    for parameter, value in params.items():
        if not all(jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating) for leaf in jax.tree.leaves(value)):
            raise ModelError(
                f"parameter {parameter!r} of {name} is not floating: only what can be differentiated is a parameter; keep indices "
                "in the module and draw no random numbers when scoring."
            )
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.asarray(leaf).dtype), (params, graph))
    rows = jax.ShapeDtypeStruct((3,), jnp.int32)

    def score(p: Params, g: Graph, users: jax.Array, items: jax.Array) -> jax.Array:
        return model.score(p, IndexPairs(users, items), g)

    # A fresh function each time: JAX would answer the second trace from its cache.
    first, second = (jax.make_jaxpr(lambda *a: score(*a))(*shapes, rows, rows) for _ in range(2))
    found = [tuple(out.shape) for out in first.out_avals]
    if found != [(3,)]:
        raise ModelError(f"{name} returned {found} for 3 pairs: a score is one logit per pair, shape [n].")
    same = str(first.jaxpr) == str(second.jaxpr) and len(first.consts) == len(second.consts)
    same = same and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(_plain(first), _plain(second), strict=True))
    if not same or _OUTSIDE.search(str(first.jaxpr)):
        raise ModelError(
            f"{name} does not score the same way twice: it samples, or calls out of JAX. Influence needs a deterministic score: "
            "turn dropout and sampling off, or draw once with a fixed key (jax.random.key) and keep what was drawn."
        )
    if (hops := reach(first.jaxpr)) > model.num_hops:
        raise ModelError(
            f"{name} propagates {hops} times, one after the other, but is declared with num_hops={model.num_hops}: scores would "
            f"change beyond what a request looks at. Declare num_hops={hops}."
        )
    check_scores(name, model, params, graph)


def check_params(params: Params, tables: Mapping[str, Side], *, num_users: int, num_items: int) -> None:
    """Parameters that somebody gives to a model: all are real floating numbers, and its tables are there with a row for each.

    Raises:
      ModelError: names the parameter.
    """
    params = jax.eval_shape(lambda tree: tree, params)
    for name, value in params.items():
        kinds = {leaf.dtype for leaf in jax.tree.leaves(value)}
        if bad := [kind for kind in kinds if not jnp.issubdtype(kind, jnp.floating)]:
            raise ModelError(f"parameter {name!r} is of {bad[0]}: give real floating numbers, such as float32.")
    sizes = {"user": num_users, "item": num_items}
    for name, side in tables.items():
        if name not in params or params[name].shape[:1] != (sizes[side],):
            found = f"has shape {params[name].shape}" if name in params else f"is not among {sorted(params)}"
            raise ModelError(f"the {side} table {name!r} {found}: the data has {sizes[side]} {side}s, give a row of it for each.")


def check_tables(params: Params, tables: Mapping[str, Side], shared: Sequence[str], *, num_users: int, num_items: int) -> None:
    """Every declared table has one row per user or item, and everything that looks like a table is declared.

    Args:
      params: of the module.
      tables: names and sides, as declared.
      shared: names of parameters that are no tables although their first axis is as long as one.
      num_users, num_items: sizes of the sides.

    Raises:
      ModelError: a declaration that is wrong, or one that is missing.
    """
    sizes = {"user": num_users, "item": num_items}
    for name, side in tables.items():
        if name not in params or params[name].shape[:1] != (sizes[side],):
            found = params[name].shape if name in params else "no such parameter"
            raise ModelError(
                f"{name!r} is declared a {side} table of {sizes[side]} rows, but the module has {found} "
                f"(its parameters: {sorted(params)}): correct the declaration or the module."
            )
    for name, value in params.items():
        if name not in tables and name not in shared and value.ndim > 1 and value.shape[0] in sizes.values():
            raise ModelError(
                f"{name!r} has shape {value.shape}, one row per user or item, but is not declared: rows of the forgotten "
                "would stay in it. Name it in user_tables or item_tables, or in shared if its size is a coincidence."
            )
        if (
            name not in tables
            and name not in shared
            and value.ndim > 1
            and (layout := _looks_joint(value.shape, num_users, num_items))
        ):
            raise ModelError(
                f"{name!r} has shape {value.shape}, which looks like {layout}, and is not declared: rows of the forgotten would "
                f"stay in it. Say what its rows are, in their order, with numbers for rows of nobody (padding, an offset): "
                f'joint_tables={{"{name}": {layout}}}; or name it in shared if its size is a coincidence.'
            )


def _looks_joint(shape: tuple[int, ...], num_users: int, num_items: int) -> tuple[Side | int, ...] | None:
    """What a table with this many rows may hold: both sides with up to two rows of nobody, or one side with one."""
    extra: tuple[tuple[int, ...], ...] = ((), (1,), (2,))
    for rows in extra:
        if shape[0] == num_users + num_items + sum(rows):
            return *rows, "user", "item"
    sizes: dict[Side, int] = {"user": num_users, "item": num_items}
    for side, size in sizes.items():
        if shape[0] == size + 1:
            return 1, side
    return None


def _plain(traced: jax.extend.core.ClosedJaxpr) -> list[np.ndarray]:
    """Constants as arrays; keys as their words."""
    keys = (jax.random.key_data(c) if jnp.issubdtype(c.dtype, jax.dtypes.prng_key) else c for c in map(jnp.asarray, traced.consts))
    return [np.asarray(value) for value in keys]
