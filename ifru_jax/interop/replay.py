"""A record for a model that comes without one: its training goes on here for a while, and what Adam does is measured.

    θ_k = s_k θ̂,  s = 1/6, 1/2, 5/6;   P_k of some epochs from θ_k on;   n_k = a third of the steps of the source's training

A request then follows this record (`unlearning.along`) in place of reading all off the end: for how long the forgotten interactions
pushed and how far Adam let each row go are known and not guessed. The way that the training took is not known; the straight one
from 0 to θ̂ stands for it. So it is for matrix factorisation that Adam trained: of plain gradient descent there is no P, and
networks and LightGCN ended no closer to retraining than without, or further from it (docs/how-to/import.md).

The price is epochs of training here: three times `epochs_here`.
"""

import warnings
from dataclasses import dataclass, fields

import jax
import numpy as np

from ifru_jax.errors import DataError, DataWarning, check_kind, check_number, check_whole
from ifru_jax.training import TrainConfig, Trained
from ifru_jax.training.fit import fit_params
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import Prepared, prepare

PLACES = (1 / 6, 1 / 2, 5 / 6)


@dataclass(frozen=True)
class Replay:
    """How the source trained, by Adam.

    Attributes:
      learning_rate: of Adam.
      batch_size: positives per step.
      epochs: that it trained for.
      epochs_here: from each of the places on.
    """

    learning_rate: float
    batch_size: int
    epochs: int
    epochs_here: int = 3

    def __post_init__(self) -> None:
        check_number(self, *(one.name for one in fields(self)))
        check_whole(self, "batch_size", "epochs", "epochs_here")
        for one in fields(self):
            if not getattr(self, one.name) > 0:
                raise DataError(f"{one.name} is {getattr(self, one.name)}: it must be positive.")


def replayed(trained: Trained, training: Replay, *, seed: int = 0) -> Prepared:
    """The same model, with a record for requests to follow.

    Args:
      trained: a model that came in.
      training: how its source trained.
      seed: of the batches.

    Raises:
      DataError: an exact model, or another kind of thing.
      NumericsError: the training diverged; the learning rate is not the source's.

    Warns:
      DataWarning: the model has other parameters than tables, or propagates.
    """
    check_kind("trained", trained, Trained, "give a model that came in with an objective; exact models need no record")
    check_kind("training", training, Replay, "say how its source trained by Replay(…)")
    shared = sorted(trained.params.keys() - trained.model.tables.keys())
    if shared or trained.model.num_hops:
        found = f"has parameters beside its tables ({shared[0]}, …)" if shared else "propagates"
        warnings.warn(
            f"{trained.model!r} {found}: following a replay took such models no closer to retraining, or further from it. Answer "
            "requests without it, or compare both.",
            DataWarning,
            stacklevel=2,
        )
    data = trained.interactions
    positives = len(data) if data.groups is None else len(np.unique(data.groups))
    batch, nobody = max(1, training.batch_size * len(data) // positives), data.select(np.zeros(0, np.int64))
    config = TrainConfig(
        learning_rate=training.learning_rate, batch_size=batch, reg=trained.config.reg, epochs=training.epochs_here, record=1
    )
    steps = training.epochs * -(-positives // training.batch_size) / len(PLACES)
    segments = []
    for place, share in enumerate(PLACES):
        start = jax.tree.map(lambda value, share=share: share * value, trained.params)
        key = jax.random.fold_in(jax.random.key(seed), place)
        _, history = fit_params(key, trained.objective, trained.training_set, nobody, config, initial=start)
        assert history.record is not None
        segments.append(Segment(start, history.record.segments[0].applied, steps))
    # Where it would have stopped is not asked: the number of epochs was given.
    return prepare(trained).with_record(Record(tuple(segments), batch, nobody))
