"""A small model that needs no training, its split, and a key."""

from pathlib import Path

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import Interactions, Split, Trained, mf
from ifru_jax.exact import ALS
from ifru_jax.store import ErrorBudget, Store, make_key
from ifru_jax.unlearning import Prepared
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Damping

STEP = IFRUConfig(num_steps=2)
# What a request changes of so little data is more than the default allows.
PATIENT = ErrorBudget(settle_at=None)


def prepared(data: Interactions, seed: int = 0) -> Prepared:
    """A model of random parameters that is ready for requests."""
    model = mf(embedding_size=3, init_std=0.5)
    plain = Trained.of(model, model.init(jax.random.key(seed), data.num_users, data.num_items), data)
    return Prepared(plain.objective, plain.params, plain.training_set, plain.config, step=STEP, damping=Damping(0.5, 0.4))


@pytest.fixture(scope="session")
def split() -> Split:
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(20 * 12)[:140], 12)
    data = Interactions.from_arrays(100 + users, [f"i{i}" for i in items], rng.integers(2, size=140))
    return ifru_jax.random_split(data)


@pytest.fixture(scope="session")
def observed(split) -> Split:
    """The same pairs, all of them positive."""
    return split.of_parts(lambda part: part.with_labels(np.ones(len(part), np.float32)))


@pytest.fixture(scope="session")
def trained(split) -> Prepared:
    return prepared(split.train)


@pytest.fixture(scope="session")
def key(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("operator") / "key"
    make_key(path)
    return path


@pytest.fixture
def store(tmp_path, trained, split, key):
    with Store.create(tmp_path / "shop", trained, split=split, key=key, budget=PATIENT) as found:
        yield found


@pytest.fixture
def exact_store(tmp_path, observed, key):
    """A store of alternating least squares, with a grace period."""
    model = ALS(embedding_size=3, epochs=2, sweeps=1).fit(jax.random.key(0), observed)
    with Store.create(tmp_path / "exact", model, split=observed, key=key, grace="30d") as found:
        yield found


@pytest.fixture
def forgiving(tmp_path, trained, split, key):
    """A store with a grace period."""
    with Store.create(tmp_path / "forgiving", trained, split=split, key=key, grace="30d", budget=PATIENT) as found:
        yield found
