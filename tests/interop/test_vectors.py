"""Vectors for an index: inner products are scores, ids are beside, and nobody who is gone is among them."""

import json

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, Interactions, ModelError
from ifru_jax.exact import ALS
from ifru_jax.interop import export_vectors
from ifru_jax.models import bias_mf, gmf, item_bias_mf

MODELS = {
    "mf": ifru_jax.mf(embedding_size=3),
    "item bias": item_bias_mf(embedding_size=3),
    "biases": bias_mf(embedding_size=3),
    "lightgcn": ifru_jax.lightgcn(num_layers=2, embedding_size=3),
}


def made(model):
    """A model with parameters away from 0; the last item has no interaction."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(60, 30, replace=False), 6)
    data = Interactions(users, items, np.ones(30, np.float32), 10, 7, user_ids=np.array([f"u{k}" for k in range(10)]))
    if isinstance(model, ALS):
        return model.model(data, rng.normal(size=(10, 3)), rng.normal(size=(7, 3)))
    shapes = {"user_embedding": (10, 3), "item_embedding": (7, 3), "user_bias": 10, "item_bias": 7, "global_bias": ()}
    names = [name for name in shapes if name in model.tables] + ["global_bias"] * ("user_bias" in model.tables)
    return ifru_jax.Trained.of(model, {name: rng.normal(size=shapes[name]) for name in names}, data)


@pytest.mark.parametrize("model", [*MODELS.values(), ALS(embedding_size=3)], ids=[*MODELS, "als"])
def test_inner_products_are_scores(tmp_path, model):
    trained, _ = ifru_jax.unlearn(made(model), users=["u3"])
    ids = {side: json.loads(export_vectors(trained, tmp_path / f"{side}.npy", side=side).read_text()) for side in ("user", "item")}
    users, items = (np.load(tmp_path / f"{side}.npy") for side in ("user", "item"))
    assert users.dtype == np.float32
    assert "u3" not in ids["user"]
    assert 6 not in ids["item"]
    assert (len(users), len(items)) == (len(ids["user"]), len(ids["item"]))
    for user, vector in zip(ids["user"], users, strict=True):
        expected = ifru_jax.score(trained, users=[user] * len(items), items=ids["item"])
        np.testing.assert_allclose(items @ vector, expected, atol=1e-4)


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    trained = made(MODELS["mf"])
    assert export_vectors(trained, tmp_path / "x.parquet", side="user") == tmp_path / "x.parquet"
    found = parquet.read_table(tmp_path / "x.parquet").to_pydict()
    assert found["id"] == trained.interactions.user_ids.tolist()
    np.testing.assert_array_equal(np.array(found["vector"], np.float32), trained.params["user_embedding"])


def test_what_has_no_vectors_is_refused(tmp_path):
    data = made(MODELS["mf"]).interactions
    params = gmf(embedding_size=3).init(jax.random.key(0), 10, 7)
    with pytest.raises(ModelError, match="no inner products of two vectors"):
        export_vectors(ifru_jax.Trained.of(gmf(embedding_size=3), params, data), tmp_path / "x.npy")
    trained = made(MODELS["mf"])
    for path, side, words in (
        ("x.csv", "item", "ends in '.csv'"),
        ("x.npy", "shop", "side is 'shop'"),
        ("no/x.npy", "item", "folder"),
    ):
        with pytest.raises(DataError, match=words):
            export_vectors(trained, tmp_path / path, side=side)
    assert not list(tmp_path.iterdir())
