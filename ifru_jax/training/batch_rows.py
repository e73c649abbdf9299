"""The rows that a minibatch has something of, and the batch in their numbers: scoring it then reads small tables alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp

from ifru_jax.graph import Batch, BipartiteGraph, Examples, IndexPairs
from ifru_jax.models import Params
from ifru_jax.models.tables import Rows, Tables, of_side


def rows_of(batch: Batch) -> tuple[Rows, Batch]:
    """The distinct rows of a batch of n pairs, and the batch in their numbers.

    Returns:
      int32 [n] twice, each row once and in place of its repetitions numbers beyond the table, all different. The batch has the side
      features of these rows, and edges that nobody may read.
    """
    examples, graph = batch.examples, batch.graph
    assert isinstance(graph, BipartiteGraph)
    counted, rows, places = examples.weights > 0, [], []
    for named, size in ((examples.pairs.users, graph.num_users), (examples.pairs.items, graph.num_items)):
        # What only fills a batch up is of nobody, and is scored as the first of all is.
        ordered = jnp.sort(jnp.where(counted, named, size))
        first = jnp.append(True, ordered[1:] != ordered[:-1]) & (ordered < size)
        rows.append(jnp.where(first, ordered, size + jnp.arange(len(ordered), dtype=ordered.dtype)))
        # A sort and a search are several times faster than an order and its inverse.
        places.append(jnp.where(counted, jnp.searchsorted(ordered, named), 0).astype(jnp.int32))
    sides = zip((graph.user_features, graph.item_features), rows, strict=True)
    users, items = (None if values is None else values_at(values, of) for values, of in sides)
    local = Examples(IndexPairs(*places), examples.labels, examples.weights, examples.leaders)
    return (rows[0], rows[1]), Batch(local, replace(graph, user_features=users, item_features=items))


def taken(tables: Tables, values: Params, rows: Rows) -> Params:
    """The tables with these rows alone, 0 beyond the last; shared parameters as they are."""
    return values | {name: values_at(values[name], of_side(rows, side)) for name, side in tables.items()}


def values_at(values: jax.Array, rows: jax.Array) -> jax.Array:
    """Values at these rows, 0 beyond the last."""
    return values.at[rows].get(mode="fill", fill_value=0)
