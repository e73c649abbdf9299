"""Files of implicit in, forgotten, and out again. The files are made as `model.save` makes them; where implicit is, by it."""

import json
import warnings
from dataclasses import replace

import jax
import numpy as np
import pytest
import scipy.sparse

import ifru_jax
from ifru_jax import DataError, DataWarning, Interactions, ModelError
from ifru_jax.exact import ALS, ALSModel
from ifru_jax.interop import ImplicitOptions, export, from_implicit
from ifru_jax.training import AllPairs
from tests.interop.conftest import drawn

REG, ALPHA, WIDTH = 0.5, 3.0, 4


def als_file(path, data, dtype=np.float32, **other):
    """As implicit 0.7 writes it: rows that alternating least squares ends with."""
    config = ALS(embedding_size=WIDTH, reg=REG, alpha=ALPHA, epochs=30)
    nothing = data.select(slice(0))
    model = config.fit(jax.random.key(0), ifru_jax.Split(data, nothing, nothing))
    content = {
        "user_factors": model.user_factors.astype(dtype), "item_factors": model.item_factors.astype(dtype), "regularization": REG,
        "factors": WIDTH, "num_threads": 0, "iterations": 30, "use_native": True, "use_cg": True, "cg_steps": 3,
        "calculate_training_loss": False, "dtype": np.dtype(dtype).name, "random_state": 7, "alpha": ALPHA,
    }  # fmt: skip
    np.savez(path, **{name: value for name, value in (content | other).items() if value is not None})
    return path


def bpr_file(path, data, **other):
    """Rows that a few thousand steps of BPR with weight decay end with."""
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(data.num_users, WIDTH + 1)) * 0.1, rng.normal(size=(data.num_items, WIDTH + 1)) * 0.1
    users[:, -1] = 1
    have = np.zeros((data.num_users, data.num_items), bool)
    have[data.users, data.items] = True
    for _ in range(60):
        for k in rng.permutation(len(data)):
            u, i, j = data.users[k], data.items[k], data.items[rng.integers(len(data))]
            if have[u, j]:
                continue
            z = 1 / (1 + np.exp(users[u] @ (items[i] - items[j])))
            old = users[u].copy()
            users[u, :-1] += 0.05 * (z * (items[i] - items[j])[:-1] - 0.01 * old[:-1])
            items[i] += 0.05 * (z * old - 0.01 * items[i])
            items[j] += 0.05 * (-z * old - 0.01 * items[j])
    content = {
        "user_factors": users.astype(np.float32), "item_factors": items.astype(np.float32), "regularization": 0.01,
        "factors": WIDTH,
        "learning_rate": 0.05, "verify_negative_samples": True, "num_threads": 1, "iterations": 60, "dtype": "float32",
    }  # fmt: skip
    np.savez(path, **(content | other))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("implicit")
    return {"als": als_file(folder / "als.npz", data), "bpr": bpr_file(folder / "bpr.npz", data)}


def content_of(path):
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def scores_of(path, data):
    users, items = np.arange(1000) % data.num_users, np.arange(1000) % data.num_items
    content = content_of(path)
    return users, items, np.einsum("nd,nd->n", content["user_factors"][users].astype(float), content["item_factors"][items])


CASES = {"als": ("als", {}), "als with an objective": ("als", {"exact": False}), "bpr": ("bpr", {})}


@pytest.fixture(params=CASES)
def case(request, files, data):
    name, options = CASES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        imported = from_implicit(files[name], data, scores=scores_of(files[name], data), options=ImplicitOptions(**options))
    return files[name], imported


def test_what_comes_in_is_what_it_was(case, data):
    path, (model, source, evidence) = case
    assert evidence.pairs == 1000
    assert evidence.score_error < 1e-6
    assert evidence.auc > 0.8
    assert evidence.stationarity < (0.005 if isinstance(model, ALSModel) else 0.3)
    json.dumps(evidence.as_dict(), allow_nan=False)
    users, items, scores = scores_of(path, data)
    np.testing.assert_allclose(model.score_rows(users, items), scores, atol=1e-6)
    assert source.system == "implicit"


