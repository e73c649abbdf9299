"""The full ranking of ml-1m as read: 6,040 users, 3,706 items, seen ones left out, lists and all metrics of them."""

import jax
import numpy as np

from experiments.benchmark.figure import Figure
from experiments.run.trials import seconds_of
from ifru_jax.api import rank
from ifru_jax.data import Split, load_dataset
from ifru_jax.data.labels import binarize
from ifru_jax.models import mf
from ifru_jax.training import TrainConfig, train

REPEATS = 7


def ranking(*, target: float) -> dict[str, Figure]:
    """Warm seconds from parameters to NDCG, Recall, HR, MRR and MAP at 20 of every user; compilation is apart."""
    data = binarize(load_dataset("ml-1m").interactions, above=3.0)
    # No user or item is filtered out, so the tables are those of the file; one epoch makes scores that differ.
    places = np.split(np.random.default_rng(0).permutation(len(data)), [int(0.6 * len(data)), int(0.8 * len(data))])
    train_part, valid, test = (data.select(part) for part in places)
    split = Split(train_part, valid, test)
    trained = train(jax.random.key(0), mf(), split, TrainConfig(epochs=1))
    first, *seconds = (seconds_of(lambda: rank(trained, split.test)) for _ in range(1 + REPEATS))
    details = {"users": data.num_users, "items": data.num_items, "seconds.first_call": first}
    return {"": Figure.of(seconds, target, "s", details=details)}
