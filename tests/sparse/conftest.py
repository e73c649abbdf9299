"""Dense twins of the sparse operations."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest

from ifru_jax.sparse import Edges, edge_scores, propagate, propagate_back


class Operations(NamedTuple):
    """The three operations; hashable, so that it may be a static argument."""

    propagate: Callable[..., jax.Array]
    propagate_back: Callable[..., jax.Array]
    edge_scores: Callable[..., jax.Array]


def _matrix(weights: jax.Array, edges: Edges) -> jax.Array:
    zeros = jnp.zeros((edges.num_rows, edges.num_cols), weights.dtype)
    return zeros.at[edges.rows, edges.cols].add(jnp.where(edges.mask, weights, 0))


def _dense_scores(a: jax.Array, b: jax.Array, edges: Edges) -> jax.Array:
    return jnp.where(edges.mask, (a @ b.T)[edges.rows, edges.cols], 0)


@pytest.fixture(scope="session")
def sparse() -> Operations:
    return Operations(propagate, propagate_back, edge_scores)


@pytest.fixture(scope="session")
def dense() -> Operations:
    return Operations(
        lambda weights, x, edges: _matrix(weights, edges) @ x,
        lambda weights, y, edges: _matrix(weights, edges).T @ y,
        _dense_scores,
    )