def test_unchanged_it_goes_out_bit_for_bit(case, tmp_path):
    path, (model, source, _) = case
    beside = export(model, tmp_path / "out.npz", like=source)
    before, after = content_of(path), content_of(tmp_path / "out.npz")
    assert list(before) == list(after)
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        assert value.tobytes() == after[name].tobytes(), name
    ids = json.loads(beside.read_text())
    assert ids["user_ids"] == list(range(40))
    assert beside.name == "out.ids.json"


def test_an_erasure_takes_the_rows_of_the_erased(case, tmp_path):
    path, (model, source, _) = case
    unlearned, report = ifru_jax.unlearn(model, users=[7])
    assert report.cleared_users == 1
    export(unlearned, tmp_path / "zero.npz", like=source)
    beside = export(unlearned, tmp_path / "compact.npz", like=source, erased="compact")
    before, zero, compact = (content_of(p) for p in (path, tmp_path / "zero.npz", tmp_path / "compact.npz"))
    width = WIDTH  # without the 1 that users of BPR have
    assert not zero["user_factors"][7, :width].any()
    np.testing.assert_array_equal(compact["user_factors"], np.delete(zero["user_factors"], 7, 0))
    np.testing.assert_array_equal(compact["item_factors"], zero["item_factors"])
    assert zero["user_factors"].shape == before["user_factors"].shape
    assert json.loads((tmp_path / "zero.ids.json").read_text())["user_ids"][7] is None
    assert json.loads(beside.read_text())["user_ids"] == [k for k in range(40) if k != 7]
    for name in before.keys() - {"user_factors", "item_factors"}:
        assert before[name] == zero[name]
    again, _ = ifru_jax.unlearn(unlearned, users=[8])
    assert len(again.interactions) < len(unlearned.interactions)


def test_only_permitted_rows_differ(files, data, tmp_path):
    """Folding out alone moves the users and items of the request; a confined step the rows in its scope."""
    folded = from_implicit(files["als"], data, options=ImplicitOptions(sweeps=0))
    confined = from_implicit(files["bpr"], data)
    endpoints = data.items[data.users == 7]
    for imported, config, name in ((folded, None, "als"), (confined, ifru_jax.IFRUConfig(scope=()), "bpr")):
        unlearned, _ = ifru_jax.unlearn(imported.model, users=[7], config=config)
        export(unlearned, tmp_path / "out.npz", like=imported.source)
        before, after = content_of(files[name]), content_of(tmp_path / "out.npz")
        drawn_for = imported.model.interactions.items[imported.model.interactions.users == 7]
        permitted = np.union1d(endpoints, drawn_for)
        np.testing.assert_array_equal(np.delete(after["user_factors"], 7, 0), np.delete(before["user_factors"], 7, 0))
        np.testing.assert_array_equal(
            np.delete(after["item_factors"], permitted, 0), np.delete(before["item_factors"], permitted, 0)
        )
        assert np.any(after["item_factors"] != before["item_factors"])


def test_ids_are_those_of_the_rows(files, data, tmp_path):
    """Whatever order the data is numbered in, rows are as the ids say."""
    names = np.random.default_rng(5).permutation(1000)[:40]
    items = np.array([f"i{k}" for k in np.random.default_rng(6).permutation(100)[:25]])
    numbered = Interactions.from_arrays(names[data.users], items[data.items], data.labels)
    model, source, evidence = from_implicit(files["als"], numbered, user_ids=names, item_ids=items.tolist())
    assert evidence.stationarity < 0.005
    users, columns, scores = scores_of(files["als"], data)
    np.testing.assert_allclose(ifru_jax.score(model, users=names[users], items=items[columns]), scores, atol=1e-6)
    unlearned, _ = ifru_jax.unlearn(model, users=[int(names[3])])
    ids = json.loads(export(unlearned, tmp_path / "out.npz", like=source, erased="compact").read_text())
    assert ids == {"user_ids": np.delete(names, 3).tolist(), "item_ids": items.tolist()}


