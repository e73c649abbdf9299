"""Chooses hyper-parameters by validation AUC; test data is never read.

    python -m experiments.tuning models --data ml-100k --model mf                  # appends to results/tuning.jsonl
    python -m experiments.tuning models --write                                    # chooses: configs/hyperparameters.json
    python -m experiments.tuning shards --data ml-100k --model mf --method sisa    # appends to results/tuning_shards.jsonl
    python -m experiments.tuning shards --write                                    # chooses: configs/shards.json

A coordinate search of one data set and model: about fifty trainings on small data, two dozen on large; ten to twenty of shards. How
long one takes was not recorded: tens of minutes to hours. One that was cut off goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from experiments.run.command_line import command
from experiments.run.compilation_cache import use_compilation_cache
from experiments.run.models import LAYERED, ModelName
from experiments.tuning import shards, whole_models
from experiments.tuning.search import search
from ifru_jax.errors import DataError


@dataclass(frozen=True)
class Models:
    """What models of the comparison and the two baselines of speed are trained with.

    Attributes:
      data: data set to search on; "" searches nothing.
      model: what is trained.
      layers: of the models that propagate.
      write: choose from all trainings and write configs/hyperparameters.json.
    """

    data: str = ""
    model: ModelName = "mf"
    layers: int = 1
    write: bool = False


@dataclass(frozen=True)
class Shards:
    """What the methods that train submodels on shards train them with.

    Attributes:
      data: data set to search on; "" searches nothing.
      model: what is trained.
      layers: of the models that propagate.
      method: sisa or receraser.
      write: choose from all finished searches and write configs/shards.json.
    """

    data: str = ""
    model: ModelName = "mf"
    layers: int = 1
    method: str = "sisa"
    write: bool = False


def tune(options: Models | Shards) -> None:
    """Searches, writes, or both."""
    if not options.data and not options.write:
        raise DataError("nothing to do: give --data to search, --write to choose from what was found, or both.")
    of_shards = isinstance(options, Shards)
    if options.data:
        use_compilation_cache()
        layers = options.layers if options.model in LAYERED else 0
        if of_shards:
            search(shards.subject(options.data, options.model, layers, options.method))
        else:
            search(whole_models.subject(options.data, options.model, layers))
    if options.write:
        (shards if of_shards else whole_models).write_configs()


if __name__ == "__main__":
    kinds = Annotated[Models, tyro.conf.subcommand("models")] | Annotated[Shards, tyro.conf.subcommand("shards")]
    command(tune, kinds, __doc__)
