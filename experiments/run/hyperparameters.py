"""Hyper-parameters of each data set and model: the tuned table, and defaults for data nobody tuned."""

from __future__ import annotations

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

# Near the best on every data set tuned so far, so a sound start on one that was not.
DEFAULTS: dict[str, dict[str, Any]] = {
    "mf": {"learning_rate": 1e-3, "batch_size": 1024, "reg": 1e-5, "init_std": 1e-3, "patience": 10},
    "lightgcn": {"learning_rate": 3e-3, "batch_size": 2048, "reg": 1e-5, "init_std": 1e-3, "patience": 10},
    # The best of two to five settings each on ml-100k; nobody searched further.
    "bias-mf": {"learning_rate": 1e-3, "batch_size": 2048, "reg": 1e-4, "init_std": 1e-2, "patience": 10},
    "gmf": {"learning_rate": 1e-3, "batch_size": 2048, "reg": 1e-4, "init_std": 1e-2, "patience": 10},
    "neumf": {"learning_rate": 1e-3, "batch_size": 2048, "reg": 1e-4, "init_std": 1e-2, "patience": 10},
    # With more regularisation, or less patience, some seeds do not leave the start.
    "neumf+bpr": {"learning_rate": 2e-3, "batch_size": 1024, "reg": 1e-5, "init_std": 1e-2, "patience": 20},
    "fm": {"learning_rate": 1e-3, "batch_size": 2048, "reg": 1e-4, "init_std": 1e-2, "patience": 10},
    "deepfm": {"learning_rate": 1e-3, "batch_size": 2048, "reg": 3e-4, "init_std": 1e-2, "patience": 10},
    "ngcf": {"learning_rate": 1e-3, "batch_size": 2048, "reg": 1e-4, "init_std": 1e-2, "patience": 10},
    "simgcl": {"learning_rate": 3e-3, "batch_size": 1024, "reg": 1e-5, "init_std": 1e-2, "patience": 10},
    "multvae": {"learning_rate": 1e-3, "batch_size": 1024, "reg": 3e-5, "init_std": 1e-2, "patience": 10},
    # The best of five; with those of cross-entropy it stays at popularity.
    "mf+full-softmax": {"learning_rate": 1e-2, "batch_size": 4096, "reg": 1e-4, "init_std": 1e-2, "patience": 10},
    # The best of three; in large batches interactions share the scores of their users.
    "multvae+full-softmax": {"learning_rate": 5e-3, "batch_size": 16_384, "reg": 1e-5, "init_std": 1e-2, "patience": 10},
    # Six settings by validation end alike; in large batches interactions share windows, which saves most of the time.
    "sasrec": {"learning_rate": 5e-3, "batch_size": 16_384, "reg": 1e-4, "init_std": 1e-2, "patience": 5},
}


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
    data: str,
    model: str,
    layers: int,
    *,
    objective: str = "bce",
    configs: Path = MODEL_CONFIGS,
    shard_configs: Path = SHARD_CONFIGS,
) -> HyperParameters:
    """What was tuned for this data set and model, else the defaults, those of the model with this objective before its own."""
    label = model_label(model, layers)
    found = _table(configs).get(data, {}).get(label)
    if found is None:
        return HyperParameters(_choice(DEFAULTS.get(f"{model}+{objective}", DEFAULTS[model])), None, None, tuned=False)
    roles = (_choice(found[role]) for role in ("best", "protocol", "fastest"))
    of_shards = _table(shard_configs).get(data, {}).get(label, {})
    return HyperParameters(*roles, tuned=True, shards={name: _choice(entry) for name, entry in of_shards.items()})


def _table(path: Path) -> dict[str, dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else {}


def _choice(entry: dict[str, Any]) -> Choice:
    options = dict(entry)
    init_std = options.pop("init_std")
    return Choice(TrainConfig(**options), init_std)
