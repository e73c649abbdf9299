"""Files as other systems write them, small ones."""

import numpy as np
import pytest

from ifru_jax import Interactions


def drawn(seed=0, users=40, items=25, count=300):
    """Positives with weights; ids in another order than rows of sources have."""
    rng = np.random.default_rng(seed)
    who, what = np.divmod(rng.choice(users * items, count, replace=False), items)
    return Interactions(who, what, rng.integers(1, 4, count), users, items)


@pytest.fixture(scope="session")
def data():
    return drawn()
