"""The metric in which the step is damped.

    M = diag((d_v / median d)^0.4) per embedding row,  d_v = 1 + retained interactions at v
    M = (N / median d)^0.2         for shared weights,  N = 1 + all retained interactions

Adam moves rows of rare and of popular nodes about equally far, and shared weights no further, while curvature grows with the
interactions that touch a parameter. A damping λI would hold rare rows back; λM does not. Shared weights get half the exponent: with
none their negative curvature sets λ, and the rows forget too little; with all of it nothing of them is left in λ, and a perceptron
forgets too much. Source: design study in docs/step.md.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.graph import Examples, SortedPairs
from ifru_jax.graph.bipartite import weighted_degrees
from ifru_jax.models import Params
from ifru_jax.models.tables import Rows, Tables, of_side, per_row

# Of the exponent, for shared weights.
SHARED_SHARE = 0.5


class Degrees(NamedTuple):
    """1 + the retained interactions that touch a parameter.

    Attributes:
      users: float [num_users], of each row.
      items: float [num_items].
      shared: float [], of shared weights: all.
      median: float [], over all nodes of the data.
    """

    users: jax.Array
    items: jax.Array
    shared: jax.Array
    median: jax.Array


def degree_metric(params: Params, tables: Tables, degrees: Degrees, *, exponent: float = 0.4) -> Params:
    """Diagonal of M, one value per row, shaped to broadcast against each parameter.

    Args:
      params: for its structure.
      tables: which parameters are tables.
      degrees: of the rows of the tables.
      exponent: 0 gives the identity.
    """
    shared = jnp.asarray((degrees.shared / degrees.median) ** (SHARED_SHARE * exponent))
    metric = jax.tree.map(lambda leaf: shared.reshape([1] * leaf.ndim), params)
    users, items = ((of / degrees.median) ** exponent for of in (degrees.users, degrees.items))
    return metric | {name: per_row(of_side((users, items), side), params[name]) for name, side in tables.items() if name in params}


def inverse_root_metric(params: Params, tables: Tables, degrees: Degrees, inside: Rows, *, exponent: float) -> Params:
    """M^-½ on the rows that are `inside` (bool, per side), 0 on all others; shaped like the parameters."""
    metric = degree_metric(params, tables, degrees, exponent=exponent)
    root = jax.tree.map(lambda m, leaf: jnp.broadcast_to(jax.lax.rsqrt(m), leaf.shape), metric, params)
    rows = {name: per_row(of_side(inside, side), params[name]) for name, side in tables.items() if name in params}
    return root | {name: jnp.where(held, root[name], 0) for name, held in rows.items()}


def degrees_of(examples: Examples) -> Degrees:
    """The degrees of all nodes, counted by the weights of the interactions."""
    users, items = node_degrees(examples)
    assert isinstance(examples.pairs, SortedPairs)
    of_users, of_items = 1 + users, 1 + items
    return Degrees(of_users, of_items, 1 + users.sum(), median((of_users, of_items), examples.pairs.edges.real_sizes))


@partial(jax.jit, static_argnums=1)
def median(sides: Sequence[jax.Array], counts: tuple[int, ...]) -> jax.Array:
    """The median of the first `counts` values of each side, positive floats; found bit by bit, by counting.

    A sort would bring all values to each of the devices that they are over.
    """
    word = jnp.uint32 if sides[0].dtype == jnp.float32 else jnp.uint64
    top = 8 * jnp.dtype(word).itemsize - 1
    # Positive floats are in the order of their bits; what is behind the last value counts for nothing.
    places = [jax.lax.bitcast_convert_type(side, word) for side in sides]
    beyond = np.array(np.iinfo(word).max, word)
    words = [jnp.where(jnp.arange(len(of)) < count, of, beyond) for of, count in zip(places, counts, strict=True)]

    def ranked(rank: int) -> jax.Array:
        def with_bit(place: jax.Array, found: jax.Array) -> jax.Array:
            higher = found | (jnp.ones((), word) << (top - place).astype(word))
            below = reduce(jnp.add, [jnp.sum(of < higher, dtype=jnp.int32) for of in words])
            return jnp.where(below <= rank, higher, found)

        return jax.lax.bitcast_convert_type(jax.lax.fori_loop(0, top + 1, with_bit, jnp.zeros((), word)), sides[0].dtype)

    last = sum(counts) - 1
    return (ranked(last // 2) + ranked(last - last // 2)) / 2


def node_degrees(examples: Examples) -> tuple[jax.Array, jax.Array]:
    """Interactions of each user and each item, counted by weight: float [num_users], [num_items]."""
    assert isinstance(examples.pairs, SortedPairs)
    return weighted_degrees(examples.pairs.edges, examples.weights)
