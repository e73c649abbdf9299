"""What goes over a mesh and what is refused; on a mesh of one device, which takes the same way as many."""

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, ModelError
from ifru_jax.models import item_bias_mf, mf
from ifru_jax.training import bpr
from ifru_jax.training.over_mesh import real_rows

MESH = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("rows",))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    users, items = np.divmod(np.sort(rng.choice(20 * 15, 120, replace=False)), 15)
    return ifru_jax.Interactions.from_arrays(users, items, rng.integers(0, 2, 120))


@pytest.fixture(scope="module")
def split(data):
    return ifru_jax.random_split(data)


def test_what_does_not_fit_is_refused(split):
    with ifru_jax.on_mesh(MESH), pytest.raises(ModelError, match="one interaction at a time"):
        ifru_jax.fit(jax.random.key(0), mf(embedding_size=2), split, loss=bpr, progress=False)


def test_a_model_with_item_biases_goes_over_a_mesh_and_back(split, tmp_path):
    config = ifru_jax.TrainConfig(epochs=2, batch_size=32, record=1)
    one = ifru_jax.fit(jax.random.key(0), item_bias_mf(embedding_size=2), split, config=config, progress=False)
    with ifru_jax.on_mesh(MESH):
        over = ifru_jax.fit(jax.random.key(0), item_bias_mf(embedding_size=2), split, config=config, progress=False)
    assert over.training_set.mesh is not None
    assert repr(over) == repr(one)
    rows = real_rows(over.params, over.model.tables, over.training_set)
    assert all(np.allclose(rows[name], value, atol=1e-6) for name, value in one.params.items())
    ifru_jax.save(over, tmp_path / "model.npz", compact=True)
    assert ifru_jax.load(tmp_path / "model.npz").training_set.mesh is None
    with pytest.raises(DataError, match="over several devices explains nothing"):
        ifru_jax.explain(over, user=over.interactions.user_ids[0])


def test_other_parameters_are_put_where_the_old_ones_are(split):
    model = mf(embedding_size=2)
    params = {
        name: np.asarray(of) for name, of in model.init(jax.random.key(0), split.train.num_users, split.train.num_items).items()
    }
    with ifru_jax.on_mesh(MESH):
        over = ifru_jax.Trained.of(model, params, split.train)
    again = over.with_params(over.params).with_params(params)
    assert again.params["user_embedding"].sharding == over.params["user_embedding"].sharding
    with pytest.raises(ModelError, match="user_embedding"):
        over.with_params(params | {"user_embedding": params["user_embedding"][:-1]})
