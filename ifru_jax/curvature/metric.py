"""The metric in which the step is damped.

    M = diag((d_v / median d)^0.4) per embedding row,  d_v = 1 + retained interactions at v
    M = (N / median d)^0.2         for shared weights,  N = 1 + all retained interactions

Adam moves rows of rare and of popular nodes about equally far, and shared weights no further, while curvature grows with the
interactions that touch a parameter. A damping λI would hold rare rows back; λM does not. Shared weights get half the exponent: with
none their negative curvature sets λ, and the rows forget too little; with all of it nothing of them is left in λ, and a perceptron
forgets too much. Source: design study in docs/step.md.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

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
    rows, cols = examples.pairs.edges.real_sizes
    median = jnp.median(1 + jnp.concatenate([users[:rows], items[:cols]]))
    return Degrees(1 + users, 1 + items, 1 + users.sum(), median)


def node_degrees(examples: Examples) -> tuple[jax.Array, jax.Array]:
    """Interactions of each user and each item, counted by weight: float [num_users], [num_items]."""
    assert isinstance(examples.pairs, SortedPairs)
    return weighted_degrees(examples.pairs.edges, examples.weights)
