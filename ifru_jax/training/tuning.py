"""Hyper-parameters for data that nobody has tuned: a coordinate search by the validation metric. Test data is not seen.

From the configuration given, one hyper-parameter after the other is taken further up or down as long as validation gets better: how
fast (η), how many at a time (B), how much L2 (λ₂). Seven trainings at the least, twenty at the most.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import jax

from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.models import Recommender
from ifru_jax.training.fit import TrainConfig
from ifru_jax.training.losses import LossLike, bce
from ifru_jax.training.trained import Trained, train
from ifru_jax.training.validation import stopping_pairs

# What is tried, in this order: factors up and down.
TRIED = (("learning_rate", (10**0.5, 10**-0.5)), ("batch_size", (0.25, 4.0)), ("reg", (10**0.5, 10**-0.5)))
MOST_TRAININGS = 20

OnEpoch = Callable[[int, float], None] | None


@dataclass(frozen=True)
class Tried:
    """A configuration, and the best validation metric of a training by it; minus infinity where that was not finite."""

    config: TrainConfig
    metric: float


def tuned(
    key: jax.Array,
    model: Recommender,
    data: Split,
    config: TrainConfig,
    *,
    loss: LossLike = bce,
    watched: Callable[[TrainConfig], AbstractContextManager[OnEpoch]],
) -> tuple[Trained, tuple[Tried, ...]]:
    """Trains by one configuration after the other, and returns the model whose validation metric is best.

    Args:
      key, model, data, loss: see `ifru_jax.fit`; every training begins with this key.
      config: where the search starts; `epochs`, `patience`, `record` and `sparse` stay as they are.
      watched: around each training, what its epochs are told to.

    Returns:
      The best model, whose `config` is what it was trained by, and all that was tried, in order.

    Raises:
      DataError: no validation data to choose by.
      NumericsError: no training was finite.
    """
    if not stopping_pairs(data.valid, data.train).total:
        raise DataError("there is no validation data to choose by: split some off (protocol_split), or leave out tune.")
    search = _Search(lambda one, on_epoch: train(key, model, data, one, loss=loss, on_epoch=on_epoch), watched)
    best = search.run(config)
    for name, factors in TRIED:
        before = best
        for factor in factors:
            while (tried := search.run(_scaled(best.config, name, factor))).metric > best.metric:
                best = tried
            if best is not before:
                break
    if search.best is None:
        raise NumericsError("no training was finite: start the search from a smaller learning_rate.")
    return search.best, tuple(search.tried)


class _Search:
    """Trainings that were run, each once, and the best model of them."""

    def __init__(
        self, trained: Callable[[TrainConfig, OnEpoch], Trained], watched: Callable[[TrainConfig], AbstractContextManager[OnEpoch]]
    ) -> None:
        self.trained, self.watched = trained, watched
        self.tried: list[Tried] = []
        self.best: Trained | None = None

    def run(self, config: TrainConfig) -> Tried:
        """Trains, unless this was tried, or enough was."""
        if len(self.tried) >= MOST_TRAININGS:
            return Tried(config, -math.inf)
        for tried in self.tried:
            if tried.config == config:
                return tried
        found = -math.inf

        with self.watched(config) as tell:

            def on_epoch(epoch: int, metric: float) -> None:
                nonlocal found
                found = max(found, metric)
                if tell is not None:
                    tell(epoch, metric)

            try:
                model = self.trained(config, on_epoch)
            except NumericsError:
                model, found = None, -math.inf
        if model is not None and found > max((tried.metric for tried in self.tried), default=-math.inf):
            self.best = model
        self.tried.append(Tried(config, found))
        return self.tried[-1]


def _scaled(config: TrainConfig, name: str, factor: float) -> TrainConfig:
    """A hyper-parameter times a factor, to two digits; a number of interactions stays whole and at least 1."""
    value = float(f"{vars(config)[name] * factor:.2g}")
    return replace(config, **{name: max(1, round(value)) if name == "batch_size" else value})
