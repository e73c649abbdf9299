"""The step along the training: from its record, segment by segment, to where it would have gone without what is forgotten.

    δ ← 0;  for k = 1 … K:   b_k = ∇L(θ_k; D, G) − ∇L(θ_k; D_r, G_r),   S_k = (n_k P_k)^½
                             δ ← δ + S_k f(S_k H_k S_k) S_k (b_k − H_k δ),   f(t) = (1 − e^{−|t|}) / |t|

In segment k, of n_k steps, the training is a gradient flow in the metric of its preconditioner P_k. Under a lasting change b_k of
the force, and with H_k what brings two trainings together or apart, their difference grows as the filter f says: no damping is
chosen, since time and metric were measured. Along negative curvature, which only a flow that goes on for ever would grow along
without bound, |t| takes the place of t. Sources: Bae et al., "Training data attribution via approximate unrolling" (NeurIPS
2024), segments and their filter; Hara et al., "Data cleansing for models trained with SGD" (NeurIPS 2019), influence along a
training.

**Adam divides by the gradients it saw**, so that without an interaction the others of its rows push harder:

    P_r = P / √(1 − φ),   φ = Σ_{z ∈ D_f} (∂ℓ_z)² / Σ_{z ∈ D} (∂ℓ_z)²   per row

φ is estimated by random signs ε: the square of ∇ Σ ε_z ℓ_z is Σ (∂ℓ_z)² on average, over signs and the columns of a row.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import optax

from ifru_jax.graph import Batch, Change
from ifru_jax.influence import right_hand_side, touched_terms
from ifru_jax.models import Params
from ifru_jax.models.tables import clear_rows, per_row
from ifru_jax.solvers import Solution, spectral_step
from ifru_jax.training import Objective
from ifru_jax.training.record import Segment
from ifru_jax.unlearning.step import scaled_problem, without_data

# Draws of signs for φ.
PROBES = 4
# φ is never taken to be nearer to 1: a row that loses all its data is set to zero anyway.
MOST_SHARE = 0.95


def along_training(
    objective: Objective, record: tuple[Segment, ...], change: Change, *, num_steps: int = 5
) -> tuple[Params, tuple[Segment, ...], Solution]:
    """Where the training would have gone without what is forgotten, or with labels set right.

    Args:
      objective: L.
      record: of the training on `change.before`, at least one segment.
      change: D, G and D_r, G_r.
      num_steps: products per segment; one more is taken, for H δ.

    Returns:
      δ at the end of the training; the record that it would have had, without a trace of rows that are left without data; and the
      evidence of the last solve, with the products of all.
    """
    delta, found, solution = optax.tree.zeros_like(record[0].params), [], None
    touched, _ = touched_terms(change)
    parts = Batch(touched, change.before.graph), change.before.batch
    gone = without_data(change.after.examples)
    for number, segment in enumerate(record):
        share = forgotten_share(objective, segment.params, *parts, jax.random.key(number))
        applied = jax.tree.map(lambda p, s: p / jnp.sqrt(1 - s), segment.applied, share)
        before = delta
        delta, solution = follow_segment(objective, replace(segment, applied=applied), change, delta, num_steps=num_steps)
        # The middle of the segment has moved about half as far as its ends have together.
        middle = jax.tree.map(lambda p, a, b: p + 0.5 * (a + b), segment.params, before, delta)
        tables = objective.model.tables
        found.append(Segment(clear_rows(tables, middle, gone), clear_rows(tables, applied, gone), segment.steps))
    assert solution is not None
    return delta, tuple(found), replace(solution, num_steps=jnp.asarray(len(record) * (num_steps + 1)))


def follow_segment(
    objective: Objective, segment: Segment, change: Change, delta: Params, *, num_steps: int
) -> tuple[Params, Solution]:
    """δ at the end of a segment, from δ at its beginning."""
    rhs, _ = right_hand_side(objective, segment.params, change)
    return _step(num_steps, objective, segment, rhs, delta, change.after.batch)


@partial(jax.jit, static_argnums=0)
def _step(
    num_steps: int, objective: Objective, segment: Segment, rhs: Params, delta: Params, retained: Batch
) -> tuple[Params, Solution]:
    """δ + S f(S H S) S (b − H δ)."""
    product = objective.hessian_product(segment.params, retained)
    scale = jax.tree.map(lambda p: jnp.sqrt(segment.steps * p), segment.applied)
    problem = scaled_problem(product, optax.tree.sub(rhs, product(delta)), scale)
    # The filter of gradient flow for a time of 1.
    solution = spectral_step(num_steps=num_steps)(problem.product, problem.rhs, floor=1.0, damping=1.0)
    return optax.tree.add(delta, problem.to_params(solution.solution)), solution


@jax.jit
def forgotten_share(objective: Objective, params: Params, touched: Batch, whole: Batch, key: jax.Array) -> Params:
    """φ of every row, shaped to broadcast against the parameters; of shared ones one number."""
    gone, everything = (_energy(objective, params, batch, key) for batch in (touched, whole))
    return jax.tree.map(lambda g, e: jnp.clip(g / jnp.maximum(e, jnp.finfo(e.dtype).tiny), 0, MOST_SHARE), gone, everything)


def _energy(objective: Objective, params: Params, batch: Batch, key: jax.Array) -> Params:
    """Σ_z w_z (∂ℓ_z)², a mean over the columns of a row."""

    def one(key: jax.Array) -> Params:
        weights = batch.examples.weights * jax.random.rademacher(key, batch.examples.weights.shape, batch.examples.weights.dtype)
        signed = Batch(replace(batch.examples, weights=weights), batch.graph)
        return jax.tree.map(jnp.square, jax.grad(objective.losses)(params, signed))

    total = optax.tree.zeros_like(params)
    for probe in jax.random.split(key, PROBES):
        total = optax.tree.add(total, one(probe))
    tables = objective.model.tables

    def of_row(name: str) -> jax.Array:
        value = total[name]
        if name not in tables:
            return jnp.mean(value)
        rows = value.reshape(value.shape[0], -1).mean(axis=1)
        return per_row(rows, value)

    return {name: of_row(name) for name in total}
