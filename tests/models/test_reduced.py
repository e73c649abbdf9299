"""A model whose tables are read in bfloat16: one function in training, requests and files, near the one in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError
from ifru_jax.graph import Batch, Examples, IndexPairs
from ifru_jax.models import describe_model, in_bfloat16, lightgcn, mf, model_from_description, neumf
from tests.mesh import small

pytestmark = pytest.mark.usefixtures("float64")

MODELS = [mf(embedding_size=4, init_std=0.1), lightgcn(embedding_size=4, init_std=0.1)]


def given(model):
    data = small.split().train
    return ifru_jax.Trained.of(model, model.init(jax.random.key(1), data.num_users, data.num_items), data)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_minibatch_sees_what_the_whole_data_does(model):
    trained = given(in_bfloat16(model))
    pairs, batch = trained.batch.examples.pairs, trained.batch
    listed = Batch(Examples(IndexPairs(pairs.users, pairs.items), batch.examples.labels, batch.examples.weights), batch.graph)
    values = [trained.objective.of_data(trained.params, of) for of in (batch, listed)]
    np.testing.assert_allclose(*values, rtol=1e-14)
    assert values[0] != given(model).objective.of_data(trained.params, batch)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_request_goes_where_it_goes_in_float32(model, tmp_path):
    moved = []
    for one in (model, in_bfloat16(model)):
        trained = given(one)
        unlearned, _ = ifru_jax.unlearn(trained, **small.requests(trained.interactions)["noise"])
        moved.append(np.concatenate([np.ravel(unlearned.params[n] - trained.params[n]) for n in sorted(trained.params)]))
        assert all(leaf.dtype == jnp.float64 for leaf in unlearned.params.values())
    apart = np.linalg.norm(moved[1] - moved[0]) / np.linalg.norm(moved[0])
    assert 1e-6 < apart < 0.02
    ifru_jax.save(unlearned, tmp_path / "model.npz")
    found = ifru_jax.load(tmp_path / "model.npz")
    assert found.model == unlearned.model
    np.testing.assert_array_equal(found.params["user_embedding"], unlearned.params["user_embedding"])


def test_it_is_described_by_what_it_is_of():
    model = in_bfloat16(neumf(embedding_size=4, hidden=(4,)))
    assert model_from_description(describe_model(model)) == model
    own = in_bfloat16(ifru_jax.FlaxRecommender(type("Own", (type(MODELS[0].module),), {})(4, 0.1), ("user_embedding",)))
    assert describe_model(own) is None
    assert in_bfloat16(model) is model
    with pytest.raises(DataError, match="model is 'mf', a str: give a model"):
        in_bfloat16("mf")  # type: ignore[arg-type]
