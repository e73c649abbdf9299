"""Side features travel with their rows, and leave with a forgotten one."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax.checkpoint import load, save
from ifru_jax.data import ForgetRequest, Interactions, k_core, load_dataset
from ifru_jax.data.side_features import SideFeatures, between_knots, join_fields
from ifru_jax.data.splits import given_split
from ifru_jax.errors import DataError
from ifru_jax.graph import Change, build_training_set
from ifru_jax.models import fm
from ifru_jax.training import Trained

FEATURES = SideFeatures(("kind",), (2,), np.array([[1, 0], [0, 1], [0.5, 0.5]]))
DATA = replace(Interactions.from_arrays([1, 1, 2, 2, 3], [5, 6, 5, 6, 7]), item_features=FEATURES)


def test_they_follow_the_numbering():
    core = k_core(DATA, 2)
    np.testing.assert_array_equal(core.item_features.values, FEATURES.values[:2])


def test_they_are_forgotten_with_the_item():
    before = build_training_set(DATA)
    after = Change.of(before, ForgetRequest(items=np.array([2]))).after
    np.testing.assert_array_equal(after.interactions.item_features.values, [[1, 0], [0, 1], [0, 0]])
    np.testing.assert_array_equal(after.graph.item_features, after.interactions.item_features.values)
    np.testing.assert_array_equal(before.graph.item_features, FEATURES.values)


def test_they_are_saved(tmp_path):
    model = fm(embedding_size=2, item_fields=FEATURES.widths)
    params = {name: np.zeros(shape) for name, shape in shapes(model).items()}
    save(Trained.of(model, params, DATA), tmp_path / "model.npz")
    again = load(tmp_path / "model.npz").interactions.item_features
    assert (again.names, again.widths) == (FEATURES.names, FEATURES.widths)
    np.testing.assert_array_equal(again.values, FEATURES.values)


def shapes(model):
    fresh = jax.eval_shape(lambda key: model.init(key, DATA.num_users, DATA.num_items), jax.random.key(0))
    return {name: leaf.shape for name, leaf in fresh.items()}


def test_films_have_genres_and_years():
    data = load_dataset("movielens-small").interactions
    features = data.item_features
    assert (features.names, features.widths) == (("genre", "year"), (19, 10))
    toy_story = features.values[int(data.item_index([1])[0])]
    assert np.flatnonzero(toy_story[:19]).size == 5
    np.testing.assert_allclose(toy_story[19:][[6, 7]], 0.5)  # 1995 lies between 1990 and 2000
    assert set(np.round(features.values[:, :19].sum(1), 5)) == {0, 1}


def test_what_is_refused():
    with pytest.raises(DataError, match="have 3 rows for 2 users"):
        Interactions(np.zeros(1, int), np.zeros(1, int), np.ones(1), 2, 1, user_features=FEATURES)
    with pytest.raises(DataError, match="features of row 1 are not finite"):
        SideFeatures(("age",), (1,), np.array([[1.0], [np.nan]]))
    with pytest.raises(DataError, match="give one row per user or item and one width"):
        SideFeatures(("age",), (2,), np.ones((3, 1)))
    with pytest.raises(DataError, match="two, ascending"):
        between_knots("year", [1.0], [2000, 1990])
    with pytest.raises(DataError, match="rows: give at least one field, all of the same"):
        join_fields([FEATURES, FEATURES.select(np.array([0]))])
    with pytest.raises(DataError, match="side features: attach them"):
        given_split(DATA, DATA)
