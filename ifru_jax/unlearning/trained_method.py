"""What the rivals share: a state that is a `Trained`, and a deletion that leaves no trace, whatever became of the parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import NumericsError
from ifru_jax.graph import TrainingSet, newly_lost
from ifru_jax.models import Params, Recommender
from ifru_jax.training import LossLike, TrainConfig, Trained, bce, train
from ifru_jax.training.objectives import squared_norm
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report


@dataclass(frozen=True)
class TrainedMethod:
    """A `Method` whose state is a `Trained`; subclasses say how to forget. Only `fit` needs `loss`: a model has its own."""

    model: Recommender
    train_config: TrainConfig
    loss: LossLike = field(default=bce, kw_only=True)

    def fit(self, key: jax.Array, data: Split) -> Trained:
        return self.prepare(train(key, self.model, data, self.train_config, loss=self.loss))

    def prepare(self, trained: Trained) -> Trained:
        """What may be done before any request comes: nothing, unless a subclass says otherwise."""
        return trained

    def score(self, state: Trained, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state.score(users, items)

    def score_grid(self, state: Trained, users: np.ndarray) -> jax.Array:
        """Logits float [b, num_items] of user rows int [b] with every item."""
        return state.score_grid(users)


@dataclass(frozen=True, eq=False)
class Deletion:
    """A request resolved.

    Attributes:
      forgotten: bool [n], which interactions go.
      retained: D_r on G_r; ids of the forgotten are erased by `finish`.
    """

    forgotten: np.ndarray
    retained: TrainingSet


def begin(trained: Trained, request: ForgetRequest, clock: Clock) -> Deletion | Report:
    """The deletion, on host and device; for an empty request the report that nothing was to be done.

    Raises:
      DataError: the request names something that isn't there, or everything.
    """
    forgotten = request.select(trained.interactions)
    if not forgotten.any():
        return Report(retained=len(trained.interactions), seconds=clock.seconds())
    retained = trained.training_set.without(forgotten)
    clock.part("graph", retained.graph, retained.examples)
    return Deletion(forgotten, retained)


def finish(
    trained: Trained, deletion: Deletion, params: Params, clock: Clock, *, keep_graph: bool = False, **evidence: Any
) -> tuple[Trained, Report]:
    """The model that serves: parameters with the rows of nodes without data set to zero, on the retained graph.

    Args:
      trained: the model before the request.
      params: what the method made of its parameters.
      clock: of the request.
      keep_graph: goes on propagating over the graph before the request.
      evidence: fields of the report.

    Raises:
      NumericsError: a parameter is not finite; nothing was changed.
    """
    retained = deletion.retained
    cleared, norm_step = _clear(trained.model, params, trained.params, retained.without_data)
    if not np.isfinite(norm_step):
        raise NumericsError(
            f"the parameters moved by {float(norm_step)}, so the model was left as it was: lower the learning rate, the budget or "
            "the number of iterations, or raise the damping."
        )
    users_lost, items_lost = newly_lost(trained.training_set, retained)
    kept = retained.without_names(trained.training_set)
    if keep_graph:
        kept = replace(kept, graph=trained.training_set.graph)
    clock.part("update", cleared)
    sides = set(trained.model.tables.values())
    report = Report(
        forgotten=int(deletion.forgotten.sum()),
        retained=len(retained),
        cleared_users=int(users_lost.sum()) if "user" in sides else 0,
        cleared_items=int(items_lost.sum()) if "item" in sides else 0,
        norm_step=float(norm_step),
        seconds=clock.seconds(),
        **evidence,
    )
    return replace(trained, params=cleared, training_set=kept), report


@partial(jax.jit, static_argnames=("model",))
def _clear(model: Recommender, params: Params, before: Params, lost: tuple[jax.Array, jax.Array]) -> tuple[Params, jax.Array]:
    """Parameters with the rows that are `lost` (bool [num_users], [num_items]) zero, and ‖θ′ − θ̂‖ before that."""
    gone = {"user": lost[0], "item": lost[1]}

    def rows(name: str) -> Any:
        if name not in model.tables:
            return params[name]
        mask = gone[model.tables[name]].reshape(-1, *[1] * (params[name].ndim - 1))
        return jnp.where(mask, 0, params[name])

    norm = jnp.sqrt(squared_norm(jax.tree.map(jnp.subtract, params, before)))
    return {name: rows(name) for name in params}, norm


def solve_evidence(solution: Any) -> dict[str, Any]:
    """The fields of a report that a solver's solution fills."""
    return {
        "num_products": int(solution.num_steps),
        "damping": float(solution.damping),
        "ritz_values": tuple(float(t) for t in np.asarray(solution.ritz_values) if np.isfinite(t)),
        "residual": float(solution.residual),
        "predicted_decrease": float(solution.predicted_decrease),
    }
