"""Fine-tuning: training goes on from θ̂, on what is retained, for as long as the budget lasts.

    θ ← Adam on (1/|B|) Σ_{z ∈ B} ℓ(z; θ, G_r) + (λ₂ N / 2|D_r|) ‖θ‖²,   B drawn from D_r

Objective, batch size, optimiser and learning rate are those of training, so that given enough time this is warm retraining; the
hope is that what is no longer rehearsed is forgotten. Adam's moments start at zero, since those of training remember what is to be
forgotten. No early stopping: the budget alone ends it, and no validation data are looked at. Source: the fine-tuning baseline of
Golatkar, Achille, Soatto, "Eternal sunshine of the spotless net" (CVPR 2020), which leaves length and rate to be chosen.

Rows without data are set to zero, where L2 would take them in the end.
"""

from dataclasses import dataclass

import jax

from ifru_jax.baselines.timed_adam import TimedMethod
from ifru_jax.baselines.trained_method import all_rows, finish
from ifru_jax.graph import Batch, Change
from ifru_jax.models import Params
from ifru_jax.status import Status
from ifru_jax.training import Objective, Trained
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report, Training


@dataclass(frozen=True)
class Finetune(TimedMethod):
    """Fine-tuning as a `Method`; `Training.num_steps` says how far it got."""

    @staticmethod
    def value(objective: Objective, params: Params, batch: Batch, size: jax.Array) -> jax.Array:
        return objective.minibatch(params, batch, size=size)

    def change(self, state: Trained, change: Change, clock: Clock) -> tuple[Trained, Report]:
        params, taken = self.steps(state, change.after.interactions, change.after.graph, running=self.running(clock))
        clock.part("training", params)
        scope, training = all_rows(state), Training(taken)
        return finish(state, change, params, clock, status=Status.BUDGET_SPENT, scope=scope, training=training)
