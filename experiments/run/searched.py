"""Hyper-parameters for data that nobody tuned, found on its validation data before anything is compared."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax

from experiments.reporting.json_files import read_json, write_json_atomic
from experiments.run.progress import Tell
from experiments.run.setup import Setup
from ifru_jax.errors import DataError
from ifru_jax.training import TrainConfig, tuned

NAME = "tuning.json"
# Of no training that is compared.
SEED = 1000


def searched(setup: Setup, folder: Path, tell: Tell) -> Setup:
    """The setup with the hyper-parameters whose validation metric is best (`ifru_jax.training.tuning`).

    Args:
      setup: whose hyper-parameters the search starts from.
      folder: where what was tried is kept, as tuning.json; a search that is there already, of the same data, is not done again.
      tell: told what is trained.

    Raises:
      DataError: no validation data to choose by, or a file of somebody else in the place of tuning.json.
      NumericsError: no training was finite.
    """
    best, path = setup.params.best, folder / NAME
    of = hashlib.sha256(json.dumps([setup.digest, setup.model, asdict(best)], sort_keys=True).encode()).hexdigest()[:16]
    found: Any = read_json(path) if path.exists() else {}
    if not isinstance(found, dict):
        raise DataError(f"{path} is no search of ours: move it away, or give another --out.")
    if found.get("of") != of:

        @contextmanager
        def watched(config: TrainConfig) -> Iterator[None]:
            tell(f"tuning: learning rate {config.learning_rate:g}, batches of {config.batch_size}, L2 {config.reg:g}")
            yield

        model = setup.build(best.init_std)
        trained, tried = tuned(jax.random.key(SEED), model, setup.split, best.train, loss=setup.loss, watched=watched)
        found = {"of": of, "best": asdict(trained.config), "tried": [asdict(one) for one in tried]}
        write_json_atomic(path, found)
    params = replace(setup.params, best=replace(best, train=TrainConfig.of_file(found["best"])))
    return replace(setup, params=params)
