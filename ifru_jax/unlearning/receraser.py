"""RecEraser: shards of similar users, items or interactions, and attention over the submodels.

    pre-train → partition by embeddings → train every shard → train the aggregation
    forget: retrain the touched shards → retrain the aggregation on what is retained

Source: Chen et al., "Recommendation Unlearning" (WWW 2022, arXiv 2201.06820); see `partition` and `aggregation` for both parts and
for what was chosen where the paper is open. Interaction-based shards are the default, as in the
paper's main comparison.

The embeddings that decide the partition are pre-trained on all data (by weighted MF in the paper, here by the model that is
sharded) and thrown away once the data are partitioned. Forgetting does not change the partition: where a retained interaction lies
still depends on data that were later forgotten. That is so in the paper too; everything that is trained is free of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import ModelError
from ifru_jax.graph import BipartiteGraph
from ifru_jax.models import Params, Recommender, Side
from ifru_jax.training import Loss, TrainConfig, Trained, bce, fit_params, training_set_for
from ifru_jax.unlearning.aggregation import Aggregation, aggregated, freeze
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.partition import PartitionBy, balanced_partition
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.retrain import surviving
from ifru_jax.unlearning.shards import Shards, cleared_rows, fit_shards, forget_in_shards


@dataclass(frozen=True, eq=False)
class RecEraserState:
    """Submodels, the aggregation, and what it makes of them.

    Attributes:
      shards: the submodels.
      aggregation: its parameters Θ.
      served: the model with the aggregated tables, on all retained interactions.
      valid_metric: best validation metric of the aggregation.
    """

    shards: Shards
    aggregation: Params
    served: Trained
    valid_metric: float


@dataclass(frozen=True)
class RecEraser:
    """RecEraser as a `Method`.

    Attributes:
      model: of every shard; it has a table of users and one of items.
      train_config: of every shard.
      whole_config: of pre-training and of the aggregation, which see all data and want other hyper-parameters than a shard; None
        takes `train_config`.
      num_shards: K.
      by: "interaction" (InBP in the paper), "user" (UBP) or "item" (IBP).
      loss: per-interaction loss.
    """

    model: Recommender
    train_config: TrainConfig
    num_shards: int = 10
    by: PartitionBy = "interaction"
    loss: Loss = bce
    whole_config: TrainConfig | None = None

    def __post_init__(self) -> None:
        if set(self.model.tables.values()) != {"user", "item"}:
            raise ModelError(
                f"the tables of the model are {dict(self.model.tables)}: RecEraser partitions by embeddings of users and of items, "
                "declare a table of each."
            )

    @property
    def _on_all(self) -> TrainConfig:
        return self.train_config if self.whole_config is None else self.whole_config

    def fit(self, key: jax.Array, data: Split) -> RecEraserState:
        # Shards fold in 0 … K − 1, the aggregation K.
        partition_key, pretrain_key = (jax.random.fold_in(key, self.num_shards + place) for place in (1, 2))
        whole = training_set_for(self.model, self.loss, data.train)
        pretrained, _ = fit_params(pretrain_key, self.model, whole, data.valid, self._on_all, loss=self.loss)
        assignment = balanced_partition(
            partition_key,
            data.train,
            self._vectors(pretrained, "user"),
            self._vectors(pretrained, "item"),
            self.num_shards,
            by=self.by,
        )
        shards = fit_shards(key, self.model, data, assignment, self.train_config, loss=self.loss, num_shards=self.num_shards)
        return self._aggregate(shards, (whole.examples.labels.shape[0], whole.graph.edges.capacity), total=len(data.train))

    def forget(self, state: RecEraserState, request: ForgetRequest) -> tuple[RecEraserState, Report]:
        """Retrains the touched shards, then the aggregation; an empty request returns the very same state."""
        clock = Clock()
        shards, touched = forget_in_shards(state.shards, request)
        if shards is state.shards:
            return state, Report(retained=len(shards.interactions), shards=self.num_shards, seconds=clock.seconds())
        clock.part("training", [shard.params for shard in shards.models])
        whole = state.served.training_set
        after = self._aggregate(shards, (whole.examples.labels.shape[0], whole.graph.edges.capacity), total=state.served.total)
        clock.part("aggregation", after.served.params)
        users, items = cleared_rows(state.shards, shards)
        report = Report(
            forgotten=len(state.shards.interactions) - len(shards.interactions),
            retained=len(shards.interactions),
            cleared_users=users,
            cleared_items=items,
            status="RETRAINED",
            shards=self.num_shards,
            shards_retrained=int(touched.sum()),
            valid_metric=after.valid_metric,
            seconds=clock.seconds(),
        )
        return after, report

    def score(self, state: RecEraserState, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state.served.score(users, items)

    def score_grid(self, state: RecEraserState, users: np.ndarray) -> jax.Array:
        """Logits float [b, num_items] of user rows int [b] with every item."""
        return state.served.score_grid(users)

    def _aggregate(self, shards: Shards, capacities: tuple[int, int], *, total: int) -> RecEraserState:
        """Trains the aggregation from scratch on everything that the shards hold together."""
        capacity, graph_capacity = capacities
        whole = training_set_for(self.model, self.loss, shards.interactions, capacity=capacity, graph_capacity=graph_capacity)
        submodels = [shard.params for shard in shards.models]
        aggregation = Aggregation.of(self.model, self.num_shards, submodels[0])
        frozen = freeze(self.model, submodels, {side: shards.known(side) for side in ("user", "item")}, whole.graph)
        key, init_key = jax.random.split(jax.random.fold_in(shards.key, self.num_shards))
        params, history = fit_params(
            key,
            aggregation,
            # Training hands the graph on to the model and never looks inside.
            replace(whole, graph=cast(BipartiteGraph, frozen)),
            surviving(shards.valid, shards.interactions),
            self._on_all,
            loss=self.loss,
            total=total,
            initial=aggregation.initial(init_key, submodels),
        )
        served = Trained(
            self.model, aggregated(aggregation, params, frozen), whole, total, self._on_all, self.loss, history.num_steps
        )
        return RecEraserState(shards, params, served, max(history.valid_metric))

    def _vectors(self, params: Params, side: Side) -> np.ndarray:
        """All tables of a side, one beside the other."""
        names = [name for name, of in self.model.tables.items() if of == side]
        return np.concatenate([np.asarray(params[name]).reshape(params[name].shape[0], -1) for name in names], axis=1)
