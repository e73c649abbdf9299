"""What Adam would have multiplied gradients by, had it never seen the forgotten data: P_r from the P that was applied.

    P_r = P / ρ,   ρ = √(v_r / v)
    v   = E / (B |D|) + (1 − 1/B) g²,   E = Σ_{z ∈ D} (∂ℓ_z)²,   g = (N / |D|) ∇L(θ_k; D, G);   v_r alike of D_r, G_r at θ_k + δ

Adam divides by the root of v, the mean square of the gradients of minibatches of B interactions: their scatter, and the square of
their mean. Without an interaction of a rare row, v of that row is smaller, and its other interactions push it harder; where the
embeddings grow faster without what is forgotten, so do the gradients, and Adam goes slower. v reaches as far back as β₂ remembers,
and is one number per row (of a shared parameter one in all).

E is estimated by random signs ε: the square of ∇ Σ ε_z ℓ_z is Σ (∂ℓ_z)² on average, over signs and the columns of a row.
"""

from dataclasses import replace
from typing import Self

import jax
import jax.numpy as jnp
import optax

from ifru_jax.graph import Batch
from ifru_jax.models import Params
from ifru_jax.models.tables import Tables, per_row
from ifru_jax.pytree import pytree
from ifru_jax.training import Objective
from ifru_jax.training.record import BETA_2

# Draws of signs for E.
PROBES = 2
# v_r / v is taken to be no further from 1: a row that loses all its data is set to zero anyway.
LEAST_RATIO, MOST_RATIO = 0.05, 20.0


@pytree
class Sides:
    """The data before a request and after it, of both the terms that it touches, and B."""

    before: Batch
    after: Batch
    touched: Batch
    replaced: Batch
    batch_size: jax.Array | float


@pytree
class MeanSquares:
    """v and v_r of every row, shaped to broadcast against the parameters."""

    before: Params
    after: Params

    def then(self, now: "MeanSquares", steps: jax.Array | float) -> "MeanSquares":
        """What Adam remembers after so many steps more, with gradients as they are `now`."""
        kept = BETA_2**steps
        return jax.tree.map(lambda past, new: kept * past + (1 - kept) * new, self, now)

    @classmethod
    def none(cls, params: Params) -> Self:
        """Before the first step of a training."""
        nothing = optax.tree.zeros_like(params)
        return cls(nothing, nothing)

    @property
    def root_ratio(self) -> Params:
        """ρ of every row."""

        def ratio(before: jax.Array, after: jax.Array) -> jax.Array:
            known = before > 0
            found = jnp.clip(after / jnp.where(known, before, 1), LEAST_RATIO, MOST_RATIO)
            return jnp.sqrt(jnp.where(known, found, 1))

        return jax.tree.map(ratio, self.before, self.after)


def mean_squares(
    objective: Objective,
    places: tuple[Params, Params],
    gradients: tuple[Params, Params],
    sides: Sides,
    key: jax.Array,
) -> MeanSquares:
    """v at θ_k and v_r at θ_k + δ, the two `places`, from the gradients there.

    The signs of either are the same, so that where nothing differs the estimates are equal.
    """
    params, moved = places
    there, here = (energies(objective, at, sides.after, key) for at in (moved, params))
    gone, new = (energies(objective, params, batch, key) for batch in (sides.touched, sides.replaced))
    before = jax.tree.map(lambda e, g, n: e + jnp.maximum(g - n, (LEAST_RATIO - 1) * e), here, gone, new)

    def of(energy: Params, gradient: Params, batch: Batch) -> Params:
        count = jnp.sum(batch.examples.weights)
        mean = row_means(objective.model.tables, jax.tree.map(lambda g: jnp.square(g * objective.total / count), gradient))
        return jax.tree.map(lambda e, m: e / (sides.batch_size * count) + (1 - 1 / sides.batch_size) * m, energy, mean)

    return MeanSquares(of(before, gradients[0], sides.before), of(there, gradients[1], sides.after))


def energies(objective: Objective, params: Params, batch: Batch, key: jax.Array) -> Params:
    """E = Σ_z w_z (∂ℓ_z)², a mean over the columns of a row."""

    def one(key: jax.Array) -> Params:
        weights = batch.examples.weights * jax.random.rademacher(key, batch.examples.weights.shape, batch.examples.weights.dtype)
        signed = Batch(replace(batch.examples, weights=weights), batch.graph)
        return jax.tree.map(jnp.square, jax.grad(objective.losses)(params, signed))

    total = optax.tree.zeros_like(params)
    for probe in jax.random.split(key, PROBES):
        total = optax.tree.add(total, one(probe))
    return row_means(objective.model.tables, optax.tree.scale(1 / PROBES, total))


def row_means(tables: Tables, values: Params) -> Params:
    """Means over the columns of each row, of a shared parameter over all of it; shaped to broadcast against the parameters."""

    def of(name: str) -> jax.Array:
        value = values[name]
        if name not in tables:
            return jnp.mean(value)
        return per_row(value.reshape(value.shape[0], -1).mean(axis=1), value)

    return {name: of(name) for name in values}
