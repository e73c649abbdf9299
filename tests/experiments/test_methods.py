"""The registry and the runner: methods of any kind of state, with budgets of time, and such that do not apply."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from experiments.compare import Compare, compare
from experiments.run import comparison, methods
from experiments.run.command_line import status_of
from experiments.run.comparison import in_running_order
from experiments.run.methods import REGISTRY, Context, RegisteredMethod, describe_method, parse_methods
from ifru_jax import DataError, IFRUConfig, Interactions, NumericsError, Report, Status, TrainConfig, mf
from ifru_jax.baselines import SISA
from ifru_jax.errors import NotApplicable
from ifru_jax.models import gmf
from ifru_jax.unlearning import Method
from ifru_jax.unlearning.report import Shards

pytestmark = pytest.mark.slow

CONTEXT = Context(mf(embedding_size=4), TrainConfig(), None, budget_seconds=0.5)


@dataclass(frozen=True)
class Popularity:
    """A method whose state is no `Trained`: how much the items are liked, counted anew for every request."""

    by: str = "mean"

    def fit(self, key, data):
        return {"data": data.train}

    def forget(self, state, request):
        data = state["data"]
        gone = request.select(data)
        seconds = {"total": 0.25, "counting": 0.25}
        retained = int((~gone).sum())
        report = Report(Status.RETRAINED, retained, forgotten=int(gone.sum()), shards=Shards(3, 2), seconds=seconds)
        return {"data": data.select(~gone)}, report

    def served(self, state):
        return Liked(state["data"])


@dataclass(frozen=True)
class Liked:
    """Every user likes what most do."""

    interactions: Interactions

    def score_rows(self, users, items):
        return self.score_grid(np.zeros(1, int))[0][items]

    def score_grid(self, users):
        likes = np.bincount(self.interactions.items, self.interactions.labels - 0.5, minlength=self.interactions.num_items)
        return np.tile(likes / np.maximum(self.interactions.item_degrees(), 1), (len(users), 1))


@dataclass(frozen=True)
class Patient:
    """Works for as long as it is told to, and changes nothing."""

    seconds: float

    def fit(self, key, data): ...

    def prepare(self, trained, data, key):
        return trained

    def forget(self, state, request):
        seconds = {"total": self.seconds}
        return state, Report(Status.BUDGET_SPENT, len(state.interactions) - 1, forgotten=1, seconds=seconds)

    def served(self, state):
        return state


@dataclass(frozen=True)
class Failing(Patient):
    def forget(self, state, request):
        raise NumericsError("it diverged: lower the rate.")


def impossible(context):
    raise NotApplicable("it needs a graph, and mf has none.")


@pytest.fixture
def registry(monkeypatch):
    changed = REGISTRY | {
        "popularity": RegisteredMethod(lambda c: Popularity(), start="own"),
        "patient": RegisteredMethod(lambda c: Patient(c.budget_seconds), budget=1.0),
        "patient-10x": RegisteredMethod(lambda c: Patient(c.budget_seconds), budget=10.0),
        "impossible": RegisteredMethod(impossible),
        "failing": RegisteredMethod(lambda c: Failing(1.0)),
    }
    for module in (methods, comparison):
        monkeypatch.setattr(module, "REGISTRY", changed)


@pytest.mark.usefixtures("compiled_once")
def test_a_comparison_holds_methods_of_any_kind(registry, ratings, tmp_path):
    asked = "impossible,patient-10x,failing,popularity,patient"
    options = Compare(data=str(ratings), out=tmp_path, forget="user:0.1", methods=asked, seeds=1)
    assert status_of(compare, options) == 0
    records = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    found = {record["method"]: record for record in records}
    assert list(found) == ["original", "retrain", *asked.split(",")]

    # IFRU sets the pace although nobody asked for it, and stands nowhere.
    pace, tenfold = (found[name]["config"]["unlearning"]["seconds"] for name in ("patient", "patient-10x"))
    assert 0 < pace < 30
    assert tenfold == pytest.approx(10 * pace)
    assert found["patient"]["figures"]["seconds.total"] == pace
    assert found["patient"]["figures"]["seconds.first_call"] >= 0

    assert found["impossible"]["not_applicable"] == "it needs a graph, and mf has none."
    assert found["failing"]["failed"] == "it diverged: lower the rate."
    summary = json.loads((tmp_path / "summary.json").read_text())["methods"]
    for name in ("impossible", "failing"):
        assert not found[name]["figures"]
        assert all(value == {"mean": None, "std": None} for value in summary[name].values())
    report = (tmp_path / "report.md").read_text()
    assert "`impossible` does not apply here: it needs a graph" in report
    assert "`failing` failed: it diverged" in report

    own = found["popularity"]["figures"]
    for figure in ("auc", "auc_before", "ndcg@20", "gap", "forget_rms", "seconds.fit", "seconds.counting", "speedup_vs_retrain"):
        assert own[figure] is not None, figure
    assert own["shards_retrained"] == 2
    # Its retraining is deterministic, so that nothing lies between two yardsticks.
    assert own["own_gap"] is None
    assert "seconds.prepare" not in own
    assert found["popularity"]["config"]["unlearning"] == {"by": "mean"}


def test_the_pacemaker_runs_first_where_it_is_needed(registry):
    assert in_running_order(["sisa", "ifru"]) == ["sisa", "ifru"]
    assert in_running_order(["sisa", "patient", "ifru"]) == ["ifru", "sisa", "patient"]
    assert in_running_order(["patient"]) == ["ifru", "patient"]


@pytest.mark.parametrize("name", REGISTRY)
def test_every_line_of_the_registry_builds_a_method(name):
    assert parse_methods(f"{name}, original,{name}") == [name, "original"]
    context = replace(CONTEXT, model=gmf(embedding_size=4)) if name == "ifru-last-layer" else CONTEXT
    method: Method = REGISTRY[name].build(context)
    assert callable(method.forget)
    json.dumps(describe_method(method))
    without_budget = REGISTRY[name].build(replace(context, budget_seconds=None)) if REGISTRY[name].budget is None else None
    assert without_budget == (None if REGISTRY[name].budget else method)


def test_a_model_without_shared_weights_has_no_last_layer():
    with pytest.raises(NotApplicable, match="no last layer"):
        REGISTRY["ifru-last-layer"].build(CONTEXT)


def test_options_of_a_method_are_told_without_data():
    assert describe_method(SISA(mf(), TrainConfig(), num_shards=4)) == {"num_shards": 4}
    assert describe_method(REGISTRY["ifru"].build(CONTEXT)) == {**IFRUConfig().__dict__}
    with pytest.raises(DataError, match="choose among original, retrain, ifru"):
        parse_methods("magic")
