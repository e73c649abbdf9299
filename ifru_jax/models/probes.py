"""What a trace can't tell of a model, or tells of a graph: scores of single pairs, and how far a score reaches.

A score is one of a pair: s(u, i) is the same whatever other pairs are asked for beside it. Influence takes it so, one interaction
at a time. It is probed at parameters away from those of the initialisation, since zeros hide everything.

The reach is the largest number of propagations, one after the other, that any way through a trace passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np

from ifru_jax.errors import ModelError
from ifru_jax.graph import BipartiteGraph, Graph, IndexPairs
from ifru_jax.models.recommender import Params, Recommender, Side
from ifru_jax.models.tables import take_rows

_PROPAGATE = "ifru_propagate"
# A loop is followed so many times: a reach that grows in it exceeds whatever is declared.
_ROUNDS = 16


def check_scores(name: str, model: Recommender, params: Params, graph: Graph) -> None:
    """Scores four pairs, twice in other company, and with a row of zeros; one compilation.

    Raises:
      ModelError: scores that depend on the other pairs, that are the same for all, or that don't depend on a parameter; scores or
        derivatives that are not finite where a row is cleared.
    """
    users, items = graph.num_users, graph.num_items
    if users * items < 4:
        return
    probed = _away(params)
    flat = np.unique(np.linspace(0, users * items - 1, 4).astype(int))
    places = [np.divmod(flat[list(chosen)], items) for chosen in ((0, 1, 2, 3), (0, 1, 3, 3))]
    pairs = [IndexPairs(jnp.asarray(u, jnp.int32), jnp.asarray(i, jnp.int32)) for u, i in places]
    (scores, moves, slopes), (others, _, _) = (_scores(model, probed, company, graph) for company in pairs)
    first, second, size = np.asarray(scores), np.asarray(others), float(np.max(np.abs(scores)))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return
    if slopes and users > 1 and items > 1:
        # Of the first pair the user, of the last the item.
        cleared = _cleared(model.tables, probed, {"user": 0, "item": items - 1})
        zeros, _, finite = _scores(model, cleared, pairs[0], graph)
        if not (finite and np.isfinite(np.asarray(zeros)).all()):
            raise ModelError(
                f"{name} has no finite score, or no finite derivative, where a row of its tables is zeros, which is what a request "
                "leaves of who is forgotten: put a small constant under the root, such as "
                "x / jnp.sqrt(1e-12 + (x * x).sum(-1, keepdims=True)), which has derivatives at zero as well."
            )
    if np.any(np.abs(first[:2] - second[:2]) > 1e-3 * size):
        raise ModelError(
            f"{name} scores a pair differently beside other pairs: a score is of its user and item alone. Normalise by constants "
            "or over features (LayerNorm), not over the batch."
        )
    if not moves:
        raise ModelError(f"the scores of {name} don't depend on its parameters: there is nothing to train or to forget.")
    if np.ptp(first) <= 1e-6 * size:
        raise ModelError(f"{name} gives every pair the same score, {first[0]:g}: let it read pairs.users and pairs.items.")


def check_own_rows(name: str, model: Recommender, params: Params, graph: BipartiteGraph) -> None:
    """Scores four pairs from their rows of the tables alone.

    Raises:
      ModelError: scores that are others then.
    """
    probed, sizes = _away(params), (graph.num_users, graph.num_items)
    users, items = (jnp.asarray(np.linspace(0, size - 1, 4).astype(np.int32)) for size in sizes)
    own = {
        side: None if of is None else of[rows]
        for side, of, rows in (("user_features", graph.user_features, users), ("item_features", graph.item_features, items))
    }
    four = jnp.arange(4, dtype=jnp.int32)
    whole = np.asarray(model.score(probed, IndexPairs(users, items), graph))
    alone = np.asarray(model.score(take_rows(model.tables, probed, (users, items)), IndexPairs(four, four), replace(graph, **own)))
    if np.any(np.abs(whole - alone) > 1e-3 * np.max(np.abs(whole))):
        raise ModelError(
            f"{name} scores a pair differently from its rows of the tables alone: all rows move with every batch, so leave "
            "TrainConfig(sparse=True) out."
        )


def _away(params: Params) -> Params:
    """Parameters with a little noise on them, the same each time."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(0), max(len(leaves), 1))
    noisy = [leaf + 0.1 * jax.random.normal(key, jnp.shape(leaf), leaf.dtype) for key, leaf in zip(keys, leaves, strict=False)]
    return jax.tree.unflatten(structure, noisy)


@partial(jax.jit, static_argnums=0)
def _scores(model: Recommender, params: Params, pairs: IndexPairs, graph: Graph) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Scores [4], whether any of their derivatives is not 0, and whether all are finite."""
    scores, back = jax.vjp(lambda p: model.score(p, pairs, graph), params)
    slopes = jax.tree.leaves(back(jnp.ones_like(scores))[0])
    moved = [jnp.zeros((), bool), *(jnp.any(leaf != 0) for leaf in slopes)]
    finite = [jnp.ones((), bool), *(jnp.all(jnp.isfinite(leaf)) for leaf in slopes)]
    return scores, jnp.any(jnp.stack(moved)), jnp.all(jnp.stack(finite))


def _cleared(tables: Mapping[str, Side], params: Params, rows: Mapping[Side, int]) -> Params:
    """The parameters with zeros in one row of each table, that of its side."""
    found = dict(params)
    for name, side in tables.items():
        # On the host, where nothing is compiled for it.
        values = np.array(params[name])
        values[rows[side]] = 0
        found[name] = jnp.asarray(values)
    return found


def reach(jaxpr: jax.extend.core.Jaxpr) -> int:
    """Propagations, one after the other, on the longest way from an input of a trace to an output."""
    return max(_depths(jaxpr, [0] * len(jaxpr.invars)), default=0)


def _depths(jaxpr: jax.extend.core.Jaxpr, given: Sequence[int]) -> list[int]:
    """Of the outputs, with those of the inputs given."""
    known: dict[Any, int] = dict(zip(jaxpr.invars, given, strict=True))

    def depth(value: Any) -> int:
        return 0 if isinstance(value, jax.extend.core.Literal) else known.get(value, 0)

    for equation in jaxpr.eqns:
        before = [depth(value) for value in equation.invars]
        inner = [getattr(value, "jaxpr", value) for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr)]
        bodies = [value for value in inner if isinstance(value, jax.extend.core.Jaxpr)]
        if bodies:
            after = [max(_repeated(body, before, len(equation.outvars)) for body in bodies)] * len(equation.outvars)
            fitting = [body for body in bodies if len(body.invars) == len(before) and len(body.outvars) == len(equation.outvars)]
            if len(fitting) == len(bodies) and equation.primitive.name not in ("scan", "while"):
                after = [max(of) for of in zip(*(_depths(body, before) for body in bodies), strict=True)]
        else:
            after = [max(before, default=0) + (equation.primitive.name == _PROPAGATE)] * len(equation.outvars)
        known.update(zip(equation.outvars, after, strict=True))
    return [depth(value) for value in jaxpr.outvars]


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, jax.extend.core.Jaxpr | jax.extend.core.ClosedJaxpr)


def _repeated(body: jax.extend.core.Jaxpr, before: Sequence[int], outputs: int) -> int:
    """The largest depth of a loop, or of a body whose inputs are not those of its equation."""
    deepest = max(before, default=0)
    for _ in range(_ROUNDS if outputs else 1):
        after = max(_depths(body, [deepest] * len(body.invars)), default=deepest)
        if after <= deepest:
            break
        deepest = after
    return deepest
