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

from dataclasses import dataclass, replace

import jax
import numpy as np

from ifru_jax.baselines.retrain import training_of
from ifru_jax.baselines.sharded.aggregation import Aggregation, aggregated, freeze
from ifru_jax.baselines.sharded.partition import PartitionBy, balanced_partition
from ifru_jax.baselines.sharded.shards import ShardedModel, fit_shards, forget_in_shards, report_of
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import ModelError
from ifru_jax.models import Params, Recommender, Scorer, Side
from ifru_jax.training import Loss, TrainConfig, Trained, bce, fit_params, train
from ifru_jax.training.validation import surviving
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.method import check_model
from ifru_jax.unlearning.report import Report, Training


@dataclass(frozen=True, eq=False)
class RecEraserState:
    """Submodels, the aggregation, and what it makes of them.

    Attributes:
      shards: the submodels.
      aggregation: its parameters Θ.
      served: the model with the aggregated tables, on all retained interactions.
    """

    shards: ShardedModel
    aggregation: Params
    served: Trained


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
        whole = train(pretrain_key, self.model, data, self._on_all, loss=self.loss)
        users, items = (self._vectors(whole.params, side) for side in ("user", "item"))
        assignment = balanced_partition(partition_key, data.train, users, items, self.num_shards, by=self.by)
        shards = fit_shards(key, self.model, data, assignment, self.train_config, loss=self.loss)
        return self._aggregate(shards, whole)[0]

    def forget(self, state: RecEraserState, request: ForgetRequest) -> tuple[RecEraserState, Report]:
        """Retrains the touched shards, then the aggregation; an empty request returns the very same state."""
        check_model(self.model, state.served.model)
        clock = Clock()
        shards, touched = forget_in_shards(state.shards, request)
        if shards is state.shards:
            return state, Report.of_nothing(len(shards.interactions), clock.seconds())
        clock.part("training", [shard.params for shard in shards.models])
        after, training = self._aggregate(shards, state.served)
        clock.part("aggregation", after.served.params)
        return after, report_of(state.shards, shards, request, touched, training=training, seconds=clock.seconds())

    def served(self, state: RecEraserState) -> Scorer:
        check_model(self.model, state.served.model)
        return state.served

    def _aggregate(self, shards: ShardedModel, like: Trained) -> tuple[RecEraserState, Training]:
        """Trains the aggregation from scratch on everything that the shards hold together; N and capacities are those of `like`."""
        submodels = [shard.params for shard in shards.models]
        options = {"config": self._on_all, "loss": self.loss, "total": like.total, "capacities": like.training_set.capacities}
        blank = Trained.of(self.model, submodels[0], shards.interactions, **options)
        aggregation = Aggregation.of(self.model, self.num_shards, submodels[0])
        graph = blank.training_set.graph
        frozen = freeze(self.model, submodels, {side: shards.known(side) for side in ("user", "item")}, graph)
        key, init_key = jax.random.split(jax.random.fold_in(shards.key, self.num_shards))
        params, history = fit_params(
            key,
            replace(blank.objective, model=aggregation),
            # Training hands the graph on to the model and never looks inside.
            replace(blank.training_set, graph=frozen),
            surviving(shards.valid, shards.interactions),
            self._on_all.unrecorded,
            initial=aggregation.initial(init_key, submodels),
        )
        served = blank.with_params(aggregated(aggregation, params, frozen))
        return RecEraserState(shards, params, served), training_of(history)

    def _vectors(self, params: Params, side: Side) -> np.ndarray:
        """All tables of a side, one beside the other."""
        names = [name for name, of in self.model.tables.items() if of == side]
        return np.concatenate([np.asarray(params[name]).reshape(params[name].shape[0], -1) for name in names], axis=1)
