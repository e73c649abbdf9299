"""Gradient ascent: the loss of the forgotten interactions is driven up for as long as the budget lasts.

    θ ← Adam up (1/|B|) Σ_{z ∈ B} ℓ(z; θ, G_r),   B drawn from D_f

Source: Graves, Nagisetty, Ganesh, "Amnesiac machine learning" (AAAI 2021), and as NegGrad in Golatkar, Achille, Soatto (CVPR 2020),
§5. They name neither rate nor length, and the objective has no maximum: the model is unlearned first and destroyed afterwards, with
nothing in the method that says when to stop. Here optimiser, learning rate and batch size are those of training, the rule that undoes
steps at the pace at which they were made, and the budget ends it.

The loss is taken on the graph that will serve, G_r. There is no L2, which would pull at rows nobody asked about; rows without a
forgotten interaction near them have no gradient and stay. Rows without data are set to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.training import Trained
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.timed_adam import TimedMethod
from ifru_jax.unlearning.trained_method import begin, finish


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
        return finish(state, deletion, params, clock, status="BUDGET_SPENT", num_steps=taken)
