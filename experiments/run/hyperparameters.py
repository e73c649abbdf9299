"""Hyper-parameters of each data set and model: the tuned table, and defaults for data nobody tuned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments import CONFIGS
from ifru_jax.training import TrainConfig

# What `experiments.tuning` chose.
MODEL_CONFIGS, SHARD_CONFIGS = CONFIGS / "hyperparameters.json", CONFIGS / "shards.json"
# Whose shards are trained alike where only the second was searched.
SAME_SHARDS = {"receraser": "sisa"}

# Of models, and of models with an objective, for data that nobody tuned; each says why.
DEFAULTS: dict[str, dict[str, Any]] = json.loads((CONFIGS / "defaults.json").read_text())
# Interactions above which the defaults have batches of this size at least: thousands of steps an epoch, each of which goes over
# whole tables, take hours. Adam's rate goes with the square root of the batch (Malladi et al. 2022, arXiv 2205.10287).
LARGE, LARGE_BATCH = 1_000_000, 16_384


@dataclass(frozen=True)
class Choice:
    """How to train in one role.

    Attributes:
      train: hyper-parameters of training.
      init_std: standard deviation of the initialisation.
    """

    train: TrainConfig
    init_std: float


@dataclass(frozen=True)
class HyperParameters:
    """The three roles of docs, "Honest figures".

    Attributes:
      best: what the comparison trains.
      protocol, fastest: the two baselines of speed; None for untuned data, where nobody knows them.
      tuned: False for the defaults.
      shards: of the methods that train submodels on shards, by their names; none for untuned data.
    """

    best: Choice
    protocol: Choice | None
    fastest: Choice | None
    tuned: bool
    shards: Mapping[str, Choice] = field(default_factory=dict)

    def of(self, method: str) -> Choice:
        """What a method trains its own models with; where nobody searched it, RecEraser's shards as those of SISA, and `best` for
        any other, and for ""."""
        return self.shards.get(method) or self.shards.get(SAME_SHARDS.get(method, ""), self.best)


def model_label(model: str, layers: int) -> str:
    """ "mf", "lightgcn-2": how a model is called in tables."""
    return f"{model}-{layers}" if layers else model


def hyper_parameters(
    data: str, model: str, layers: int, *, objective: str = "bce", interactions: int = 0, shard_configs: Path = SHARD_CONFIGS
) -> HyperParameters:
    """What was tuned for this data set and model, else the defaults, those of the model with this objective before its own.

    Args:
      data, model, layers, objective: what is trained.
      interactions: to train on; see `LARGE`.
      shard_configs: what was tuned for shards.
    """
    label = model_label(model, layers)
    found = _table(MODEL_CONFIGS).get(data, {}).get(label)
    if found is None:
        default = _choice(DEFAULTS.get(f"{model}+{objective}", DEFAULTS[model]))
        return HyperParameters(_for_size(default, interactions), None, None, tuned=False)
    roles = (_choice(found[role]) for role in ("best", "protocol", "fastest"))
    of_shards = _table(shard_configs).get(data, {}).get(label, {})
    return HyperParameters(*roles, tuned=True, shards={name: _choice(entry) for name, entry in of_shards.items()})


def _for_size(choice: Choice, interactions: int) -> Choice:
    train, times = choice.train, LARGE_BATCH / choice.train.batch_size
    if interactions <= LARGE or times <= 1:
        return choice
    return replace(choice, train=replace(train, learning_rate=train.learning_rate * times**0.5, batch_size=LARGE_BATCH))


def _table(path: Path) -> dict[str, dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else {}


def _choice(entry: dict[str, Any]) -> Choice:
    options = {name: value for name, value in entry.items() if name not in ("init_std", "why")}
    return Choice(TrainConfig(**options), entry["init_std"])
