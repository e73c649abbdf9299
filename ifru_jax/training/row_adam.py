"""Adam that moves the rows of a minibatch and makes up for the steps that a row has missed when its turn comes.

Adam moves every row in every step: also where a batch has nothing of it, its momentum goes on and its moments decay. An epoch of a
table much larger than a batch so costs |D| / B passes over the table. Here a row of a batch is first brought up to date: of k steps
that it missed after its step s, in which its gradient was 0,

    θ ← θ − η m̂ / (√v̂ + ε) · Σ_{j=1…k} rʲ,   m ← β₁ᵏ m,   v ← β₂ᵏ v,   r = β₁ / √β₂

and then takes Adam's step with the gradient of the batch. The sum is what Adam does in k steps, but for its bias corrections and ε,
which are those of the first of them: m̂ = m / (1 − β₁ˢ⁺¹), v̂ = v / (1 − β₂ˢ⁺¹). They change in the first steps of a training, and
hardly after 1/(1 − β₁) and 1/(1 − β₂). So v is Adam's, and what is recorded of a training (`training.record`) means the same.

L2 differs: Adam pulls at all rows in every step, here a row of a batch feels the pull of all k + 1 steps since its last turn at
once, (k + 1) λ₂ θ in m, though never beyond zero, and of one in v. Its mean is that of Adam, and v is, but for what the pull in
missed steps adds to it; what a row had missed when training ended it never feels. Rows without an interaction stay as they were
drawn. Shared parameters are moved in every step.

Sources: Kingma and Ba, "Adam" (ICLR 2015), algorithm 1. `LazyAdam` of TensorFlow leaves moments as they were at the last turn; rare
rows then move less, and the preconditioner is another. Regularisation made up for at the next turn: Carpenter, "Lazy sparse
stochastic gradient descent for regularized multinomial logistic regression" (2008).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.errors import ModelError
from ifru_jax.graph import Batch, BipartiteGraph
from ifru_jax.models import Params
from ifru_jax.models.probes import check_own_rows
from ifru_jax.models.recommender import Side
from ifru_jax.models.tables import Rows, Tables, of_side, per_row
from ifru_jax.pytree import pytree
from ifru_jax.sparse.placement import by_rows, mesh_of, on_device, over_mesh
from ifru_jax.training.batch_rows import rows_of, taken, values_at
from ifru_jax.training.objective import Objective
from ifru_jax.training.record import BETA_1, BETA_2, EPSILON, Recording

_DECAY = BETA_1 / BETA_2**0.5
Scalar = jax.Array | float


@pytree
class RowMoments:
    """Adam's state, row by row.

    Attributes:
      count: int32 [], steps taken.
      seen: int32 [num_users], [num_items]: the step of each row's last turn, 0 before the first.
      mu, nu: m and v at that step; of shared parameters, at the last.
    """

    count: jax.Array
    seen: Rows
    mu: Params
    nu: Params


def check_rows_alone(objective: Objective, params: Params, graph: BipartiteGraph) -> None:
    """Refuses what can't be trained on the rows of a batch.

    Raises:
      ModelError: scores that depend on other rows than those of their pair, or a loss that depends on others than those of its
        interactions.
    """
    model, loss, remedy = objective.model, objective.loss, "leave TrainConfig(sparse=True) out"
    if not model.tables:
        raise ModelError(f"{model!r} declares no table, so there are no rows to move alone: {remedy}.")
    if model.num_hops or model.history_length:
        raise ModelError(f"scores of {model!r} depend on more rows than those of their pairs, and all of them move: {remedy}.")
    if not loss.separable or loss.auxiliary(params, graph) is not None or loss.over_all_pairs(params) is not None:
        raise ModelError(f"{loss!r} depends on all rows, and all of them move: {remedy}.")
    check_own_rows(repr(model), model, params, graph)


def row_adam_init(params: Params, sizes: tuple[int, int], recorded: bool) -> Any:
    """The state before the first step, a `Recording` if it is to keep account; `sizes` are rows of users and of items."""
    zeros, mesh = optax.tree.zeros_like(params), mesh_of(jax.tree.leaves(params)[0])
    seen: Any = np.zeros(sizes[0], np.int32), np.zeros(sizes[1], np.int32)
    seen = on_device(seen) if mesh is None else over_mesh(seen, by_rows(mesh))
    moments = RowMoments(jnp.zeros((), jnp.int32), seen, zeros, zeros)
    return Recording(moments, zeros, zeros, zeros) if recorded else moments


def row_adam_step(
    objective: Objective, carry: tuple[Params, Any], batch: Batch, size: Scalar, learning_rate: Scalar
) -> tuple[Params, Any]:
    """One step on a batch of |D| = `size` interactions; `carry` are parameters and state."""
    params, state = carry
    moments: RowMoments = state.adam if isinstance(state, Recording) else state
    tables, count = objective.model.tables, moments.count + 1
    rows, local = rows_of(batch)
    seen = values_at(moments.seen[0], rows[0]), values_at(moments.seen[1], rows[1])
    behind = RowMoments(moments.count, seen, *(taken(tables, of, rows) for of in (moments.mu, moments.nu)))
    here, mu, nu = _up_to_date(tables, taken(tables, params, rows), behind, learning_rate)

    pull = objective.reg * objective.total / size
    steps = count.astype(jnp.result_type(float))
    gradient = jax.grad(objective.mean_loss)(here, local)
    nu = jax.tree.map(lambda v, g, p: BETA_2 * v + (1 - BETA_2) * jnp.square(g + pull * p), nu, gradient, here)
    rate = jax.tree.map(lambda v: learning_rate / (jnp.sqrt(v / (1 - BETA_2**steps)) + EPSILON), nu)
    force = {}
    for name, value in here.items():
        turns = per_row((count - of_side(seen, tables[name])).astype(value.dtype), value) if name in tables else 1
        # However long a row has waited, the pull of the steps that it missed takes it to zero and not beyond.
        pulls = jax.tree.map(lambda r, turns=turns: jnp.maximum(pull, jnp.minimum(pull * turns, 1 / r)), rate[name])
        force[name] = jax.tree.map(lambda g, a, p: g + a * p, gradient[name], pulls, value)
    mu = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, mu, force)
    here = jax.tree.map(lambda p, m, r: p - r * m / (1 - BETA_1**steps), here, mu, rate)

    def put(whole: Params, part: Params, *, add: bool = False) -> Params:
        def of(name: str) -> Any:
            if name not in tables:
                return optax.tree.add(whole[name], part[name]) if add else part[name]
            place = whole[name].at[of_side(rows, tables[name])]
            return (place.add if add else place.set)(part[name], mode="drop", unique_indices=True)

        return {name: of(name) for name in whole}

    users, items = (old.at[of].set(count, mode="drop", unique_indices=True) for old, of in zip(moments.seen, rows, strict=True))
    after = RowMoments(count, (users, items), put(moments.mu, mu), put(moments.nu, nu))
    moved = put(params, here)
    if not isinstance(state, Recording):
        return moved, after
    applied, lately = (taken(tables, of, rows) for of in (state.applied, state.lately))
    applied, lately = _came_meanwhile(tables, applied, lately, behind, learning_rate)
    force = jax.tree.map(jnp.abs, force)
    lately = jax.tree.map(lambda a, f: BETA_1 * a + (1 - BETA_1) * f, lately, force)
    applied = jax.tree.map(lambda s, a, r: s + r * a / (1 - BETA_1**steps), applied, lately, rate)
    return moved, Recording(after, put(state.applied, applied), put(state.size, force, add=True), put(state.lately, lately))


def row_adam_settled(objective: Objective, carry: tuple[Params, Any], learning_rate: Scalar) -> tuple[Params, Any]:
    """All rows up to date, as Adam would have them; the training goes on from what was given."""
    params, state = carry
    tables = objective.model.tables
    if not isinstance(state, Recording):
        return _up_to_date(tables, params, state, learning_rate)[0], state
    settled = _up_to_date(tables, params, state.adam, learning_rate)[0]
    applied, _ = _came_meanwhile(tables, state.applied, state.lately, state.adam, learning_rate)
    return settled, state._replace(applied=applied)


def _up_to_date(tables: Tables, params: Params, moments: RowMoments, learning_rate: Scalar) -> tuple[Params, Params, Params]:
    """Parameters, m and v of these rows after the steps that they missed."""
    params, mu, nu = dict(params), dict(moments.mu), dict(moments.nu)
    for name, side in tables.items():
        missed, path = _missed(side, moments, nu[name], learning_rate)
        params[name] = params[name] - path * mu[name]
        mu[name], nu[name] = BETA_1**missed * mu[name], BETA_2**missed * nu[name]
    return params, mu, nu


def _came_meanwhile(
    tables: Tables, applied: Params, lately: Params, moments: RowMoments, learning_rate: Scalar
) -> tuple[Params, Params]:
    """Σ ā η / (√v̂ + ε) and a of these rows after the steps that they missed: what |g| moves goes on as what g moves does."""
    applied, lately = dict(applied), dict(lately)
    for name, side in tables.items():
        missed, path = _missed(side, moments, moments.nu[name], learning_rate)
        applied[name] = applied[name] + path * lately[name]
        lately[name] = BETA_1**missed * lately[name]
    return applied, lately


def _missed(side: Side, moments: RowMoments, v: jax.Array, learning_rate: Scalar) -> tuple[jax.Array, jax.Array]:
    """How many steps each row missed, and by how many times its m it moves in them."""
    seen = of_side(moments.seen, side)
    missed, first = (per_row(steps.astype(v.dtype), v) for steps in (moments.count - seen, seen + 1))
    rate = learning_rate / (jnp.sqrt(v / (1 - BETA_2**first)) + EPSILON)
    return missed, rate / (1 - BETA_1**first) * _DECAY * (1 - _DECAY**missed) / (1 - _DECAY)
