"""Models and losses that are in no package, from training to a saved model that has forgotten."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ifru_jax import FlaxRecommender, IFRUConfig, ModelError, bpr, evaluate, fit, from_nnx, load, random_split, save, unlearn
from ifru_jax.data import parse_forget, sample_negatives
from ifru_jax.data.side_features import SideFeatures
from ifru_jax.graph import inner_products
from ifru_jax.training import WithAuxiliary, training_set_for, wmse
from ifru_jax.unlearning import linearity, with_linearity
from tests.unlearning.conftest import CONFIG, tastes


class Linear(nn.Module):
    """No table: weights for features that are known of every user and item, here parities and a wave."""

    @nn.compact
    def __call__(self, pairs, graph):
        same = (pairs.users % 2 == pairs.items % 2).astype(float)
        features = jnp.stack([same, jnp.sin(pairs.users), jnp.cos(pairs.items), jnp.ones(same.shape)], axis=1)
        return features @ self.param("weights", nn.initializers.normal(0.1), (4,))


class Perceptron(nnx.Module):
    """Tables, and shared layers on top of them."""

    def __init__(self, num_users, num_items, rngs):
        self.user, self.item = nnx.Embed(num_users, 4, rngs=rngs), nnx.Embed(num_items, 4, rngs=rngs)
        self.hidden, self.top = nnx.Linear(12, 5, rngs=rngs), nnx.Linear(5, 1, rngs=rngs)

    def __call__(self, pairs, graph):
        users, items = self.user.embedding[pairs.users], self.item.embedding[pairs.items]
        hidden = nnx.silu(self.hidden(jnp.concatenate([users, items, users * items], axis=1)))
        return self.top(hidden)[:, 0]


def level(params, graph):
    """A term of one's own: the output has no level to drift to."""
    return jnp.sum(jnp.square(params["top/bias"]))


def positives_only():
    data = tastes()
    return sample_negatives(random_split(data.select(data.labels > 0.5)))


PERCEPTRON = from_nnx(Perceptron, user_tables=("user/embedding",), item_tables=("item/embedding",))
CASES = {
    "perceptron": (PERCEPTRON, WithAuxiliary(bpr, level, 0.1), positives_only),
    "no tables": (FlaxRecommender(Linear()), wmse, lambda: random_split(tastes())),
}


@pytest.fixture(scope="module", params=CASES)
def forgotten(request):
    """Name, model before and after forgetting label noise, the report, and the test data."""
    model, loss, make = CASES[request.param]
    split = make()
    noisy, noise = parse_forget("noise:0.02")(split.train)
    config = replace(CONFIG, epochs=20, batch_size=64, patience=20)
    trained = fit(jax.random.key(0), model, replace(split, train=noisy), config=config, loss=loss, progress=False)
    return request.param, trained, *unlearn(trained, noise), split.test


def test_the_whole_way(forgotten, tmp_path):
    name, trained, unlearned, report, test = forgotten
    assert report.forgotten > 0
    assert report.norm_step > 0
    assert evaluate(unlearned, test)["auc"] > evaluate(trained, test)["auc"] - 0.05
    path = tmp_path / "model.npz"
    save(unlearned, path)
    with pytest.raises(ModelError, match="pass it as load"):
        load(path)
    again = load(path, model=unlearned.model, loss=unlearned.loss if name == "perceptron" else None)
    assert again.loss == trained.loss
    np.testing.assert_array_equal(again.score_rows(test.users, test.items), unlearned.score_rows(test.users, test.items))
    if name == "perceptron":
        with pytest.raises(ModelError, match=r"pass it as load\(…, loss="):
            load(path, model=unlearned.model)


def test_prediction_and_outcome(forgotten):
    """Equal on a quadratic objective, close elsewhere."""
    name, trained, unlearned, report, _ = forgotten
    with jax.enable_x64(True):
        before, after = (
            replace(
                state,
                params=jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), state.params),
                training_set=training_set_for(state.model, state.loss, state.interactions),
            )
            for state in (trained, unlearned)
        )
        found = linearity(before, after)
        assert found.predicted != 0
        tolerance = 1e-9 if name == "no tables" else 0.3
        assert found.ratio == pytest.approx(1, abs=tolerance)
        assert with_linearity(report, before, after).linearity == found


class Described(nn.Module):
    """Factors, and weights of what is known of an item. It does not propagate."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        init = nn.initializers.normal(0.3)
        users, items = self.param("user", init, (self.num_users, 3)), self.param("item", init, (self.num_items, 3))
        return inner_products(users, items + graph.item_features @ self.param("weights", init, (2, 3)), pairs)


@pytest.mark.parametrize("config", [IFRUConfig(), IFRUConfig(scope=(0.3,))], ids=["whole", "confined"])
def test_side_features_are_no_hop(config):
    """A model that reads them and does not propagate has no graph, and the step that it has with one."""
    split = random_split(tastes())
    features = SideFeatures(("kind",), (2,), np.random.default_rng(0).normal(size=(split.train.num_items, 2)).astype(np.float32))
    split = replace(split, train=replace(split.train, item_features=features))
    found = []
    for num_hops in (0, 1):
        model = FlaxRecommender(Described(), ("user",), ("item",), num_hops=num_hops, item_features=2)
        trained = fit(jax.random.key(0), model, split, config=replace(CONFIG, epochs=5, batch_size=64), progress=False)
        users, items = split.train.user_ids[:2].tolist(), split.train.item_ids[:1].tolist()
        found.append((trained, *unlearn(trained, users=users, items=items, config=config)))
    (trained, after, report), (with_graph, other, _) = found
    assert report.norm_step > 0
    assert len(trained.training_set.positives) == 0
    for one, two in ((trained, with_graph), (after, other)):
        for name, value in one.params.items():
            np.testing.assert_allclose(two.params[name], value, rtol=1e-3, atol=1e-5)
    assert not np.any(after.training_set.graph.item_features[split.train.item_index(items)])
    assert np.any(trained.params["weights"] != after.params["weights"])
