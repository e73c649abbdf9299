"""Quick answers: what is asked goes at once, and settled the model is the one of a whole step."""

from collections import Counter

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError
from ifru_jax.models import lightgcn
from ifru_jax.store import Asked, Store, moments, scan, verify_record
from ifru_jax.store.settling import error
from ifru_jax.training import Trained
from ifru_jax.unlearning import prepare
from tests.store.conftest import PATIENT, STEP
from tests.store.held import everything, pairs_of


def same(found, expected, tolerance=1e-5):
    for name, value in expected.params.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(np.asarray(found.params[name]) / scale, np.asarray(value) / scale, atol=tolerance, err_msg=name)


def asked_of(store, *, takes_along):
    """Two users, a pair, and a label, none of them in the way of another; the pair is the last of a user, or isn't.

    A store keeps its rows in an order of its own each time: sorted by their ids, the same are asked for.
    """
    pairs = [pair for pair in sorted(pairs_of(store.model.interactions).items()) if pair[0][0] not in (103, 104)]
    have = Counter(user for (user, _), _ in pairs)
    pair = next(pair for pair, _ in pairs if (have[pair[0]] == 1) == takes_along)
    (user, item), label = next(one for one in reversed(pairs) if one[0] != pair)
    return pair, (user, item, 1 - label)


@pytest.mark.parametrize("takes_along", [False, True])
@pytest.mark.parametrize("layers", [0, 1])
def test_settled_the_model_is_that_of_one_whole_request(tmp_path, split, trained, key, layers, takes_along):
    if layers:
        model = lightgcn(num_layers=1, embedding_size=3)
        params = model.init(jax.random.key(1), split.train.num_users, split.train.num_items)
        trained = prepare(Trained.of(model, params, split.train), config=STEP)
    with Store.create(tmp_path / "s", trained, split=split, key=key, budget=PATIENT) as store:
        before, (pair, corrected) = store.model, asked_of(store, takes_along=takes_along)
        store.forget(users=[103], quick=True)
        store.correct([corrected], quick=True)
        store.forget(users=[104], interactions=[pair], quick=True)
        quick = store.model
        whole, _ = ifru_jax.unlearn(before, users=[103, 104], interactions=[pair], corrected=[corrected], config=STEP)
        assert pairs_of(quick.interactions) == pairs_of(whole.interactions)
        answer = store.settle()
        same(store.model, whole)
        assert pairs_of(store.model.interactions) == pairs_of(whole.interactions)
        line = store.history()[-1]
        assert (line["kind"], line["number"], line.get("tags")) == ("settle", answer.number, None)
        assert line["error"] == pytest.approx(error(quick, whole, before), rel=1e-3)
        assert line["error"] > 0
        assert verify_record(store.folder, key=key).holds


def test_a_quick_answer_moves_the_rows_concerned_alone(store):
    before = store.model
    gone = before.interactions.select(before.interactions.users == before.interactions.user_index([103])[0])
    answer = store.forget(users=[103], quick=True)
    assert answer.report.scope.users == 1
    others = np.setdiff1d(np.arange(before.interactions.num_items), gone.items)
    tables = [np.asarray(model.params["item_embedding"])[others] for model in (before, store.model)]
    np.testing.assert_array_equal(*tables)
    assert 103 not in store.model.interactions.user_ids


def test_the_next_whole_request_settles_all(store):
    before = store.model
    store.forget(users=[103], quick=True)
    answer = store.forget(users=[104])
    whole, report = ifru_jax.unlearn(before, users=[103, 104], config=STEP)
    same(store.model, whole)
    assert answer.report.forgotten == report.forgotten - store.history()[1]["evidence"]["forgotten"]
    with pytest.raises(DataError, match="nothing is to be settled"):
        store.settle()


def test_until_it_is_settled_the_state_before_is_kept(store, key):
    asked = Asked(users=[103])
    store.forget(asked, quick=True)
    store.forget(users=[104], quick=True)
    assert len(list((store.folder / "states").iterdir())) == 2
    store.close()
    with Store.open(store.folder, key=key, config=STEP) as again:
        assert {one.what for one in scan([store.folder], asked).findings} == {"user 103"}
        assert again.forget(asked).count("done already") == 1
        again.settle()
        assert scan([store.folder], asked).findings == ()
        assert len(list((store.folder / "states").iterdir())) == 1


def test_quick_answers_are_undone_one_by_one(forgiving):
    before, whole = everything(forgiving), forgiving.model
    forgiving.forget(users=[103], quick=True)
    forgiving.forget(users=[104], quick=True)
    forgiving.undo()
    forgiving.settle()
    expected, _ = ifru_jax.unlearn(whole, users=[103], config=STEP)
    same(forgiving.model, expected)
    forgiving.undo()
    assert everything(forgiving) == before
    with pytest.raises(DataError, match="nothing is to be settled"):
        forgiving.settle()


def test_undone_beyond_its_settling_a_quick_answer_can_be_settled_again(forgiving):
    whole = forgiving.model
    forgiving.forget(users=[103], quick=True)
    forgiving.forget(users=[104], quick=True)
    forgiving.settle()
    forgiving.undo()
    assert forgiving.erased(user=103) == 2
    assert forgiving.erased(user=104) is None
    forgiving.settle()
    same(forgiving.model, ifru_jax.unlearn(whole, users=[103], config=STEP)[0])


def test_a_grace_period_that_is_over_leaves_what_is_to_be_settled_from(forgiving, key, monkeypatch):
    forgiving.forget(users=[103], quick=True)
    forgiving.forget(users=[104], quick=True)
    later = moments.now() + 31 * 86400
    monkeypatch.setattr(moments, "now", lambda: later)
    forgiving.close()
    with Store.open(forgiving.folder, key=key, config=STEP) as again:
        with pytest.raises(DataError, match="no step is within its grace period"):
            again.undo()
        assert len(list((forgiving.folder / "states").iterdir())) == 2
        assert verify_record(forgiving.folder, key=key).holds
        again.settle()
        assert len(list((forgiving.folder / "states").iterdir())) == 1
        assert sorted(step for line in again.history() if line["kind"] == "destroyed" for step in line["steps"]) == [2, 3]
    assert verify_record(forgiving.folder, key=key).holds


def test_compacting_settles_first(store):
    store.forget(users=[103], quick=True)
    store.compact()
    assert [line["kind"] for line in store.history()] == ["create", "forget", "settle", "compact"]
    assert scan([store.folder], Asked(users=[103])).findings == ()
