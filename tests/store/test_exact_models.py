"""Exact models in a store: every answer is that of refitting, and everything else is as for any other model."""

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, IFRUConfig, ModelError
from ifru_jax.exact import ALS, EASE, ItemKNN, load, save
from ifru_jax.store import Asked, Store, scan, verify_record
from tests.store.held import everything, pairs_of

METHODS = {"als": ALS(embedding_size=3, epochs=2, sweeps=1), "ease": EASE(reg=3.0), "knn": ItemKNN(neighbours=4)}


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


def scores(model, users, items):
    return np.stack([ifru_jax.score(model, users=[user] * len(items), items=items) for user in users])


def test_it_answers_as_the_model_does(method, observed, tmp_path, key):
    """In any order of the rows, one request after the other, read anew each time, undone and exported."""
    model = method.fit(jax.random.key(0), observed)
    saved = tmp_path / "before.npz"
    save(model, saved)
    Store.create(tmp_path / "shop", model, split=observed, key=key, grace="30d").close()
    users = [int(user) for user in model.interactions.user_ids if user not in (103, 104)]
    for gone in (103, 104):
        model, _ = ifru_jax.unlearn(model, users=[gone])
        items = model.interactions.item_ids[model.interactions.item_degrees() > 0].tolist()
        with Store.open(tmp_path / "shop", key=key) as store:
            answer = store.forget(users=[gone])
            assert answer.report.status.name == "RETRAINED"
        with Store.open(tmp_path / "shop", key=key, read_only=True) as store:
            np.testing.assert_allclose(scores(store.model, users, items), scores(model, users, items), rtol=1e-9, atol=1e-12)
            assert ifru_jax.recommend(store.model, users=[gone])[gone] == []
    with Store.open(tmp_path / "shop", key=key) as store:
        assert store.forget(users=[103]).count("done already") == 1
        served = load(store.export(tmp_path / "served.npz"))
        assert pairs_of(served.interactions) == pairs_of(model.interactions)
        np.testing.assert_allclose(scores(served, users, items), scores(model, users, items), rtol=1e-9, atol=1e-12)
        store.compact()
        assert (
            min(degrees.min() for degrees in (store.model.interactions.user_degrees(), store.model.interactions.item_degrees())) > 0
        )
        np.testing.assert_allclose(scores(store.model, users, items), scores(model, users, items), rtol=1e-9, atol=1e-12)
        where = [store.folder, tmp_path / "served.npz"]
        assert scan(where, Asked.of(users=[105]), text=False).findings
        store.end_grace()
        assert not scan(where, Asked.of(users=[103]), model=saved, text=False).findings
        assert store.report(tmp_path / "report.html").exists()
        assert verify_record(store.folder, key=key).holds
        assert store.spent.advice == ""


def test_it_is_undone_and_corrected(exact_store, key):
    before, data = scores(exact_store.model, [105], ["i7"]), everything(exact_store)
    exact_store.forget(users=[103])
    exact_store.undo()
    assert everything(exact_store) == data
    np.testing.assert_array_equal(scores(exact_store.model, [105], ["i7"]), before)
    user, item = next(iter(pairs_of(exact_store.model.interactions)))
    assert exact_store.correct([(user, item, 4.0)]).report.corrected == 1
    assert pairs_of(exact_store.model.interactions)[user, item] == 4
    with pytest.raises(DataError, match=r"the new label of user .* is 0, which the model can't take"):
        exact_store.correct([(user, item, 0.0)])
    assert verify_record(exact_store.folder, key=key).holds


def test_no_answer_is_quick(exact_store):
    """All are whole, so nothing is left to settle."""
    assert exact_store.forget(users=[103], quick=True).settled is None
    assert not exact_store.history()[-1]["quick"]
    assert not exact_store.unsettled
    assert exact_store.spent.distance == 0
    with pytest.raises(DataError, match="nothing is to be settled"):
        exact_store.settle()


def test_it_is_previewed_without_being_changed(exact_store):
    data = everything(exact_store)
    found = exact_store.preview(users=[103], k=3)
    assert found.interactions > 0
    assert found.score_change["largest"] > 0
    assert 0 < found.overlap["mean"] <= 1
    assert everything(exact_store) == data


def test_alternating_least_squares_are_verified_and_what_is_not_random_needs_not(exact_store, observed, tmp_path):
    exact_store.forget(users=[103])
    found = exact_store.verify(seeds=2)
    assert all(fact.holds for fact in found.facts.values())
    with Store.create(tmp_path / "ease", METHODS["ease"].fit(jax.random.key(0), observed), split=observed, grace="1d") as store:
        store.forget(users=[103])
        with pytest.raises(DataError, match="there is nothing to compare"):
            store.verify(seeds=2)


def test_how_it_answers_is_part_of_it(exact_store, tmp_path, observed):
    with Store.create(tmp_path / "ease", METHODS["ease"].fit(jax.random.key(0), observed)) as store:
        with pytest.raises(ModelError, match="no other system has a file for EASEModel"):
            store.export(tmp_path / "ease.npz", like="implicit")
        assert [line["kind"] for line in store.history()] == ["create"]
    with (
        Store.open(store.folder, config=IFRUConfig()) as opened,
        pytest.raises(DataError, match="its hyper-parameters say how"),
    ):
        opened.forget(users=[103])
    with pytest.raises(DataError, match="trained is 'x', a str"):
        Store.create(tmp_path / "none", "x")
    with pytest.raises(DataError, match="give what fit, load or unlearn returned"):
        ifru_jax.explain(exact_store.model, user=105)
