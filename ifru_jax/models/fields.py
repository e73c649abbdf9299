"""The features of one side as fields: the row itself, how often it occurs, and what else is known of it.

    id      one embedding per row
    degree  hats over log₂(1 + d), d the edges of the row in the graph: the embeddings of the two nearest whole numbers, mixed
    others  the fields of the graph's side features

A degree is a count of the data, so it is read from the graph and never stored: with the graph of the retained interactions come
the retained degrees, and the difference that this makes is part of the spillover. Hats, not bins, so that one deletion of many
moves a feature a little instead of not at all or by a jump.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ifru_jax.models.embeddings import normal

# 2^15 edges; more count as many.
NUM_LEVELS = 16


class FieldVectors(NamedTuple):
    """One side's features, embedded.

    Attributes:
      vectors: float [rows, d] per field, Σ_j x_j v_j over the features of the field.
      linear: float [rows], Σ_j x_j w_j over all features.
      squares: float [rows], Σ_j x_j² ‖v_j‖² over all features.
    """

    vectors: tuple[jax.Array, ...]
    linear: jax.Array
    squares: jax.Array


def degree_levels(degrees: jax.Array) -> jax.Array:
    """Hats over log₂(1 + d): float [n] → [n, NUM_LEVELS], two neighbouring entries that sum to 1."""
    level = jnp.clip(jnp.log2(1 + degrees), 0, NUM_LEVELS - 1)
    return jnp.clip(1 - jnp.abs(level[:, None] - jnp.arange(NUM_LEVELS, dtype=level.dtype)), 0, 1)


class Fields(nn.Module):
    """Embeddings and weights of all features of one side; `embedding` and `weight` are its tables."""

    rows: int
    embedding_size: int
    widths: tuple[int, ...]
    init_std: float

    @nn.compact
    def __call__(self, degrees: jax.Array, features: jax.Array | None) -> FieldVectors:
        init, zeros, d = normal(self.init_std, self.embedding_size), nn.initializers.zeros, self.embedding_size
        own = self.param("embedding", init, (self.rows, d))
        weight = self.param("weight", zeros, (self.rows,))
        levels = degree_levels(degrees)
        parts = [(levels, self.param("degree_embedding", init, (NUM_LEVELS, d)), self.param("degree_weight", zeros, (NUM_LEVELS,)))]
        if self.widths:
            assert features is not None
            embeddings = self.param("field_embedding", init, (sum(self.widths), d))
            weights = self.param("field_weight", zeros, (sum(self.widths),))
            start = 0
            for width in self.widths:
                part = slice(start, start + width)
                parts.append((features[:, part], embeddings[part], weights[part]))
                start += width
        vectors, linear, squares = [own], weight, jnp.sum(own**2, axis=1)
        for x, v, w in parts:
            vectors.append(x @ v)
            linear = linear + x @ w
            squares = squares + x**2 @ jnp.sum(v**2, axis=1)
        return FieldVectors(tuple(vectors), linear, squares)


FIELD_PARAMETERS = ("degree_embedding", "field_embedding")
"""Shared parameters of `Fields` with rows of their own."""
