"""Data for a device, and the models that are asked to forget."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ifru_jax.array_files import read_arrays
from ifru_jax.data import Dataset, ForgetRequest, Interactions, Split, parse_forget, protocol_split
from ifru_jax.data.synthetic import synthetic
from ifru_jax.errors import DataError
from ifru_jax.models import Recommender, lightgcn, mf
from ifru_jax.training import TrainConfig, Trained, train

# Of ml-1m.
USERS, ITEMS, COUNT = 6040, 3706, 1_000_209
WIDTH = 48
_COLUMNS = ("users", "items", "labels")


@dataclass(frozen=True)
class Plan:
    """A model, how it is trained, and the fastest training that is nearly as good; tuned for ml-1m."""

    model: Recommender
    train: TrainConfig
    fastest: TrainConfig


PLANS = {
    "mf": Plan(
        mf(embedding_size=WIDTH, init_std=1e-3),
        TrainConfig(learning_rate=1e-3, batch_size=2048, reg=5e-6, patience=10),
        TrainConfig(learning_rate=1e-3, batch_size=2048, reg=5e-6, patience=1, record=0),
    ),
    "lightgcn": Plan(
        lightgcn(embedding_size=WIDTH, num_layers=1, init_std=1e-3),
        TrainConfig(learning_rate=3e-3, batch_size=2048, reg=1.5e-6, patience=10),
        TrainConfig(learning_rate=3e-3, batch_size=8192, reg=1.5e-6, patience=1, record=0),
    ),
}


@dataclass(frozen=True)
class Workload:
    """What is measured on.

    Attributes:
      data: interactions with ratings or labels, or None for made-up ones of the size of ml-1m.
      above: ratings above are positive.
      epochs: of a training at the most.
    """

    data: Interactions | None
    above: float = 3.0
    epochs: int = 1000

    @classmethod
    def of(cls, path: Path | None, *, epochs: int = 1000) -> "Workload":
        """From a file of arrays `users`, `items` and `labels` [n] (.npz), or made up."""
        if path is None:
            return cls(None, epochs=epochs)
        if path.suffix != ".npz":
            raise DataError(f"{path}: data for a device are a .npz with users, items and labels; other files need more than JAX.")
        arrays = read_arrays(path).arrays
        if missing := [name for name in _COLUMNS if name not in arrays]:
            raise DataError(f"{path} has no array {missing[0]!r}: it needs {', '.join(_COLUMNS)}, [n] each.")
        return cls(Interactions.from_arrays(*(arrays[name] for name in _COLUMNS)), epochs=epochs)

    @cached_property
    def split(self) -> Split:
        """With 2 % label noise in its training data."""
        return replace(self._clean, train=self._attacked[0])

    @property
    def request(self) -> ForgetRequest:
        """To forget the noise."""
        return self._attacked[1]

    @cached_property
    def _clean(self) -> Split:
        if self.data is None:
            return protocol_split(Dataset("synthetic", synthetic(USERS, ITEMS, COUNT), 0.5))
        return protocol_split(Dataset("given", self.data, self.above, stable=False))

    @cached_property
    def _attacked(self) -> tuple[Interactions, ForgetRequest]:
        return parse_forget("noise:0.02")(self._clean.train)

    def config(self, plan: Plan) -> TrainConfig:
        """How its originals are trained."""
        return replace(plan.train, epochs=self.epochs)

    def trained(self, name: str) -> Trained:
        """The original model of a plan; trained once."""
        if name not in self._models:
            self._models[name] = train(jax.random.key(0), PLANS[name].model, self.split, self.config(PLANS[name]))
        return self._models[name]

    @cached_property
    def _models(self) -> dict[str, Trained]:
        return {}


def seconds(run: Callable[[], Any], *, repeats: int = 7, first: bool = False) -> np.ndarray:
    """Wall-clock seconds of each call until its result is there; the one that compiles is left out unless it alone is asked for."""
    found = []
    for _ in range(1 if first else repeats + 1):
        began = time.perf_counter()
        jax.block_until_ready(run())
        found.append(time.perf_counter() - began)
    return np.array(found if first else found[1:])
