"""Gradient ascent: the loss of the forgotten interactions is driven up for as long as the budget lasts.

    θ ← Adam up (1/|B|) Σ_{z ∈ B} ℓ(z; θ, G_r),   B drawn from D_f

Source: "negative gradient" in Golatkar, Achille, Soatto, "Eternal sunshine of the spotless net" (CVPR 2020), a common baseline
since. Neither rate nor length is given, and the objective has no maximum: the model is unlearned first and destroyed afterwards,
with nothing in the method that says when to stop. Here optimiser, learning rate and batch size are those of training, the rule that
undoes steps at the pace at which they were made, and the budget ends it.

The loss is taken on the graph that will serve, G_r. There is no L2, which would pull at rows nobody asked about; rows further than
L edges from a forgotten interaction have no gradient and stay. Rows without data are set to zero.
"""

from dataclasses import dataclass

import jax

from ifru_jax.baselines.timed_adam import TimedMethod
from ifru_jax.baselines.trained_method import finish
from ifru_jax.graph import Batch, Change, Nodes
from ifru_jax.graph.nodes import spread
from ifru_jax.models import Params
from ifru_jax.status import Status
from ifru_jax.training import Objective, Trained
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report, Scope, Training


@dataclass(frozen=True)
class GradientAscent(TimedMethod):
    """Gradient ascent as a `Method`; `Training.num_steps` says how far it got. A correction drives up the loss of the old label."""

    @staticmethod
    def value(objective: Objective, params: Params, batch: Batch, size: jax.Array) -> jax.Array:
        return -objective.mean_loss(params, batch)

    def change(self, state: Trained, change: Change, clock: Clock) -> tuple[Trained, Report]:
        params, taken = self.steps(state, change.touched, change.after.graph, running=self.running(clock))
        clock.part("ascent", params)
        scope = Scope.of(_reached(state, change))
        return finish(state, change, params, clock, status=Status.BUDGET_SPENT, scope=scope, training=Training(taken))


def _reached(state: Trained, change: Change) -> Nodes:
    """Rows that the loss of the touched interactions depends on."""
    touched, after = change.touched, change.after
    centre = Nodes.of(touched.users, touched.items, after.sizes)
    return spread(after.edges, centre, len(after.positives), state.model.num_hops)[1]
