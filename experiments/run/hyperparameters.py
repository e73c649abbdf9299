"""Hyper-parameters of each data set and model: the tuned table, and defaults for data nobody tuned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    data: str, model: str, layers: int, *, objective: str = "bce", shard_configs: Path = SHARD_CONFIGS
) -> HyperParameters:
    """What was tuned for this data set and model, else the defaults, those of the model with this objective before its own."""
    label = model_label(model, layers)
    found = _table(MODEL_CONFIGS).get(data, {}).get(label)
    if found is None:
        return HyperParameters(_choice(DEFAULTS.get(f"{model}+{objective}", DEFAULTS[model])), None, None, tuned=False)
    roles = (_choice(found[role]) for role in ("best", "protocol", "fastest"))
    of_shards = _table(shard_configs).get(data, {}).get(label, {})
    return HyperParameters(*roles, tuned=True, shards={name: _choice(entry) for name, entry in of_shards.items()})


def _table(path: Path) -> dict[str, dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else {}


def _choice(entry: dict[str, Any]) -> Choice:
    options = {name: value for name, value in entry.items() if name not in ("init_std", "why")}
    return Choice(TrainConfig(**options), entry["init_std"])
