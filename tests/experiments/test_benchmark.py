"""The benchmark's figures; their times are measured elsewhere."""

import json

import jax
import numpy as np
import pytest

from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import cells
from experiments.benchmark import errors as accuracy
from experiments.benchmark.errors import errors, references
from experiments.benchmark.figure import Figure, compare_times, spread
from experiments.run.command_line import status_of
from ifru_jax import DataError, Interactions, TrainConfig, drop_duplicates, mf, random_split
from ifru_jax.data import ForgetRequest
from ifru_jax.training import train
from ifru_jax.unlearning import IFRUConfig, prepare


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 15, 200), rng.integers(0, 12, 200), rng.random(200) < 0.5
    data = drop_duplicates(Interactions.from_arrays(*drawn, keep_duplicates=True))
    config = TrainConfig(learning_rate=1e-2, batch_size=64, reg=1e-4, epochs=10)
    return prepare(train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), random_split(data), config))


def test_larger_is_better_unless_it_is_a_cost():
    ratio = Figure(8.0, 7.0, "times faster", (7.0, 9.0), "retraining")
    assert ratio.reached
    cost = Figure(8.0, 7.0, "ms", (7.0, 9.0), "none", smaller_is_better=True)
    assert not cost.reached
    assert cost.as_dict()["spread"] == [7.0, 9.0]


def test_both_are_timed_in_turn():
    calls = []
    figure = compare_times(lambda: calls.append("a"), lambda: calls.append("b"), target=1, baseline_name="b", repeats=3)
    assert calls == ["a", "b"] * 4
    assert figure.details["seconds.ours"] > 0
    assert spread(np.arange(101)) == (10, 90)


def test_results_join_those_already_there(tmp_path, monkeypatch, capsys):
    figure = Figure(1.0, 2.0, "ms", (1.0, 1.0), "none", {"error.p95": 0.5})
    monkeypatch.setattr(benchmark, "BENCHMARKS", {"one": lambda: {"-a": figure}, "two": lambda: {"": figure}})
    monkeypatch.setattr(benchmark, "keep_compiled", lambda: None)
    out = tmp_path / "figures.json"
    assert status_of(benchmark.benchmark, ("one",), out) == 0
    assert status_of(benchmark.benchmark, ("two",), out) == 0
    found = json.loads(out.read_text())
    assert set(found) == {"one-a", "two"}
    assert found["two"]["error.p95"] == 0.5
    assert status_of(benchmark.benchmark, ("three",), out) == 2
    assert "there is no benchmark" in capsys.readouterr().err


@pytest.mark.parametrize("forgotten", [[], [1]])
def test_rows_that_both_set_to_zero_are_no_error(forgotten):
    class Model:
        tables = {"u": "user", "i": "item"}  # noqa: RUF012

    class Trained:
        model = Model()

    before = {"u": np.zeros((3, 2)), "i": np.zeros((2, 2))}
    after = {"u": np.array([[1.0, 0], [5, 5], [0, 2]]), "i": np.zeros((2, 2))}
    change = accuracy._kept_change(Trained(), ForgetRequest(users=np.array(forgotten, int)), after, before)
    assert len(change) == 10 - 2 * len(forgotten)
    assert (5 in change) != bool(forgotten)


def test_the_error_of_a_request_falls_with_its_scope(trained):
    data = trained.interactions
    requests = [ForgetRequest(pairs=np.array([[data.users[0], data.items[0]]])), ForgetRequest(users=np.array([2]))]
    exact = references(trained, requests)
    near, far = (errors(trained, exact, config) for config in (IFRUConfig(scope=()), accuracy.REFERENCE))
    assert set(near) == {f"{what}.{share}" for what in ("error", "error.scores", "error.forgotten") for share in ("p50", "p95")}
    assert 0 < near["error.p50"] < 1
    # What is left is single precision.
    assert far["error.p95"] < 1e-3
    assert far["error.scores.p95"] < 1e-3


def test_a_method_is_timed_again_in_the_place_of_what_was_there(tmp_path, monkeypatch):
    asked, path = [], tmp_path / "seconds.jsonl"

    def timed(cell, methods, store, tell):
        asked.append((cell.name, list(methods)))
        for name in ("retrain", *methods):
            yield name, {"seconds.total": float(len(asked))}

    monkeypatch.setattr(cells, "PATH", path)
    monkeypatch.setattr(cells, "timed", timed)
    cells.cells(only="ml-100k_mf_noise-0.02")
    (name, every), before = asked[0], path.read_text().splitlines()
    assert name == "ml-100k_mf_noise-0.02"
    assert [json.loads(line)["method"] for line in before] == ["retrain", *every]
    cells.cells(only="ml-100k_mf_noise-0.02")
    assert len(asked) == 1
    cells.cells(only="ml-100k_mf", again="ifru-end,ifru")
    assert asked[1:] == [(name, [method for method in every if method in ("ifru", "ifru-end")])]
    for old, new in zip(before, path.read_text().splitlines(), strict=True):
        again = json.loads(new)["method"] in ("ifru", "ifru-end")
        assert (old != new) == again
        assert json.loads(new)["figures"] == {"seconds.total": 2.0 if again else 1.0}
    # Nothing is retrained where none of the methods has a meaning.
    cells.cells(only="ml-100k_mf", again="sisa")
    assert len(asked) == 2
    with pytest.raises(DataError, match="there is no method 'magic'"):
        cells.cells(again="magic")
