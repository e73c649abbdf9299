"""Steps are undone within their grace period, and not afterwards."""

import time

import numpy as np
import pytest

from ifru_jax import DataError
from ifru_jax.store import Store, moments, verify_record
from tests.store.held import everything


def test_an_undone_step_never_was(forgiving):
    before, params = everything(forgiving), np.asarray(forgiving.model.params["item_embedding"])
    forgiving.forget(users=[103])
    forgiving.forget(users=[104])
    assert forgiving.erased(user=104) == 3
    assert forgiving.undo().number == 4
    assert forgiving.erased(user=104) is None
    assert {user for user, _ in everything(forgiving)} == {user for user, _ in before} - {103}
    forgiving.undo()
    assert everything(forgiving) == before
    np.testing.assert_array_equal(forgiving.model.params["item_embedding"], params)
    with pytest.raises(DataError, match="no step is within its grace period"):
        forgiving.undo()
    assert [line.get("undone") for line in forgiving.history()] == [None, True, True, None, None]
    assert forgiving.forget(users=[103]).count("there") == 1


def test_without_grace_nothing_can_be_undone(store):
    store.forget(users=[103])
    with pytest.raises(DataError, match="keeps no state before a step"):
        store.undo()
    assert len(list((store.folder / "states").iterdir())) == 1


@pytest.mark.parametrize("read_only", [False, True])
def test_after_the_grace_period_the_next_opening_destroys_the_state_before(forgiving, key, monkeypatch, read_only):
    forgiving.forget(users=[103])
    forgiving.close()
    later = time.time() + 30 * 86400 + 1
    monkeypatch.setattr(moments, "now", lambda: later)
    with Store.open(forgiving.folder, key=key, read_only=read_only):
        assert len(list((forgiving.folder / "states").iterdir())) == 1
    with Store.open(forgiving.folder, key=key) as again:
        assert again.history()[-1]["kind"] == "destroyed"
        assert again.history()[-1]["steps"] == [2]
        with pytest.raises(DataError, match="nothing can be undone"):
            again.undo()
    assert verify_record(forgiving.folder, key=key).holds


def test_a_grace_period_can_be_ended(forgiving, key):
    forgiving.forget(users=[103])
    forgiving.forget(users=[104])
    assert forgiving.end_grace() == 2
    assert len(list((forgiving.folder / "states").iterdir())) == 1
    assert forgiving.history()[-1]["steps"] == [2, 3]
    with pytest.raises(DataError, match="no step is within its grace period"):
        forgiving.undo()
    assert verify_record(forgiving.folder, key=key).holds
    assert forgiving.end_grace() == 0


def test_a_store_that_stays_open_keeps_to_the_grace_period(forgiving, monkeypatch):
    forgiving.forget(users=[103])
    later = time.time() + 30 * 86400 + 1
    monkeypatch.setattr(moments, "now", lambda: later)
    with pytest.raises(DataError, match="no step is within its grace period"):
        forgiving.undo()
    assert len(list((forgiving.folder / "states").iterdir())) == 1


@pytest.mark.parametrize("wrong", ["", "30", "thirty days", "-1d", "1y"])
def test_a_span_needs_a_unit(wrong):
    with pytest.raises(DataError, match=r"no span of time.*such as 30d"):
        moments.span(wrong)