@pytest.mark.parametrize("name", ["als", "bpr"])
def test_another_order_is_detected(files, data, name):
    rng = np.random.default_rng(0)
    shuffled = replace(data, users=rng.permutation(40)[data.users])
    with pytest.warns(DataWarning, match=r"in another order|training ended elsewhere"):
        from_implicit(files[name], shuffled)


@pytest.mark.parametrize("wrong", [{"alpha": 4.0}, {"regularization": 5.0}])
def test_another_objective_is_detected(tmp_path, data, wrong):
    with pytest.warns(DataWarning, match="training ended elsewhere"):
        from_implicit(als_file(tmp_path / "als.npz", data, **wrong), data)


def test_ratings_that_are_left_out_are_detected(files, data):
    with pytest.warns(DataWarning, match="look at alpha, reg, the labels"):
        from_implicit(files["als"], data.with_labels(np.ones(len(data))))


def test_old_files_without_alpha(tmp_path, data):
    path = als_file(tmp_path / "als.npz", data, alpha=None)
    with pytest.raises(DataError, match=r"ImplicitOptions\(alpha=…\)"):
        from_implicit(path, data)
    model = from_implicit(path, data, options=ImplicitOptions(alpha=ALPHA)).model
    assert model.method.alpha == ALPHA
    with pytest.raises(DataError, match=r"alpha is 9\.0, but the file says"):
        from_implicit(als_file(tmp_path / "new.npz", data), data, options=ImplicitOptions(alpha=9.0))


def test_scores_that_are_not_met_are_refused(files, data):
    users, items, scores = scores_of(files["als"], data)
    with pytest.raises(ModelError, match="1000 of 1000 pairs differ"):
        from_implicit(files["als"], data, scores=(users, items, scores + 0.1))
    with pytest.raises(ModelError, match="look at rows of nobody"):
        from_implicit(files["als"], data, scores=(users, (items + 1) % 25, scores))
    with pytest.raises(DataError, match="one of each per pair"):
        from_implicit(files["als"], data, scores=(users, items, scores[1:]))


def test_precision(tmp_path, data):
    path = als_file(tmp_path / "als.npz", data, dtype=np.float64)
    for exact in (True, False):
        with jax.enable_x64(True):
            model, source, _ = from_implicit(path, data, options=ImplicitOptions(exact=exact))
            export(model, tmp_path / "out.npz", like=source)
        assert content_of(path)["user_factors"].tobytes() == content_of(tmp_path / "out.npz")["user_factors"].tobytes()


def test_double_precision_is_not_rounded_without_a_word(tmp_path, data):
    path = als_file(tmp_path / "als.npz", data, dtype=np.float64)
    assert from_implicit(path, data).model.user_factors.dtype == np.float64
    with pytest.raises(ModelError, match="jax_enable_x64"):
        from_implicit(path, data, options=ImplicitOptions(exact=False))


