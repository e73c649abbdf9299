"""Models without the rows of the erased, and what lies outside of a store."""

import pytest

import ifru_jax
from ifru_jax import DataError
from ifru_jax.store import Store
from tests.store.held import everything, pairs_of


def test_compacted_it_answers_as_before(store):
    store.forget(users=[103, 104])
    before, scores = everything(store), ifru_jax.recommend(store.model, k=5)
    store.compact()
    assert everything(store) == before
    model = store.model
    assert model.total == len(model.interactions)
    assert model.interactions.user_degrees().min() > 0
    assert model.interactions.item_degrees().min() > 0
    after = ifru_jax.recommend(model, k=5)
    assert {u: [i for i, _ in found] for u, found in after.items()} == {u: [i for i, _ in found] for u, found in scores.items()}
    assert store.forget(users=[103]).count("done already") == 1
    assert store.forget(users=[105]).count("there") == 1


def test_an_export_is_reminded_of_while_it_is_there(store, tmp_path):
    path = store.export(tmp_path / "served.npz")
    served = ifru_jax.load(path)
    assert pairs_of(served.interactions) == pairs_of(store.model.interactions)
    assert served.record is None
    assert store.forget(users=[103]).elsewhere == (str(path),)
    assert store.history()[-1]["elsewhere"] == [str(path)]
    assert store.export(path) == path
    path.unlink()
    assert store.forget(users=[104]).elsewhere == ()
    with pytest.raises(DataError, match="in the store"):
        store.export(store.folder / "served.npz")


def test_sources_are_reminded_of(tmp_path, trained, split, key):
    (tmp_path / "ratings.csv").write_text("user,item\n")
    with Store.create(tmp_path / "s", trained, split=split, key=key, sources=[tmp_path / "ratings.csv"]) as store:
        assert store.forget(users=[103]).elsewhere == (str(tmp_path / "ratings.csv"),)


def test_no_file_is_replaced_that_the_store_did_not_write(store, tmp_path, key):
    (tmp_path / "mine.npz").write_bytes(b"precious")
    before, secret, lines = (store.folder / "store.sqlite").read_bytes(), key.read_bytes(), len(store.history())
    for write in (store.export, store.report):
        for path in (tmp_path / "mine.npz", key):
            with pytest.raises(DataError, match="there already, and this store did not write it"):
                write(path)
        with pytest.raises(DataError, match="is in the store"):
            write(store.folder / "store.sqlite")
        with pytest.raises(DataError, match="does not exist"):
            write(tmp_path / "nowhere" / "a")
    assert ((tmp_path / "mine.npz").read_bytes(), key.read_bytes()) == (b"precious", secret)
    assert ((store.folder / "store.sqlite").read_bytes(), len(store.history())) == (before, lines)
    page = store.report(tmp_path / "page.html")
    assert store.report(page) == page


@pytest.mark.parametrize("takes_a_row", [True, False])
def test_a_step_is_verified_before_the_rows_are_in_another_order(forgiving, takes_a_row):
    """Also where as many are left as before."""
    pair = next(iter(pairs_of(forgiving.model.interactions)))
    forgiving.forget(**({"users": [103]} if takes_a_row else {"interactions": [pair]}))
    forgiving.compact()
    with pytest.raises(DataError, match="the rows were renumbered since"):
        forgiving.verify(seeds=2)
    assert all(line["kind"] != "verify" for line in forgiving.history())
