"""Gradient ascent: the loss of the forgotten interactions is driven up for as long as the budget lasts.

    θ ← Adam up (1/|B|) Σ_{z ∈ B} ℓ(z; θ, G_r),   B drawn from D_f

Source: "negative gradient" in Golatkar, Achille, Soatto, "Eternal sunshine of the spotless net" (CVPR 2020), a common baseline
since. Neither rate nor length is given, and the objective has no maximum: the model is unlearned first and destroyed afterwards,
with nothing in the method that says when to stop. Here optimiser, learning rate and batch size are those of training, the rule that
undoes steps at the pace at which they were made, and the budget ends it.

The loss is taken on the graph that will serve, G_r. There is no L2, which would pull at rows nobody asked about; rows further than
L edges from a forgotten interaction have no gradient and stay. Rows without data are set to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.graph.neighbourhood import Nodes, ball, endpoints
from ifru_jax.training import Trained
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.timed_adam import TimedMethod
from ifru_jax.unlearning.trained_method import Deletion, begin, finish


@dataclass(frozen=True)
class GradientAscent(TimedMethod):
    """Gradient ascent as a `Method`; `Report.num_steps` says how far it got."""

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        clock = Clock(self.now)
        deletion = begin(state, request, clock)
        if isinstance(deletion, Report):
            return state, deletion
        gone = state.interactions.select(deletion.forgotten)
        params, taken = self.steps(state, gone, deletion.retained.graph, ascent=True, reg=0.0, running=self.running(clock.elapsed))
        clock.part("ascent", params)
        reached = self._reached(state, gone, deletion)
        rows = {"scope_users": int(reached.users.sum()), "scope_items": int(reached.items.sum())}
        return finish(state, deletion, params, clock, keep_graph=False, status="BUDGET_SPENT", num_steps=taken, **rows)

    def _reached(self, state: Trained, gone: Interactions, deletion: Deletion) -> Nodes:
        """Rows that the loss of the forgotten depends on."""
        left = deletion.retained.interactions
        edges = left.select(left.labels > 0.5)
        centre = endpoints(gone.users, gone.items, num_users=gone.num_users, num_items=gone.num_items)
        return ball(centre, edges.users, edges.items, state.model.num_hops)
