"""A store holds a model, and its requests do what `unlearn` does; other folders, versions and damaged files are refused."""

import shutil
import sqlite3

import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, Trained
from ifru_jax.store import Store, verify_record
from tests.store.conftest import STEP
from tests.store.held import everything, pairs_of


def test_a_new_store_holds_the_same_model_in_another_order(store, trained, split):
    assert [pairs_of(part) for part in store.split.parts] == [pairs_of(part) for part in split.parts]
    assert ifru_jax.recommend(store.model, k=4).keys() == ifru_jax.recommend(trained, k=4).keys()
    pair = {"users": split.train.user_ids, "items": [split.train.item_ids[0]] * split.train.num_users}
    np.testing.assert_allclose(ifru_jax.score(store.model, **pair), ifru_jax.score(trained, **pair), rtol=1e-6)
    ids = store.model.interactions.user_ids
    assert not np.array_equal(ids, np.sort(ids))
    assert (store.model.interactions.num_users, store.model.total) == (split.train.num_users, trained.total)


def test_forgetting_is_what_unlearn_does(store, trained):
    expected, report = ifru_jax.unlearn(trained, users=[103], config=STEP)
    answer = store.forget(users=[103])
    assert (answer.report.forgotten, answer.report.retained) == (report.forgotten, report.retained)
    assert pairs_of(store.model.interactions) == pairs_of(expected.interactions)
    users = expected.interactions.user_ids[expected.interactions.users]
    items = expected.interactions.item_ids[expected.interactions.items]
    scores = [ifru_jax.score(model, users=users, items=items) for model in (store.model, expected)]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)


def test_held_out_interactions_go_with_their_user(store):
    before = everything(store)
    answer = store.forget(users=[103])
    assert everything(store) == {pair: label for pair, label in before.items() if pair[0] != 103}
    assert answer.held_out == len(before) - len(everything(store)) - answer.report.forgotten > 0


def test_a_pair_that_was_held_out_alone_is_forgotten(store):
    pair = next(iter(pairs_of(store.split.test)))
    before, params = everything(store), store.model.params["user_embedding"]
    answer = store.forget(interactions=[pair])
    assert answer.complete
    assert answer.held_out == 1
    assert everything(store) == {other: label for other, label in before.items() if other != pair}
    np.testing.assert_array_equal(store.model.params["user_embedding"], params)
    assert store.forget(interactions=[pair]).count("done already") == 1


def test_a_model_that_was_not_prepared_is(tmp_path, trained, split, key):
    plain = Trained.of(trained.model, trained.params, split.train)
    with Store.create(tmp_path / "s", plain, split=split, key=key) as store:
        pair = next(iter(pairs_of(store.split.test)))
        assert store.forget(interactions=[pair]).held_out == 1
        assert store.history()[-1]["status"] == "NOTHING_TO_FORGET"


def test_no_file_of_the_store_names_the_erased(store):
    """Not in the journal, the database, its log or the arrays; the numbers of rows are no ids."""
    store.forget(items=["i7"], interactions=[next(p for p in pairs_of(store.model.interactions) if p[1] != "i7")])
    store.forget(items=["i7"])
    store.close()
    for path in store.folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert b"i7" not in raw, path
            assert "i7".encode("utf-32-le") not in raw, path


def test_other_folders_and_other_versions_are_refused(tmp_path, trained, store, key):
    with pytest.raises(DataError, match=r"is no store: make one with Store\.create"):
        Store.open(tmp_path / "none")
    with pytest.raises(DataError, match="there already and not empty"):
        Store.create(store.folder, trained)
    store.close()
    connection = sqlite3.connect(store.folder / "store.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DataError, match=r"is a store of format 99, this version reads \d: upgrade ifru_jax"):
        Store.open(store.folder, key=key)
    (store.folder / "store.sqlite").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(DataError, match="damaged or something else"):
        Store.open(store.folder, key=key)


def test_a_state_that_is_gone_is_told(store, key):
    (path,) = (store.folder / "states").iterdir()
    shutil.rmtree(path)
    store.close()
    with Store.open(store.folder, key=key) as again:
        for ask in (lambda: again.model, lambda: again.forget(users=[103]), lambda: verify_record(again.folder)):
            with pytest.raises(DataError, match=f"the state .*{path.name} is not there: bring the store back from a copy"):
                ask()


@pytest.mark.parametrize("name", ["model.npz", "held_out.npz"])
def test_a_damaged_file_is_told(store, name):
    (path,) = (store.folder / "states").glob(f"*/{name}")
    path.write_bytes(path.read_bytes()[:-40])
    with Store.open(store.folder, read_only=True) as reader, pytest.raises(DataError, match=name):
        _ = reader.model
    assert not verify_record(store.folder).holds
