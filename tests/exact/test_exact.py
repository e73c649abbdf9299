"""Exact models against refitting in double precision, written from the equations."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ifru_jax
from ifru_jax import DataError, ForgetRequest, ModelError, Status
from ifru_jax.exact import ALS
from ifru_jax.exact.als import alternated, solved
from ifru_jax.exact.observed import matrix
from tests.exact.conftest import METHODS, asking, drawn, everything, fitted


def dense(data):
    found = np.zeros((data.num_users, data.num_items))
    found[data.users, data.items] = data.labels
    return found


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
