"""The budget of errors: what is spent is told by the journal, and a quick answer that spends it is settled at once."""

import dataclasses
import math

import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError
from ifru_jax.errors import DataWarning, NumericsError
from ifru_jax.store import ErrorBudget, Spent, Store, answering, verify_record
from ifru_jax.store.budget import spent, standing
from ifru_jax.store.coverage import factor
from tests.store.conftest import PATIENT, STEP
from tests.store.held import everything
from tests.store.test_settling import same

EVIDENCE = {"forgotten": 10, "corrected": 0, "linearity": None}
CREATED = {"kind": "create", "number": 1, "counts": {"interactions": 100}, "gradient": 2.0}


def quick(number: int, distance: float | None, times: float = 1.0) -> dict:
    found = {"kind": "forget", "number": number, "quick": True, "evidence": EVIDENCE, "factor": times}
    return found if distance is None else found | {"distance": distance}


def settled(number: int, distance: float, **more) -> dict:
    return {"kind": "settle", "number": number, "distance": distance, "evidence": EVIDENCE} | more


def test_the_last_quick_answer_tells_the_distance_and_settling_ends_it():
    lines = [CREATED, quick(2, 0.01), quick(3, 0.015)]
    assert spent(lines, ErrorBudget()).distance == 0.015
    assert spent([*lines, {"kind": "export", "number": 4}], ErrorBudget()).distance == 0.015
    assert spent([*lines, settled(4, 0.01)], ErrorBudget()).distance == 0
    whole = {"kind": "forget", "number": 4, "quick": False, "evidence": EVIDENCE}
    assert spent([*lines, whole], ErrorBudget()).distance == 0
    undone = {"kind": "undo", "number": 4, "undoes": 3}
    assert spent([*lines, undone], ErrorBudget()).distance == 0.01
    assert spent([*lines, settled(4, 0.01), {"kind": "undo", "number": 5, "undoes": 3}], ErrorBudget()).distance == 0.01


@pytest.mark.parametrize(
    ("distance", "settle_at", "expected"), [(0.01, 0.02, False), (0.03, 0.02, True), (0.01, 0, True), (9.0, None, False)]
)
def test_beyond_what_is_allowed_it_is_to_be_settled(distance, settle_at, expected):
    assert spent([CREATED, quick(2, distance)], ErrorBudget(settle_at)).settle is expected


def test_an_answer_that_nobody_estimated_is_to_be_settled():
    found = spent([CREATED, quick(2, None)], ErrorBudget())
    assert found.distance is None
    assert found.settle
    assert "settle" in found.advice


def test_the_share_that_changed_counts_each_request_once():
    lines = [CREATED, quick(2, 0.01), quick(3, 0.01), settled(4, 0.01, evidence=EVIDENCE | {"forgotten": 20})]
    found = spent(lines, ErrorBudget())
    assert found.share == pytest.approx(0.2)
    assert not found.retrain
    more = [*lines, quick(5, 0.01)]
    assert "30% of the interactions" in spent(more, ErrorBudget()).retrain
    assert not spent([*more, {"kind": "undo", "number": 6, "undoes": 5}], ErrorBudget()).retrain


def test_growth_and_linearity_tell_to_retrain():
    grown = spent([CREATED, settled(2, 0.01, gradient=5.0)], ErrorBudget())
    assert grown.growth == 2.5
    assert "the gradient is 2.5 times" in grown.retrain
    assert "retrain and make a new store" in grown.advice
    assert not spent([CREATED, settled(2, 0.01, gradient=3.0)], ErrorBudget()).retrain
    bent = EVIDENCE | {"linearity": {"predicted": 1e-2, "actual": 3e-2}}
    assert "3.0 times as much" in spent([CREATED, settled(2, 0.01, evidence=bent)], ErrorBudget()).retrain
    # Too small to tell from rounding.
    small = EVIDENCE | {"linearity": {"predicted": 1e-6, "actual": 3e-6}}
    assert spent([CREATED, settled(2, 0.01, evidence=small)], ErrorBudget()).linearity is None


