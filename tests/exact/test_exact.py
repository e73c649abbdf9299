"""Exact models against refitting in double precision, written from the equations."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ifru_jax
from ifru_jax import DataError, ForgetRequest, Interactions, ModelError, NumericsError, Status, exact
from ifru_jax.exact import ALS, EASE, ItemKNN
from ifru_jax.exact.als import alternated, solved
from ifru_jax.exact.observed import matrix

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


def dense(data):
    found = np.zeros((data.num_users, data.num_items))
    found[data.users, data.items] = data.labels
    return found


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


def dense_ease(x, reg):
    p = np.linalg.inv(x.T @ x + reg * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    b[np.diag_indices(len(b))] = 0
    return x @ b


def dense_knn(x, neighbours, shrinkage):
    x = (x > 0).astype(float)
    c = x.T @ x
    size = np.sqrt(np.diag(c))
    scores = np.zeros_like(x)
    for i in range(len(c)):
        similar = {j: c[i, j] / (size[i] * size[j] + shrinkage) for j in range(len(c)) if j != i and c[i, j]}
        nearest = sorted(similar, key=lambda j: (-similar[j], j))[:neighbours]
        for u in range(len(x)):
            scores[u, i] = sum(similar[j] for j in nearest if x[u, j])
    return scores


def dense_als_row(x_row, other, reg, alpha):
    """Over all pairs, without Gramians."""
    confidence = np.where(x_row > 0, alpha * x_row, 1)
    system = (other * confidence[:, None]).T @ other + reg * np.eye(other.shape[1])
    return np.linalg.solve(system, (other * confidence[:, None]).T @ (x_row > 0))


def als_gradient(x, users, items, reg, alpha):
    """Of Σ c (p − s)² + λ ‖·‖², of users and of items."""
    confidence = np.where(x > 0, alpha * x, 1)
    error = 2 * confidence * (users @ items.T - (x > 0))
    return error @ items + 2 * reg * users, error.T @ users + 2 * reg * items


def test_ease_and_knn_score_as_the_equations_say():
    data = drawn()
    for name, scores in {"ease": dense_ease(dense(data), 3.0), "knn": dense_knn(dense(data), 4, 0.5)}.items():
        np.testing.assert_allclose(everything(fitted(METHODS[name], data)), scores, atol=1e-12)


@pytest.mark.parametrize("name", ["ease", "knn"])
def test_forgetting_is_refitting(name):
    model = fitted(METHODS[name], drawn())
    unlearned, _ = ifru_jax.unlearn(model, asking(model))
    left = dense(unlearned.interactions)
    scores = dense_ease(left, 3.0) if name == "ease" else dense_knn(left, 4, 0.5)
    np.testing.assert_allclose(everything(unlearned), scores, rtol=1e-10, atol=1e-12)
    refitted = fitted(METHODS[name], unlearned.interactions)
    np.testing.assert_allclose(everything(unlearned), everything(refitted), rtol=1e-10, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), requests=st.integers(1, 5))
def test_requests_one_after_the_other_are_refitting(seed, requests):
    rng = np.random.default_rng(seed)
    for name in ("ease", "knn"):
        model = fitted(METHODS[name], drawn(seed))
        for _ in range(requests):
            data = model.interactions
            places = rng.choice(len(data), 3, replace=False)
            pairs = np.stack([data.users[places], data.items[places]], axis=1)
            model, _ = ifru_jax.unlearn(model, ForgetRequest(pairs, users=data.users[places[:1]]))
        refitted = fitted(METHODS[name], model.interactions)
        np.testing.assert_allclose(everything(model), everything(refitted), rtol=1e-9, atol=1e-11)
        if name == "knn":  # whole numbers
            assert (model.counts != refitted.counts).nnz == 0


def test_many_rows_invert_ease_anew():
    model = fitted(METHODS["ease"], drawn())
    unlearned, _ = ifru_jax.unlearn(model, users=list(range(12)))
    np.testing.assert_allclose(everything(unlearned), dense_ease(dense(unlearned.interactions), 3.0), rtol=1e-10, atol=1e-12)


def test_als_rows_are_ridge_regressions_over_all_pairs():
    config, rng, data = METHODS["als"], np.random.default_rng(1), drawn()
    users, items = rng.normal(size=(31, 4)), rng.normal(size=(15, 4))
    found = solved(config, matrix(data), (users, items))
    expected = [dense_als_row(row, items, config.reg, config.alpha) for row in dense(data)]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_als_folds_out_exactly():
    """Rows that are named or at an end are those of the retained data alone; no other row moves."""
    model = fitted(replace(METHODS["als"], sweeps=0), drawn())
    unlearned, report = ifru_jax.unlearn(model, users=[7])
    left, data = dense(unlearned.interactions), model.interactions
    at = np.unique(data.items[data.users == 7])
    assert report.status is Status.RETRAINED
    assert not unlearned.user_factors[7].any()
    np.testing.assert_array_equal(np.delete(unlearned.user_factors, 7, 0), np.delete(model.user_factors, 7, 0))
    np.testing.assert_array_equal(np.delete(unlearned.item_factors, at, 0), np.delete(model.item_factors, at, 0))
    for item in at:
        expected = dense_als_row(left[:, item], unlearned.user_factors, 0.3, 2.5)
        np.testing.assert_allclose(unlearned.item_factors[item], expected, rtol=1e-10, atol=1e-12)


def test_als_alternates_to_where_refitting_from_there_ends():
    """A stationary point of the objective on the rest, the one that its training from these rows converges to."""
    config = replace(METHODS["als"], sweeps=5000, tolerance=1e-14)
    model = fitted(config, drawn())
    unlearned, report = ifru_jax.unlearn(model, asking(model))
    left = dense(unlearned.interactions)
    for part in als_gradient(left, unlearned.user_factors, unlearned.item_factors, 0.3, 2.5):
        np.testing.assert_allclose(part, 0, atol=1e-10)
    assert report.status is Status.CONVERGED
    assert 0 < report.training.num_steps < 5000
    # From the rows of the model as they were, without folding anything out.
    start = model.user_factors, model.item_factors
    (users, items), _, _ = alternated(config, matrix(unlearned.interactions), start, sweeps=5000)
    np.testing.assert_allclose(users @ items.T, everything(unlearned), atol=1e-10)


def test_als_lowers_its_objective_and_users_come_first():
    data, config = drawn(), METHODS["als"]
    x = dense(data)

    def value(model):
        confidence = np.where(x > 0, 2.5 * x, 1)
        loss = (confidence * np.square((x > 0) - everything(model))).sum()
        return loss + 0.3 * (np.square(model.user_factors).sum() + np.square(model.item_factors).sum())

    values = [value(fitted(replace(config, epochs=epochs), data)) for epochs in (1, 2, 5, 30)]
    assert values == sorted(values, reverse=True)
    last = fitted(config, data)
    residual = als_gradient(x, last.user_factors, last.item_factors, 0.3, 2.5)[1]
    np.testing.assert_allclose(residual, 0, atol=1e-10)  # items come last, and are solved


def test_tables_keep_their_precision():
    data = drawn()
    rng = np.random.default_rng(0)
    tables = (rng.normal(size=(size, 4)).astype(np.float32) for size in (31, 15))
    model = replace(METHODS["als"], sweeps=0).model(data, *tables)
    unlearned, _ = ifru_jax.unlearn(model, users=[7])
    assert unlearned.user_factors.dtype == unlearned.item_factors.dtype == np.float32


def test_the_contract(case):
    method, model = case
    data = model.interactions
    same, report = method.forget(model, ForgetRequest())
    assert same is model
    assert report.status is Status.NOTHING_TO_FORGET
    request = asking(model)
    gone = request.select(data)
    after, report = method.forget(model, request)
    assert (report.forgotten, report.retained) == (gone.sum(), (~gone).sum())
    assert report.cleared_users == (2 if isinstance(method, ALS) else 0)  # the others have no row of a user
    assert report.items_taken_along == 1  # the item that user 30 alone had
    json.dumps(report.as_dict(), allow_nan=False)
    assert len(after.interactions) == (~gone).sum()
    assert after.interactions.user_ids[1] == np.iinfo(data.user_ids.dtype).min
    grid = after.score_grid(np.array([0, 1]))
    assert np.isneginf(grid[1]).all()
    assert np.isneginf(grid[:, [3, 14]]).all()
    np.testing.assert_allclose(grid[0][[0, 5]], after.score_rows([0, 0], [0, 5]))
    with pytest.raises(ModelError, match="the state that it made"):
        type(method)().served(model)
    with pytest.raises(DataError, match="reach from 99"):
        model.score_rows([99], [0])


def test_other_rows_are_the_same_model(case):
    """Lists, too: of equally similar items those of lower ids count, in any order of the rows."""
    _, model = case
    unlearned, _ = ifru_jax.unlearn(model, asking(model))
    rng, data = np.random.default_rng(4), unlearned.interactions
    order = (rng.permutation(np.flatnonzero(data.user_degrees())), rng.permutation(np.flatnonzero(data.item_degrees())))
    found = unlearned.in_rows(order)
    np.testing.assert_allclose(everything(found), everything(unlearned)[np.ix_(*order)], rtol=1e-12, atol=1e-12)
    assert found.interactions.user_ids.tolist() == data.user_ids[order[0]].tolist()
    user = int(found.interactions.user_ids[0])
    again = [everything(ifru_jax.unlearn(one, users=[user])[0]) for one in (found, unlearned)]
    np.testing.assert_allclose(again[0], again[1][np.ix_(*order)], rtol=1e-9, atol=1e-11)


def test_calls_take_exact_models(case):
    _, model = case
    data = model.interactions
    assert len(ifru_jax.recommend(model, users=[5], k=3)[5]) == 3
    assert ifru_jax.score(model, users=[5], items=[2]).shape == (1,)
    assert 0 < ifru_jax.evaluate(model, data.select(slice(0, 20)).with_labels(np.tile([0, 1], 10)), k=5)["auc"] < 1
    with pytest.raises(DataError, match="forgets exactly"):
        ifru_jax.unlearn(model, users=[5], config=ifru_jax.IFRUConfig())
    unlearned, report = ifru_jax.unlearn(model, users=[5, 99], missing="report")
    assert report.missing == 1
    assert ifru_jax.recommend(unlearned, users=[5])[5] == []


def test_labels_are_corrected(case):
    """Weights count for ALS and EASE; a correction to 0 takes an interaction away, and is asked for as that."""
    method, model = case
    user, item = (int(ids[rows[0]]) for ids, rows in (
        (model.interactions.user_ids, model.interactions.users), (model.interactions.item_ids, model.interactions.items)
    ))  # fmt: skip
    corrected, report = ifru_jax.unlearn(model, corrected=[(user, item, 9.0)])
    assert report.corrected == 1
    if not isinstance(method, ALS):
        np.testing.assert_allclose(everything(corrected), everything(fitted(method, corrected.interactions)), atol=1e-11)
    with pytest.raises(DataError, match="keep the positives only"):
        ifru_jax.unlearn(model, corrected=[(user, item, 0.0)])


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
