"""How far quick answers are from the whole step that will settle them, without taking it.

    r = ∇L(θ₀; D, G) − ∇L(θ; D_r, G_r),   estimate = .55 (‖M⁻¹ r‖² / λ² + ‖θ − θ₀‖²)^½

θ₀ is the model before the first of them and θ the one that answered; all of it on the rows that have data left. A whole step goes
from θ₀ for a time 1/λ along M⁻¹ times the force r, which is zero where nothing is left to do: 1/λ of M⁻¹ r is what rows would still
do if they felt all the while what they feel at the end. The force grows from zero while the rows that were asked for move, and the
flow gives way, so that the distance is about ¼ of it where the step is from the end of the training. A step along the recorded
training differs from that one by a share of θ − θ₀ itself. .55 of both together was chosen on MovieLens-small and MovieLens-100K
(docs/budget.md); how far that is from what settling finds, a store learns (`store.coverage`). It costs one gradient, where the step
costs dozens.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
import optax

from ifru_jax.graph import Batch
from ifru_jax.models import Params, Recommender
from ifru_jax.models.tables import Rows, clear_rows
from ifru_jax.pytree import pytree
from ifru_jax.training import Objective, Trained
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Prepared
from ifru_jax.unlearning.step import StepProblem, scaled, without_data

FACTOR = 0.55


@pytree
class Origin:
    """Where quick answers set out from.

    Attributes:
      params: θ₀.
      gradient: ∇L(θ₀; D, G).
    """

    params: Params
    gradient: Params

    @classmethod
    def of(cls, trained: Trained) -> Self:
        """The model before the first of them."""
        return cls(trained.params, _gradient(_objective(trained), trained.params, trained.batch))


@dataclass(frozen=True)
class Unsettled:
    """Euclidean norms, on the rows that have data left.

    Attributes:
      residual: ‖M⁻¹ r‖ / λ.
      moved: ‖θ − θ₀‖.
      size: ‖θ‖.
    """

    residual: float
    moved: float
    size: float

    @property
    def distance(self) -> float:
        """The estimate, as a share of ‖θ‖."""
        return FACTOR * (self.residual**2 + self.moved**2) ** 0.5 / self.size if self.size else 0.0


def unsettled(origin: Origin, quick: Prepared) -> Unsettled:
    """What is not settled in a model that answered quickly, since the origin."""
    norms = _norms(_of_all_rows(quick.step), _objective(quick), (origin, quick.params), quick.batch, quick.floor)
    return Unsettled(*map(float, norms))


def apart(one: Trained, other: Trained) -> float:
    """‖θ − θ′‖ on the rows that have data left in the other."""
    return float(_apart(one.model, one.params, other.params, without_data(other.batch.examples)))


def size(trained: Trained) -> float:
    """‖θ‖."""
    return float(_norm(trained.params))


def gradient_size(trained: Prepared) -> float:
    """‖M^-½ ∇L(θ; D, G)‖ on the rows that have data: what early stopping left over, and what steps added to it."""
    return float(_gradient_size(_of_all_rows(trained.step), _objective(trained), trained.params, trained.batch))


def _of_all_rows(step: IFRUConfig) -> IFRUConfig:
    """Without a scope, and without the budgets that belong to one."""
    return replace(step, scope=None, max_nodes=None, max_edges=None)


def _objective(trained: Trained) -> Objective:
    return replace(trained.objective, chunk_size="automatic")


@partial(jax.jit, static_argnums=0)
def _norms(
    config: IFRUConfig, objective: Objective, between: tuple[Origin, Params], retained: Batch, damping: jax.Array | float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    origin, params = between
    residual = optax.tree.sub(origin.gradient, objective.gradient(params, retained))
    lost = without_data(retained.examples)
    problem = scaled(config, StepProblem(objective, params, residual, retained, (~lost[0], ~lost[1]), damping))
    moved = clear_rows(objective.model.tables, optax.tree.sub(params, origin.params), lost)
    return _norm(problem.to_params(problem.rhs)) / damping, _norm(moved), _norm(params)


@partial(jax.jit, static_argnums=0)
def _gradient_size(config: IFRUConfig, objective: Objective, params: Params, batch: Batch) -> jax.Array:
    lost = without_data(batch.examples)
    gradient = objective.gradient(params, batch)
    return _norm(scaled(config, StepProblem(objective, params, gradient, batch, (~lost[0], ~lost[1]), 1.0)).rhs)


@partial(jax.jit, static_argnums=0)
def _apart(model: Recommender, params: Params, other: Params, lost: Rows) -> jax.Array:
    return _norm(clear_rows(model.tables, optax.tree.sub(params, other), lost))


def _norm(of: Params) -> jax.Array:
    return jnp.asarray(optax.tree.norm(of))


_gradient = jax.jit(Objective.gradient)
