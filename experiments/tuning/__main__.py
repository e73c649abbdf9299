"""Chooses hyper-parameters by validation AUC; test data is never read.

    python -m experiments.tuning models --data ml-100k --model mf                  # appends to results/tuning.jsonl
    python -m experiments.tuning models --write                                    # chooses: configs/hyperparameters.json
    python -m experiments.tuning shards --data ml-100k --model mf --method sisa    # appends to results/tuning_shards.jsonl
    python -m experiments.tuning shards --write                                    # chooses: configs/shards.json

A coordinate search of one data set and model: about fifty trainings on small data, two dozen on large; ten to twenty of shards. How
long one takes was not recorded: tens of minutes to hours. One that was cut off goes on where it stopped.
"""

from typing import Literal

import tyro

from experiments.run.command_line import command
from experiments.run.models import LAYERED, ModelName
from experiments.tuning import shards, whole_models
from experiments.tuning.search import search
from ifru_jax.compiled import keep_compiled
from ifru_jax.errors import DataError


def tune(
    what: tyro.conf.Positional[Literal["models", "shards"]],
    data: str = "",
    model: ModelName = "mf",
    layers: int = 1,
    method: str = "sisa",
    write: bool = False,
) -> None:
    """Searches, chooses, or both.

    Args:
      what: models of the comparison with the two baselines of speed, or the shards of the methods that train submodels.
      data: data set to search on; "" searches nothing.
      model: what is trained.
      layers: of the models that propagate.
      method: whose shards: sisa or receraser.
      write: choose from all trainings so far and write the table in configs.
    """
    if not data and not write:
        raise DataError("nothing to do: give --data to search, --write to choose from what was found, or both.")
    if data:
        keep_compiled()
        cell = (data, model, layers if model in LAYERED else 0)
        search(whole_models.subject(*cell) if what == "models" else shards.subject(*cell, method))
    if write:
        (whole_models if what == "models" else shards).write_configs()


if __name__ == "__main__":
    command(tune, __doc__)
