"""What exact models and their files refuse, and what comes back out of a file."""

import json

import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, Interactions, ModelError, NumericsError, exact
from ifru_jax.exact import ALS, EASE, ItemKNN
from tests.exact.conftest import KEY, METHODS, drawn, everything, fitted


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_is_no_observed_interaction_is_refused(method):
    data = drawn()
    negative = data.with_labels(np.where(np.arange(len(data)) == 3, 0, data.labels))
    with pytest.raises(DataError, match="1 of 151 labels are not above 0"):
        fitted(method, negative)
    twice = Interactions.from_arrays([0, 0, 1], [1, 1, 0], keep_duplicates=True)
    with pytest.raises(DataError, match="1 pairs come more than once"):
        fitted(method, twice)


def test_a_model_needs_data(case):
    method, model = case
    with pytest.raises(DataError, match="no interaction to train on"):
        fitted(method, model.interactions.select(slice(0)))
    with pytest.raises(DataError, match=r"key is 0, a int: give jax\.random\.key"):
        method.fit(0, ifru_jax.Split(*[model.interactions] * 3))
    with pytest.raises(DataError, match="split it first"):
        method.fit(KEY, model.interactions)


def test_rows_that_are_none_are_refused(case):
    """A negative row would be somebody else's."""
    _, model = case
    for rows, words in (([-1], "reach from -1 to -1"), ([31], "0 … 30"), ([1.0], "give integers"), ([[1]], "in one row")):
        with pytest.raises(DataError, match=words):
            model.score_grid(np.array(rows))
        with pytest.raises(DataError, match=words):
            model.score_rows(np.array(rows), np.array([0]))
    with pytest.raises(DataError, match="1 user rows and 2 item rows"):
        model.score_rows([1], [0, 1])
    assert model.score_grid(np.zeros(0, int)).shape == (0, 15)
    assert model.score_rows(np.zeros(0, int), np.zeros(0, int)).shape == (0,)


def test_requests_that_name_too_much_or_nothing(case):
    """Duplicates count once, what was forgotten is unknown, the last rating of an item takes it along."""
    method, model = case
    data = model.interactions
    user, item = int(data.user_ids[data.users[0]]), int(data.item_ids[data.items[0]])
    own = int((data.users == data.users[0]).sum())
    assert ifru_jax.unlearn(model, users=[], items=[], interactions=[])[0] is model
    for every in ({"users": data.user_ids.tolist()}, {"items": data.item_ids.tolist()}):
        with pytest.raises(DataError, match="nothing is left"):
            ifru_jax.unlearn(model, **every)
    with pytest.raises(DataError, match="user 999 is not in the data"):
        ifru_jax.unlearn(model, users=[999])
    twice, report = ifru_jax.unlearn(model, users=[user, user], interactions=[(user, item)] * 2)
    assert report.forgotten == own
    np.testing.assert_array_equal(everything(twice), everything(ifru_jax.unlearn(model, users=[user])[0]))
    with pytest.raises(DataError, match=f"user {user} is not in the data"):
        ifru_jax.unlearn(twice, users=[user])
    again, report = ifru_jax.unlearn(twice, users=[user], missing="report")
    assert again is twice
    assert report.missing == 1
    alone, report = ifru_jax.unlearn(model, interactions=[(30, 14)])
    assert report.items_taken_along == 1
    assert np.isneginf(alone.score_grid(np.arange(30))[:, 14]).all()
    assert not alone.score_rows(np.arange(30), np.full(30, 14)).any()
    for label, words in ((np.nan, "is nan"), (np.inf, "is inf"), (-1.0, "keep the positives only")):
        with pytest.raises(DataError, match=words):
            ifru_jax.unlearn(model, corrected=[(user, item, label)])
    for wrong in ("x", None):
        with pytest.raises(DataError, match="name ids with ForgetRequest"):
            model.forget(wrong)
        with pytest.raises(ModelError, match="give it the state that it made"):
            method.served(wrong)


def test_confidences_that_are_no_numbers_are_refused(case):
    method, model = case
    for label in (np.nan, np.inf):
        with pytest.raises(DataError, match=r"is (nan|inf)"):
            fitted(method, model.interactions.with_labels(np.where(np.arange(151) == 3, label, 1)))


def test_equations_without_a_solution_are_told():
    data = Interactions.from_arrays([0, 0, 1, 1], [0, 1, 0, 1])  # two items that are the same
    with pytest.raises(NumericsError, match="give a larger reg"):
        fitted(EASE(reg=1e-300), data)
    with pytest.raises(NumericsError, match="give reg above 0"):
        fitted(ALS(embedding_size=4, reg=0, epochs=3), data)


