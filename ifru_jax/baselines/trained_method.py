"""What the rivals share: a state that is a `Trained`, and a deletion that leaves no trace, whatever became of the parameters."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import numpy as np
import optax

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import NumericsError
from ifru_jax.graph import Change, Nodes
from ifru_jax.models import Params, Recommender, Scorer
from ifru_jax.models.tables import Rows, clear_rows
from ifru_jax.status import Status
from ifru_jax.training import LossLike, TrainConfig, Trained, bce, train
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.method import check_model
from ifru_jax.unlearning.report import Report, Scope


@dataclass(frozen=True)
class TrainedMethod:
    """A `Method` whose state is a `Trained`; subclasses say how to `change` it. Only `fit` needs `loss`: a model has its own."""

    model: Recommender
    train_config: TrainConfig
    loss: LossLike = field(default=bce, kw_only=True)

    def fit(self, key: jax.Array, data: Split) -> Trained:
        return self.prepare(train(key, self.model, data, self.train_config, loss=self.loss), data, key)

    def prepare(self, trained: Trained, data: Split, key: jax.Array) -> Trained:
        """What may be done before any request comes: nothing, unless a subclass says otherwise."""
        check_model(self.model, trained.model)
        return trained

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        """Forgets; an empty request returns the very same model."""
        check_model(self.model, state.model)
        clock = self.clock()
        change = state.resolved(request)
        if not len(change):
            return state, Report.of_nothing(len(state.interactions), clock.seconds())
        clock.part("graph", change.after.batch)
        return self.change(state, change, clock)

    def change(self, state: Trained, change: Change, clock: Clock) -> tuple[Trained, Report]:
        """Carries out a change that is not empty; ends with `finish`."""
        raise NotImplementedError(f"{type(self).__name__} has no method change(state, change, clock).")

    def clock(self) -> Clock:
        """The clock of a request."""
        return Clock()

    def served(self, state: Trained) -> Scorer:
        check_model(self.model, state.model)
        return state


def finish(
    trained: Trained, change: Change, params: Params, clock: Clock, *, status: Status, keep_graph: bool = False, **evidence: Any
) -> tuple[Trained, Report]:
    """The model that serves: parameters with the rows of nodes without data set to zero, on the retained graph.

    Args:
      trained: the model before the request.
      change: what the request does.
      params: what the method made of its parameters.
      clock: of the request.
      status: how it ended.
      keep_graph: goes on propagating over the graph before the request.
      evidence: fields of the report.

    Raises:
      NumericsError: a parameter is not finite; nothing was changed.
    """
    gone = change.without_data.users, change.without_data.items
    cleared, norm_step = _clear(trained.model, params, trained.params, gone)
    if not np.isfinite(norm_step):
        raise NumericsError(
            f"the parameters moved by {float(norm_step)}, so the model was left as it was: lower the learning rate, the budget or "
            "the number of iterations, or raise the damping."
        )
    kept = replace(change.after, graph=change.before.graph) if keep_graph else change.after
    clock.part("update", cleared)
    report = Report.of(change, status, trained.model.tables, clock.seconds(), norm_step=float(norm_step), **evidence)
    return replace(trained, params=cleared, training_set=kept), report


def all_rows(trained: Trained) -> Scope:
    """The scope of a method that may change every row."""
    return Scope.of(Nodes.everywhere(*trained.training_set.sizes))


@partial(jax.jit, static_argnames=("model",))
def _clear(model: Recommender, params: Params, before: Params, gone: Rows) -> tuple[Params, jax.Array]:
    """Parameters with the rows that are `gone` (bool [num_users], [num_items]) zero, and ‖θ′ − θ̂‖ before that."""
    return clear_rows(model.tables, params, gone), optax.tree.norm(optax.tree.sub(params, before))
