"""Small exact models of every kind."""

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import ForgetRequest, Interactions
from ifru_jax.exact import ALS, EASE, ItemKNN

KEY = jax.random.key(3)
METHODS = {
    "als": ALS(embedding_size=4, reg=0.3, alpha=2.5, epochs=30),
    "ease": EASE(reg=3.0),
    "knn": ItemKNN(neighbours=4, shrinkage=0.5),
}


def drawn(seed=0, *, users=30, items=14, count=150):
    """Weighted interactions; the last user has an item that nobody else has."""
    rng = np.random.default_rng(seed)
    who, what = np.divmod(rng.choice(users * items, count, replace=False), items)
    who, what = np.append(who, users), np.append(what, items)
    return Interactions.from_arrays(who, what, rng.integers(1, 4, len(who)))


def fitted(method, data):
    nothing = data.select(slice(0))
    return method.fit(KEY, ifru_jax.Split(data, nothing, nothing))


def everything(model):
    users, items = (np.arange(size) for size in model.training_set.sizes)
    return model.score_rows(np.repeat(users, len(items)), np.tile(items, len(users))).reshape(len(users), -1)


@pytest.fixture(params=METHODS)
def case(request):
    data = drawn()
    method = METHODS[request.param]
    return method, fitted(method, data)


def asking(model):
    """Two users, an item and some interactions of others."""
    data = model.interactions
    rest = np.flatnonzero((data.users > 4) & (data.items != 3))[::9]
    return ForgetRequest(np.stack([data.users[rest], data.items[rest]], axis=1), np.array([1, 30]), np.array([3]))
