"""Implicit data, and models that are in no package."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import DataError, FlaxRecommender, ForgetRequest, IFRUConfig, ModelError, Split, fit, lightgcn, random_split, unlearn
from ifru_jax.data import sample_negatives
from ifru_jax.unlearning import IFRU
from ifru_jax.unlearning.in_parts import forget_in_parts
from tests.unlearning.conftest import CONFIG, tastes


def positives_only(seed: int = 0) -> Split:
    data = tastes(seed)
    return sample_negatives(random_split(data.select(data.labels > 0.5)))


def test_a_forgotten_positive_takes_its_negative_along():
    split = positives_only()
    trained = fit(jax.random.key(0), lightgcn(embedding_size=6, init_std=0.1), split, config=CONFIG, progress=False)
    data = trained.interactions
    place = np.flatnonzero(data.labels > 0.5)[3]
    request = ForgetRequest(pairs=np.array([[data.users[place], data.items[place]]]))
    unlearned, report = unlearn(trained, request)
    assert report.forgotten == 2
    assert data.groups[place] not in unlearned.interactions.groups


def test_a_stream_of_requests_on_implicit_data():
    split = positives_only()
    method = IFRU(lightgcn(embedding_size=6, init_std=0.1), CONFIG)
    state = method.fit(jax.random.key(0), split)
    data = state.interactions
    pairs = np.stack([data.users, data.items], axis=1)[:40]
    after, report = forget_in_parts(state, ForgetRequest(pairs=pairs), 10, method.forget)
    assert not ForgetRequest(pairs=pairs).still_in(after.interactions).pairs.size
    assert report.seconds["total"] > 0


class Towers(nn.Module):
    """A user's own model: embeddings in submodules, and shared weights on top of them."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        users = nn.Embed(self.num_users, 6, name="user")(pairs.users)
        items = nn.Embed(self.num_items, 6, name="item")(pairs.items)
        hidden = nn.tanh(nn.Dense(7, name="hidden")(jnp.concatenate([users, items], axis=1)))
        return nn.Dense(1, name="top")(hidden)[:, 0]


def test_a_model_of_ones_own_forgets_a_user():
    split = random_split(tastes())
    model = FlaxRecommender(Towers(), ("user/embedding",), ("item/embedding",))
    trained = fit(jax.random.key(0), model, split, config=CONFIG, progress=False)
    unlearned, report = unlearn(trained, users=["user-0007-secret"])
    assert report.cleared_users == 1
    assert not np.any(unlearned.params["user/embedding"][7])
    assert np.any(unlearned.params["hidden/kernel"] != trained.params["hidden/kernel"])
    with pytest.raises(DataError, match="shared parameters hidden/"):
        unlearn(trained, users=["user-0007-secret"], config=IFRUConfig(scope=(), max_edges=10))


def test_tables_that_were_not_declared_are_refused():
    with pytest.raises(ModelError, match=r"rows of the forgotten would stay.*user_tables"):
        fit(jax.random.key(0), FlaxRecommender(Towers()), random_split(tastes()), config=CONFIG, progress=False)
