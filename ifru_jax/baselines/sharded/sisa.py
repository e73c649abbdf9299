"""SISA: Sharded, Isolated, Sliced, Aggregated training — here with random shards, without slices, and the mean of the scores.

    s(u, i) = (1 / K) Σ_k s_k(u, i)

Source: Bourtoule et al., "Machine Unlearning" (IEEE S&P 2021). What it leaves open for a recommender, and what was chosen: a user
or an item may be in no interaction of a shard; its row there is zero, so that the shard votes 0. (Letting such a shard abstain, and
averaging over the others, was worse: AUC .631 instead of .637 with MF on MovieLens-small, 10 shards.) Logits are averaged, not
probabilities. Slices, which trade storage for part of a shard's retraining, are left out.
Unlearning is exact: see `shards`.
"""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.baselines.sharded.partition import random_partition
from ifru_jax.baselines.sharded.shards import ShardedModel, fit_shards, forget_in_shards, report_of
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.models import Recommender, Scorer
from ifru_jax.training import Loss, TrainConfig, bce
from ifru_jax.training.trained import without_unknown
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.method import check_model
from ifru_jax.unlearning.report import Report


@dataclass(frozen=True)
class SISA:
    """SISA as a `Method`.

    Attributes:
      model: of every shard.
      train_config: of every shard.
      num_shards: K.
      loss: per-interaction loss.
    """

    model: Recommender
    train_config: TrainConfig
    num_shards: int = 10
    loss: Loss = bce

    def fit(self, key: jax.Array, data: Split) -> ShardedModel:
        # Shards fold in 0 … K − 1.
        assignment = random_partition(jax.random.fold_in(key, self.num_shards), data.train, self.num_shards)
        return fit_shards(key, self.model, data, assignment, self.train_config, loss=self.loss)

    def forget(self, state: ShardedModel, request: ForgetRequest) -> tuple[ShardedModel, Report]:
        """Retrains exactly the touched shards; an empty request returns the very same state."""
        check_model(self.model, state.models[0].model)
        clock = Clock()
        after, touched = forget_in_shards(state, request)
        if after is state:
            return state, Report.of_nothing(len(state.interactions), clock.seconds())
        clock.part("training", [shard.params for shard in after.models])
        return after, report_of(state, after, request, touched, seconds=clock.seconds())

    def served(self, state: ShardedModel) -> Scorer:
        check_model(self.model, state.models[0].model)
        return MeanScores(state)


@dataclass(frozen=True, eq=False)
class MeanScores:
    """The mean of the logits of all submodels."""

    shards: ShardedModel

    @property
    def interactions(self) -> Interactions:
        """Those of all shards together."""
        return self.shards.interactions

    def score_rows(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Logits float [n] of n pairs of rows."""
        return np.mean([shard.score_rows(users, items) for shard in self.shards.models], axis=0)

    def score_grid(self, users: np.ndarray) -> jax.Array:
        """Logits float [b, num_items] of user rows int [b] with every item; −∞ for those that no shard has an interaction of."""
        mean = jnp.mean(jnp.stack([shard.grid_logits(users) for shard in self.shards.models]), axis=0)
        return without_unknown(mean, jnp.asarray(users), self._known)

    @cached_property
    def _known(self) -> tuple[jax.Array, jax.Array]:
        return jnp.asarray(self.interactions.user_degrees() > 0), jnp.asarray(self.interactions.item_degrees() > 0)
