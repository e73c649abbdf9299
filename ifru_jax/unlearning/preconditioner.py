"""What Adam would have multiplied gradients by, had it never seen the forgotten data: P_r from the P that was applied.

    P_r = P / ρ,   ρ = √(v_r / v)
    v   = E / (B |D|) + (1 − 1/B) g²,   E = Σ_{z ∈ D} (∂ℓ_z)²,   g = (N / |D|) ∇L(θ_k; D, G);   v_r alike of D_r, G_r at θ_k + δ

Adam divides by the root of v, the mean square of the gradients of minibatches of B interactions: their scatter, and the square of
their mean. Without an interaction of a rare row, v of that row is smaller, and its other interactions push it harder; where the
embeddings grow faster without what is forgotten, so do the gradients, and Adam goes slower. v reaches as far back as β₂ remembers,
and is one number per row (of a shared parameter one in all).

E is estimated by random signs ε: the square of ∇ Σ ε_z ℓ_z is Σ (∂ℓ_z)² on average, over signs and the columns of a row.
"""

from collections.abc import Callable
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
    def none(cls, tables: Tables, params: Params) -> Self:
        """Before the first step of a training."""
        nothing = row_means(tables, optax.tree.zeros_like(params))
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
    objective: Objective, params: Params, delta: Params, sides: Sides, key: jax.Array
) -> tuple[tuple[Params, Params], MeanSquares]:
    """∇L(θ_k; D, G) and ∇L(θ_k + δ; D_r, G_r), and v and v_r there.

    The signs of either are the same, so that where nothing differs the estimates are equal.
    """
    recorded = objective.gradient(params, sides.before)
    ahead, there = gradient_and_energy(objective, optax.tree.add(params, delta), sides.after, key)
    here, gone, new = (energy(objective, params, batch, key) for batch in (sides.after, sides.touched, sides.replaced))
    before = jax.tree.map(lambda e, g, n: e + jnp.maximum(g - n, (LEAST_RATIO - 1) * e), here, gone, new)

    def of(energy: Params, gradient: Params, batch: Batch) -> Params:
        count = jnp.sum(batch.examples.weights)
        mean = row_means(objective.model.tables, jax.tree.map(lambda g: jnp.square(g * objective.total / count), gradient))
        return jax.tree.map(lambda e, m: e / (sides.batch_size * count) + (1 - 1 / sides.batch_size) * m, energy, mean)

    return (recorded, ahead), MeanSquares(of(before, recorded, sides.before), of(there, ahead, sides.after))


def energy(objective: Objective, params: Params, batch: Batch, key: jax.Array) -> Params:
    """E = Σ_z w_z (∂ℓ_z)², a mean over the columns of a row."""
    return _energy(objective, _back(objective, params, batch), batch, key)


def gradient_and_energy(objective: Objective, params: Params, batch: Batch, key: jax.Array) -> tuple[Params, Params]:
    """∇L and E at one place, from the same scores."""
    back = _back(objective, params, batch)
    beside = jax.grad(objective.beside)(params, batch.graph)
    gradient = optax.tree.add_scale(beside, 1 / objective.total, back(batch.examples.weights))
    return gradient, _energy(objective, back, batch, key)


def _back(objective: Objective, params: Params, batch: Batch) -> Callable[[jax.Array], Params]:
    """w ↦ ∇ Σ w_z ℓ_z for any weights [n]: examples are scored once."""
    outputs, pull = jax.vjp(lambda p: objective.outputs(p, batch), params)

    def back(weights: jax.Array) -> Params:
        return pull(jax.grad(objective.summed)(outputs, replace(batch.examples, weights=weights)))[0]

    return back


def _energy(objective: Objective, back: Callable[[jax.Array], Params], batch: Batch, key: jax.Array) -> Params:
    weights, squares = batch.examples.weights, []
    for probe in jax.random.split(key, PROBES):
        signs = batch.examples.drawn(jax.random.rademacher(probe, weights.shape, weights.dtype))
        squares.append(jax.tree.map(jnp.square, back(weights * signs)))
    mean = jax.tree.map(lambda *values: sum(values) / PROBES, *squares)
    return row_means(objective.model.tables, mean)


def row_means(tables: Tables, values: Params) -> Params:
    """Means over the columns of each row, of a shared parameter over all of it; shaped to broadcast against the parameters."""

    def of(name: str) -> jax.Array:
        value = values[name]
        if name not in tables:
            return jnp.mean(value)
        return per_row(value.reshape(value.shape[0], -1).mean(axis=1), value)

    return {name: of(name) for name in values}