def test_in_a_file_and_back(case, tmp_path):
    """Bit for bit, after a request, too; a byte that changed is found."""
    method, model = case
    model, _ = ifru_jax.unlearn(model, users=[1])
    exact.save(model, tmp_path / "x.npz")
    again = exact.load(tmp_path / "x.npz")
    assert again.method == method
    np.testing.assert_array_equal(everything(again), everything(model))
    np.testing.assert_array_equal(again.interactions.user_ids, model.interactions.user_ids)
    requests = [ifru_jax.unlearn(one, items=[3])[0] for one in (model, again)]
    np.testing.assert_array_equal(*map(everything, requests))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "y.npz").write_bytes(content)
    (tmp_path / "z.npz").write_bytes(content[: len(content) // 2])
    for name in ("y.npz", "z.npz"):
        with pytest.raises(DataError, match="damaged"):
            exact.load(tmp_path / name)


def test_files_of_another_kind_are_told(tmp_path):
    data = drawn()
    model = fitted(METHODS["ease"], data)
    exact.save(model, tmp_path / "exact.npz")
    params = {"user_embedding": np.ones((31, 2)), "item_embedding": np.ones((15, 2))}
    ifru_jax.save(ifru_jax.Trained.of(ifru_jax.mf(embedding_size=2), params, data), tmp_path / "trained.npz")
    with pytest.raises(DataError, match=r"is an exact model, EASE: read it with ifru_jax\.exact\.load"):
        ifru_jax.load(tmp_path / "exact.npz")
    with pytest.raises(DataError, match=r"no exact model: read it with ifru_jax\.load"):
        exact.load(tmp_path / "trained.npz")
    with pytest.raises(DataError, match=r"exact\.save writes an exact model"):
        ifru_jax.save(model, tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"ifru_jax\.save writes any other"):
        exact.save("x", tmp_path / "x.npz")
    assert not (tmp_path / "shop").exists()
    np.savez(tmp_path / "y.npz", description=np.asarray(json.dumps({"exact": "EASE", "format": 1})))
    with pytest.raises(DataError, match="its checksum is missing"):
        exact.load(tmp_path / "y.npz")
    with pytest.raises(DataError, match="is not a file"):
        exact.load(tmp_path / "nothing")


WRONG = {
    "embedding_size": (0, -1, 2.5, "a", None, True), "reg": (-1, np.nan, np.inf, "a", None), "alpha": (0, -1, np.nan, np.inf, None),
    "epochs": (0, -1, 1.5, None), "sweeps": (-1, 1.5, None), "tolerance": (-1, np.nan, np.inf, None),
    "neighbours": (0, -1, 1.5, None, "a"), "shrinkage": (-1, np.nan, np.inf, None, "a"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ALS, ("embedding_size", "reg", "alpha", "epochs", "sweeps", "tolerance")),
        (EASE, ("reg",)),
        (ItemKNN, ("neighbours", "shrinkage")),
    ],
)
def test_numbers_out_of_range_are_refused(kind, names):
    for name in names:
        for value in (*WRONG[name], *((0,) if kind is EASE else ())):
            with pytest.raises(DataError, match=name if isinstance(value, str | None) else repr(value)):
                kind(**{name: value})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ALS(embedding_size=0), "give a size"),
        (lambda: ALS(alpha=0), "alpha is above 0"),
        (lambda: ALS(reg=-1), "reg and tolerance"),
        (lambda: EASE(reg=0), "inverse exist"),
        (lambda: ItemKNN(neighbours=0), "at least one neighbour"),
        (lambda: ItemKNN(shrinkage=-1), "shrinkage is 0 or more"),
    ],
)
def test_settings_without_meaning_are_refused(make, words):
    with pytest.raises(DataError, match=words):
        make()


def test_tables_that_do_not_fit_are_refused():
    data = drawn()
    with pytest.raises(ModelError, match="expected a floating array"):
        METHODS["als"].model(data, np.zeros((30, 4)), np.zeros((15, 4)))
    with pytest.raises(ModelError, match="the user factors are None"):
        METHODS["als"].model(data, None, np.zeros((15, 4)))
    with pytest.raises(ModelError, match="item factors are not all finite"):
        METHODS["als"].model(data, np.zeros((31, 4)), np.full((15, 4), np.nan))
