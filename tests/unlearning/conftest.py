"""A small recommender that was really trained, on generated tastes."""

import logging

import jax
import numpy as np
import pytest

from ifru_jax import ForgetRequest, Interactions, TrainConfig, drop_duplicates, lightgcn, mf, random_split
from ifru_jax.graph import Batch
from ifru_jax.training import train
from ifru_jax.unlearning import prepare
from ifru_jax.unlearning.preconditioner import Sides

NUM_USERS, NUM_ITEMS = 40, 50
CONFIG = TrainConfig(learning_rate=1e-2, batch_size=128, reg=1e-4, epochs=40)


def tastes(seed: int = 0) -> Interactions:
    """Two groups of users with opposite tastes, some noise; string ids so that files can be searched for them."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, NUM_USERS, 1200), rng.integers(0, NUM_ITEMS, 1200)
    likes = ((users % 2) == (items % 2)) ^ (rng.random(1200) < 0.1)
    names = [f"user-{u:04d}-secret" for u in users], [f"item-{i:04d}-secret" for i in items]
    return drop_duplicates(Interactions.from_arrays(*names, likes, keep_duplicates=True))


@pytest.fixture(scope="session")
def split():
    return random_split(tastes(), stable=False)


@pytest.fixture(scope="session", params=["mf", "lightgcn-2"])
def trained(request, split):
    models = {
        "mf": mf(embedding_size=6, init_std=0.1),
        "lightgcn-2": lightgcn(num_layers=2, embedding_size=6, init_std=0.1),
    }
    return prepare(train(jax.random.key(0), models[request.param], split, CONFIG))


class _Compilations:
    """Collects what XLA compiles meanwhile."""

    def __enter__(self):
        self.names = []
        self.handler = logging.Handler()
        self.handler.emit = lambda record: self.names.append(record.getMessage()) if "Compiling" in record.msg else None
        logging.getLogger("jax").addHandler(self.handler)
        jax.config.update("jax_log_compiles", True)
        return self.names

    def __exit__(self, *_):
        jax.config.update("jax_log_compiles", False)
        logging.getLogger("jax").removeHandler(self.handler)


@pytest.fixture
def compilations():
    return _Compilations


def some(trained, count, seed=0):
    data = trained.interactions
    places = np.random.default_rng(seed).choice(len(data), count, replace=False)
    return ForgetRequest(pairs=np.stack([data.users[places], data.items[places]], axis=1))


def sides_of(change, batch_size=128.0):
    touched, replaced = change.touched_examples
    before, after = change.before.batch, change.after.batch
    return Sides(before, after, Batch(touched, before.graph), Batch(replaced, after.graph), change.counts, batch_size)
