"""The optimisers that a training may take its minibatches through: Adam on all parameters, and on the rows of a batch alone.

An `Optimiser` is three functions. Its state may be a `Recording`, which keeps account of what Adam does (`training.record`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from ifru_jax.graph import Batch
from ifru_jax.models import Params
from ifru_jax.training.objective import Objective
from ifru_jax.training.record import Recording, recording_adam
from ifru_jax.training.row_adam import row_adam_init, row_adam_settled, row_adam_step

Scalar = jax.Array | float


class Optimiser(NamedTuple):
    """How parameters move.

    Attributes:
      init: (parameters, rows of users and of items, recorded) → state.
      step: (objective, (parameters, state), batch of |D| interactions, |D|, learning rate) → (parameters, state).
      settled: (objective, (parameters, state), learning rate) → parameters and state as everybody else sees them; those of a
        training may have rows that wait for their turn.
    """

    init: Callable[[Params, tuple[int, int], bool], Any]
    step: Callable[[Objective, tuple[Params, Any], Batch, Scalar, Scalar], tuple[Params, Any]]
    settled: Callable[[Objective, tuple[Params, Any], Scalar], tuple[Params, Any]]


def _init(params: Params, sizes: tuple[int, int], recorded: bool) -> Any:
    return (recording_adam if recorded else optax.adam)(0.0).init(params)


def _step(objective: Objective, carry: tuple[Params, Any], batch: Batch, size: Scalar, learning_rate: Scalar) -> tuple[Params, Any]:
    params, state = carry
    adam = (recording_adam if isinstance(state, Recording) else optax.adam)(learning_rate)
    grads = jax.grad(objective.minibatch)(params, batch, size=size)
    # Optax multiplies floats by counts, which is not allowed where promotion is strict.
    with jax.numpy_dtype_promotion("standard"):
        updates, state = adam.update(grads, state, params)
    moved: Any = optax.apply_updates(params, updates)
    return moved, state


# Of every parameter in every step.
ADAM = Optimiser(_init, _step, lambda objective, carry, learning_rate: carry)
# Of the rows of a batch, and of all shared parameters.
ROW_ADAM = Optimiser(row_adam_init, row_adam_step, jax.jit(row_adam_settled))