@pytest.mark.parametrize(
    "named", [{"settle_at": -0.1}, {"settle_at": math.nan}, {"settle_at": math.inf}, {"retrain_at": None}, {"growth": 0.5}]
)
def test_what_is_no_budget_is_refused(named):
    with pytest.raises(DataError, match=f"the budget's {next(iter(named))} is"):
        ErrorBudget(**named)


def test_what_was_undone_does_not_stand():
    lines = [CREATED, quick(2, 0.1), quick(3, 0.1), {"kind": "undo", "number": 4, "undoes": 3}, quick(5, 0.1)]
    assert [line["number"] for line in standing(lines)] == [1, 2, 5]


@pytest.fixture
def strict(tmp_path, trained, split, key):
    """A store that settles every quick answer."""
    with Store.create(tmp_path / "strict", trained, split=split, key=key, grace="30d", budget=ErrorBudget(settle_at=0)) as found:
        yield found


def test_a_quick_answer_that_spends_the_budget_is_settled_at_once(strict, key):
    before = strict.model
    answer = strict.forget(users=[103], quick=True)
    whole, _ = ifru_jax.unlearn(before, users=[103], config=STEP)
    same(strict.model, whole)
    kinds = [(line["kind"], line.get("triggered")) for line in strict.history()]
    assert kinds == [("create", None), ("forget", None), ("settle", True)]
    assert (answer.number, answer.settled) == (2, 3)
    assert (answer.spent.distance, answer.report.scope.users) == (0, 1)
    assert answer.as_dict()["settled"] == 3
    assert verify_record(strict.folder, key=key).holds


def test_undone_both_the_answer_and_its_settling_are(strict):
    before = everything(strict)
    strict.forget(users=[103], quick=True)
    strict.undo()
    assert everything(strict) == before
    assert strict.spent == dataclasses.replace(strict.spent, distance=0, share=0)
    assert strict.erased(user=103) is None


def test_what_cannot_be_settled_is_answered(strict, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise NumericsError("not finite")

    monkeypatch.setattr(answering, "settle", fail)
    with pytest.warns(DataWarning, match=r"answered and recorded, but quick answers could not be settled \(not finite\)"):
        answer = strict.forget(users=[103], quick=True)
    assert answer.settled is None
    assert answer.spent.settle
    monkeypatch.undo()
    strict.settle()
    assert strict.spent.distance == 0


def test_the_budget_is_that_of_the_store_whoever_opens_it(tmp_path, trained, split, key):
    budget = ErrorBudget(settle_at=0.5, retrain_at=0.1, growth=3.0)
    Store.create(tmp_path / "s", trained, split=split, key=key, budget=budget).close()
    with Store.open(tmp_path / "s", read_only=True) as store:
        assert store.spent == Spent(budget, factor=factor([]))


def test_every_quick_answer_is_estimated_and_settling_measures_it(store, key):
    store.forget(users=[103], quick=True)
    first = store.spent.distance
    store.forget(users=[104], quick=True)
    assert 0 < first != store.spent.distance
    assert store.preview(users=[105], tried=False).spent == store.spent
    store.settle()
    line = store.history()[-1]
    assert line["distance"] > 0
    assert store.spent.growth == pytest.approx(line["gradient"] / store.history()[0]["gradient"])
    assert line["evidence"]["linearity"]["predicted"] != 0


def test_the_same_is_estimated_by_whoever_opens_the_store_anew(tmp_path, trained, split, key):
    found = []
    for anew in (False, True):
        store = Store.create(tmp_path / str(anew), trained, split=split, key=key, budget=PATIENT)
        for user in (103, 104):
            store.forget(users=[user], quick=True)
            if anew:
                store.close()
                store = Store.open(tmp_path / str(anew), key=key, config=STEP)
        found.append(store.spent.distance)
        store.close()
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
