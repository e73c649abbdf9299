"""Rows of tables: which side a table is of, and everything that is done to some of its rows.

A table is a parameter with one row per user or per item; all others are shared. `Rows` are a pair, of users and of items.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ifru_jax.models.recommender import Params, Side

Rows = tuple[jax.Array, jax.Array]
Tables = Mapping[str, Side]


def of_bags(tables: Tables) -> bool:
    """Whether no user has a row of his own: he is then what the rows of his items add up to."""
    return set(tables.values()) == {"item"}


def of_side(rows: Rows, side: Side) -> jax.Array:
    """Those of users or those of items."""
    return rows[0] if side == "user" else rows[1]


def per_row(values: jax.Array, table: jax.Array) -> jax.Array:
    """[rows] shaped to broadcast against a table [rows, …]."""
    return values.reshape(-1, *[1] * (table.ndim - 1))


def clear_rows(tables: Tables, params: Params, gone: Rows) -> Params:
    """The parameters with zeros in the rows that are `gone` (bool [num_users], [num_items]).

    L2-regularised training takes a row that no interaction holds to zero in the end; a model that serves must not wait for that.
    """
    cleared = {name: jnp.where(per_row(of_side(gone, side), params[name]), 0, params[name]) for name, side in tables.items()}
    return params | cleared


def confine(tables: Tables, values: Params, inside: Rows) -> Params:
    """Values shaped like the parameters, zero in shared ones and outside the rows `inside` (bool [num_users], [num_items])."""
    kept = {name: jnp.where(per_row(of_side(inside, side), values[name]), values[name], 0) for name, side in tables.items()}
    return jax.tree.map(jnp.zeros_like, values) | kept


def take_rows(tables: Tables, params: Params, rows: Rows) -> Params:
    """The tables with these rows alone (int [u], [i]); shared parameters as they are."""
    return params | {name: params[name][of_side(rows, side)] for name, side in tables.items()}


def first_rows(values: Params, sizes: Mapping[str, int]) -> Params:
    """Of each of these tables so many rows."""
    return {name: values[name][:size] for name, size in sizes.items()}


def with_zeros_behind(rows: Params, like: Params) -> Params:
    """First rows of tables as tables of the size of others, zero behind."""
    return {name: jnp.zeros_like(like[name]).at[: len(of)].set(of) for name, of in rows.items()}


def scatter_rows(tables: Tables, like: Params, rows: Rows, values: Params) -> Params:
    """Adds a batch of rows, tables [b, n, …] and shared [b, …], into parameters shaped like `like`; `rows` int [b, n] twice."""
    summed = {name: jax.tree.map(lambda v: v.sum(axis=0), value) for name, value in values.items() if name not in tables}
    return summed | {name: jnp.zeros_like(like[name]).at[of_side(rows, side)].add(values[name]) for name, side in tables.items()}
