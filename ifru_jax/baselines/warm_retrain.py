"""Retraining from θ̂ instead of fresh parameters: the same objective on D_r, the same early stopping, a head start.

    θ' = argmin over D_r, started at θ̂ with the rows of users and items without a retained interaction set to zero

It ends where training on D_r leads from θ̂, not where it leads from nowhere: what θ̂ learned from D_f and D_r does not contradict
may stay. So it is fast and no gold standard; how complete it is has to be measured like that of every approximate method.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from ifru_jax.baselines.retrain import Retrain, RetrainState
from ifru_jax.graph import Change
from ifru_jax.models import Params
from ifru_jax.models.tables import clear_rows


@dataclass(frozen=True)
class WarmRetrain(Retrain):
    """Warm-started retraining as a `Method`; its state is that of `Retrain`. Adam starts without moments: nobody kept them."""

    def start(self, state: RetrainState, change: Change) -> Params:
        gone = jnp.asarray(change.without_data.users), jnp.asarray(change.without_data.items)
        return clear_rows(self.model.tables, state.trained.params, gone)