def test_what_is_no_such_model_is_refused(tmp_path, data, files):
    def file(**content):
        np.savez(tmp_path / "x.npz", **content)
        return tmp_path / "x.npz"

    users, items = np.ones((40, 4), np.float32), np.ones((25, 4), np.float32)
    settings = {"regularization": 0.1, "alpha": 1.0}
    bpr = {"regularization": 0.1, "learning_rate": 0.1, "verify_negative_samples": True}
    for content, kind, words in (
        ({"weights": users}, DataError, "has no user_factors, but weights"),
        ({"user_factors": users, "item_factors": items.astype(int)}, ModelError, "floating matrices"),
        ({"user_factors": users, "item_factors": items[:, :3], **settings}, ModelError, "4 factors and items 3"),
        ({"user_factors": users * np.nan, "item_factors": items, **settings}, ModelError, "not all finite"),
        ({"user_factors": users, "item_factors": items, "neg_prop": 30}, ModelError, "logistic"),
        ({"user_factors": users * 2, "item_factors": items, **bpr}, ModelError, "last column"),
        ({"user_factors": users[1:], "item_factors": items, **settings}, DataError, "39 rows of users and the data 40"),
    ):
        with pytest.raises(kind, match=words):
            from_implicit(file(**content), data)
    with pytest.raises(DataError, match="39 user_ids for 40 rows"):
        from_implicit(files["als"], data, user_ids=list(range(39)))
    with pytest.raises(DataError, match="name 1 2 times"):
        from_implicit(files["als"], data, user_ids=[1, *range(1, 40)])
    with pytest.raises(DataError, match="keep the positives only"):
        from_implicit(files["als"], data.with_labels(np.zeros(len(data))))


def test_the_objective_of_als_is_the_one_of_implicit(files, data):
    model = from_implicit(files["als"], data, options=ImplicitOptions(exact=False)).model
    assert model.loss == AllPairs(ALPHA)
    np.testing.assert_allclose(model.config.reg * len(data) / 2, REG)


@pytest.mark.parametrize("kind", ["als", "bpr"])
def test_exports_by_name_come_in_again(files, data, tmp_path, kind):
    model = from_implicit(files[kind], data).model
    export(model, tmp_path / "out.npz", like="implicit")
    again = from_implicit(tmp_path / "out.npz", data)
    assert again.evidence.stationarity < 0.3
    users, items, scores = scores_of(files[kind], data)
    np.testing.assert_allclose(again.model.score_rows(users, items), scores, atol=1e-6)


def test_options_without_meaning_are_refused(files, data, tmp_path):
    model = from_implicit(files["als"], data).model
    for options, words in (({"like": "keras"}, "like is 'keras'"), ({"like": "implicit", "erased": "no"}, "erased is 'no'")):
        with pytest.raises(DataError, match=words):
            export(model, tmp_path / "out.npz", **options)
    params = {"user_embedding": np.ones((40, 4)), "item_embedding": np.ones((25, 4))}
    graph = ifru_jax.Trained.of(ifru_jax.lightgcn(embedding_size=4), params, data)
    with pytest.raises(ModelError, match="implicit has no file for"):
        export(graph, tmp_path / "out.npz", like="implicit")
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["AlternatingLeastSquares", "BayesianPersonalizedRanking"])
def test_the_package_reads_and_writes_the_same(tmp_path, kind):
    implicit = pytest.importorskip("implicit")
    data = drawn(count=320)
    entries = data.labels, (data.users, data.items)
    matrix = scipy.sparse.csr_matrix(entries, shape=(data.num_users, data.num_items))
    module = implicit.als if kind.startswith("Alt") else implicit.bpr
    model = getattr(module, kind)(factors=8, iterations=200, random_state=1, num_threads=1)
    model.fit(matrix, show_progress=False)
    model.save(tmp_path / "in.npz")
    users, items, scores = scores_of(tmp_path / "in.npz", data)
    np.testing.assert_allclose((model.user_factors[users] * model.item_factors[items]).sum(axis=1), scores, atol=1e-5)
    imported = from_implicit(tmp_path / "in.npz", data, scores=(users, items, scores))
    unlearned, _ = ifru_jax.unlearn(imported.model, users=[3])
    export(unlearned, tmp_path / "out.npz", like=imported.source)
    back = type(model).load(str(tmp_path / "out.npz"))
    np.testing.assert_allclose(
        (back.user_factors[users] * back.item_factors[items]).sum(axis=1), unlearned.score_rows(users, items), atol=1e-5
    )
    assert back.recommend(0, matrix[[0]], N=3)[0].shape == (3,)
