"""What Adam would have multiplied gradients by, had it never seen the forgotten data: P_r from the P that was applied.

    P_r = P / ρ,   ρ = √(v_r / v)
    v   = c E / |D| + (1 − c) (φ g² + (1 − φ) ⟨g²⟩),   c = (1 − φ) / b,   φ = (b − 1) / (|D| − 1),   b = |D| / ⌈|D| / B⌉
    E   = Σ_{z ∈ D} (∂ℓ_z)²,   g = (N / |D|) ∇L(θ_k; D, G);   v_r alike of D_r, G_r at θ_k + δ;   ⟨·⟩ a mean over a row

Adam divides by the root of v, the mean square of the gradients of minibatches drawn without replacement: their scatter, and the
square of their mean. An epoch has as few of them as have no more than B interactions, each b. Without an interaction of a rare row,
v of that row is smaller, and its other interactions push it harder; where the embeddings grow faster without what is forgotten, so
do the gradients, and Adam goes slower. v reaches as far back as β₂ remembers. A training by small batches wanders, so that the
square of one element's gradient at one place tells less of what Adam saw than that of its row does (of a shared parameter that of
all of it); one by batches of everything doesn't, and Adam makes of every element's gradient a step of one size. φ, how much of the
data a batch holds, tells the one from the other.

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
from ifru_jax.models.tables import Tables, of_bags, per_row
from ifru_jax.pytree import pytree
from ifru_jax.training import Objective
from ifru_jax.training.record import BETA_2

# Draws of signs for E. Where a user is the sum of many items, an interaction reaches all of their rows, with one sign: what a draw
# gets wrong there it gets wrong in all of them.
PROBES, PROBES_OF_BAGS = 2, 8
# v_r / v is taken to be no further from 1: a row that loses all its data is set to zero anyway.
LEAST_RATIO, MOST_RATIO = 0.05, 20.0


@pytree
class Sides:
    """The data before a request and after it, or what of them the rows that move depend on.

    Attributes:
      before, after: D on G, D_r on G_r.
      touched, replaced: of both the terms that the request touches.
      counts: |D| and |D_r|, of all the data.
      batch_size: B, interactions of a minibatch at the most.
    """

    before: Batch
    after: Batch
    touched: Batch
    replaced: Batch
    counts: tuple[jax.Array | float, jax.Array | float]
    batch_size: jax.Array | float


@pytree
class MeanSquares:
    """v and v_r, shaped like the parameters."""

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
        """ρ of every parameter."""

        def ratio(before: jax.Array, after: jax.Array) -> jax.Array:
            known = before > 0
            found = jnp.clip(after / jnp.where(known, before, 1), LEAST_RATIO, MOST_RATIO)
            return jnp.sqrt(jnp.where(known, found, 1))

        return jax.tree.map(ratio, self.before, self.after)


def age(steps: jax.Array | float) -> jax.Array:
    """How long ago, on average, was what Adam remembers of so many steps: half of them, and no more than 1 / (1 − β₂)."""
    memory = -1 / jnp.log(BETA_2)
    return memory - steps * jnp.exp(-steps / memory) / -jnp.expm1(-steps / memory)


def slope_before(objective: Objective, params: Params, sides: Sides, key: jax.Array) -> tuple[Params, Params]:
    """∇L(θ; D, G) and v there.

    E of D is that of D_r with what was touched in place of what it became, and signs are those of `slope_after`: where nothing
    differs the estimates are equal.
    """
    here, gone, new = (energy(objective, params, batch, key) for batch in (sides.after, sides.touched, sides.replaced))
    before = jax.tree.map(lambda e, g, n: e + jnp.maximum(g - n, (LEAST_RATIO - 1) * e), here, gone, new)
    gradient = objective.gradient(params, sides.before)
    return gradient, mean_square(objective, before, gradient, sides.counts[0], sides.batch_size)


def slope_after(objective: Objective, params: Params, sides: Sides, key: jax.Array) -> tuple[Params, Params]:
    """∇L(θ; D_r, G_r) and v_r there."""
    gradient, there = gradient_and_energy(objective, params, sides.after, key)
    return gradient, mean_square(objective, there, gradient, sides.counts[1], sides.batch_size)


Slope = Callable[[Objective, Params, Sides, jax.Array], tuple[Params, Params]]


def slopes(*, adaptive: bool) -> tuple[Slope, Slope]:
    """`slope_before` and `slope_after`; where P is the same whatever is seen, E is not estimated, and v is 0."""
    if adaptive:
        return slope_before, slope_after

    def before(objective: Objective, params: Params, sides: Sides, key: jax.Array) -> tuple[Params, Params]:
        return objective.gradient(params, sides.before), optax.tree.zeros_like(params)

    def after(objective: Objective, params: Params, sides: Sides, key: jax.Array) -> tuple[Params, Params]:
        return objective.gradient(params, sides.after), optax.tree.zeros_like(params)

    return before, after


def mean_square(
    objective: Objective, energy: Params, gradient: Params, count: jax.Array | float, batch_size: jax.Array | float
) -> Params:
    """v of minibatches out of so many interactions, shaped like the parameters, from E and ∇L."""
    # Of groups B is a mean, so that what divides evenly may not do so to the last digit.
    size = count / jnp.maximum(jnp.ceil(count / batch_size * (1 - 1e-6)), 1)
    whole = jnp.clip((size - 1) / jnp.maximum(count - 1, 1), 0, 1)
    scatter = (1 - whole) / size
    squares = jax.tree.map(lambda g: jnp.square(g * objective.total / count), gradient)

    def of(energy: jax.Array, each: jax.Array, row: jax.Array) -> jax.Array:
        return scatter * energy / count + (1 - scatter) * (whole * each + (1 - whole) * row)

    return jax.tree.map(of, energy, squares, row_means(objective.model.tables, squares))


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
    weights, tables = batch.examples.weights, objective.model.tables

    def added(total: Params, probe: jax.Array) -> tuple[Params, None]:
        drawn = batch.examples.drawn(signs(probe, len(weights)))
        squares = jax.tree.map(jnp.square, back(jnp.where(drawn, weights, -weights)))
        return optax.tree.add(total, row_means(tables, squares)), None

    probes = jax.random.split(key, PROBES_OF_BAGS if of_bags(tables) else PROBES)
    nothing = row_means(tables, optax.tree.zeros_like(back(weights)))
    total, _ = jax.lax.scan(added, nothing, probes)
    return optax.tree.scale(1 / len(probes), total)


def signs(key: jax.Array, count: int) -> jax.Array:
    """Random signs, bool [n], of which the first are the same for any n; one word draws thirty-two of them."""
    words = jax.random.bits(key, (-(-count // 32),), jnp.uint32)
    return ((words[:, None] >> jnp.arange(32, dtype=jnp.uint32)) & 1).astype(bool).reshape(-1)[:count]


def row_means(tables: Tables, values: Params) -> Params:
    """Means over the columns of each row, of a shared parameter over all of it; shaped to broadcast against the parameters."""

    def of(name: str) -> jax.Array:
        value = values[name]
        if name not in tables:
            return jnp.mean(value)
        return per_row(value.reshape(value.shape[0], -1).mean(axis=1), value)

    return {name: of(name) for name in values}
