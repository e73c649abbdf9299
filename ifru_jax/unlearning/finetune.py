"""Fine-tuning: training goes on from θ̂, on what is retained, for as long as the budget lasts.

    θ ← Adam on (1/|B|) Σ_{z ∈ B} ℓ(z; θ, G_r) + (λ₂ N / 2|D_r|) ‖θ‖²,   B drawn from D_r

Objective, batch size, optimiser and learning rate are those of training, so that given enough time this is warm retraining; the
hope is that what is no longer rehearsed is forgotten. Adam's moments start at zero, since those of training remember what is to be
forgotten. No early stopping: the budget alone ends it, and no validation data are looked at. Source: the fine-tuning baseline of
Golatkar, Achille, Soatto, "Eternal sunshine of the spotless net" (CVPR 2020), which leaves length and rate to be chosen.

Rows without data are set to zero, where L2 would take them in the end.
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
class Finetune(TimedMethod):
    """Fine-tuning as a `Method`; `Report.num_steps` says how far it got."""

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        clock = Clock(self.now)
        deletion = begin(state, request, clock)
        if isinstance(deletion, Report):
            return state, deletion
        retained = deletion.retained
        reg = state.config.reg * state.total / len(retained)
        params, taken = self.steps(
            state, retained.interactions, retained.graph, ascent=False, reg=reg, running=self.running(clock.elapsed)
        )
        clock.part("training", params)
        data = state.interactions
        evidence = {"scope_users": data.num_users, "scope_items": data.num_items, "status": "BUDGET_SPENT", "num_steps": taken}
        return finish(state, deletion, params, clock, **evidence)
