"""A stream to a store: every request is answered as it has to be, and what is measured is what a whole step gives."""

import json

import jax
import numpy as np
import pytest

from experiments.pages import stream as page
from experiments.studies.stream import KINDS, Streamed, drawn, requested
from ifru_jax import Interactions, Trained, mf, random_split
from ifru_jax.store import ErrorBudget, Store, make_key
from ifru_jax.unlearning import prepare


@pytest.fixture
def streamed(tmp_path):
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(40 * 20)[:500], 20)
    split = random_split(Interactions.from_arrays(100 + users, items, rng.integers(2, size=500)))
    model, data = mf(embedding_size=3, init_std=0.5), split.train
    trained = prepare(Trained.of(model, model.init(jax.random.key(0), data.num_users, data.num_items), data))
    make_key(tmp_path / "key")
    with Store.create(tmp_path / "s", trained, split=split, key=tmp_path / "key", budget=ErrorBudget(settle_at=0.05)) as store:
        yield Streamed("small", store, store.model, store.model)


def test_every_request_is_answered_as_expected_and_measured(streamed):
    lines = [line for number in range(25) for line in requested(streamed, number, measured=True)]
    assert len(lines) == 25
    assert all(line["as_expected"] for line in lines)
    assert len({line["kind"] for line in lines}) > 3
    for line in lines:
        if line["estimate"] is None:
            assert line["answers"]["there"] == 0
            assert "distance" not in line
        else:
            assert line["distance"] >= 0
    triggered = [line for line in lines if line["triggered"]]
    assert triggered
    assert all(line["estimate"] > 0.05 and line["from_one"] is not None for line in triggered)
    assert not any(line["estimate"] and line["estimate"] > 0.05 for line in lines if not line["triggered"])
    settled = [line for line in streamed.store.history() if line["kind"] == "settle"]
    assert [line["distance"] for line in settled] == [line["distance"] for line in triggered]


def test_requests_are_the_same_for_the_same_number_and_state(streamed):
    data = streamed.store.model.interactions
    found = [drawn(np.random.default_rng([1, number]), data, []) for number in range(200)]
    assert found == [drawn(np.random.default_rng([1, number]), data, []) for number in range(200)]
    assert {kind for kind, *_ in found} == set(KINDS)
    assert all("done already" not in told for _, _, told in found)


def test_the_table_shows_what_was_covered(tmp_path, monkeypatch):
    asked = {"cell": "a_b", "request": 0, "kind": "user", "as_expected": True, "triggered": False}
    lines = [
        asked | {"estimate": 2.0, "distance": 1.0, "error": 0.5},
        asked | {"estimate": 1.0, "distance": 2.0, "error": 0.5, "triggered": True, "from_one": 0.25, "share": 0.1, "growth": 1.5},
        asked | {"estimate": None, "kind": "again"},
        {"cell": "a_b", "end": {"settled": 1.0, "in one": 2.0, "original": 4.0}},
    ]
    (tmp_path / "stream.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr(page, "PATH", tmp_path / "stream.jsonl")
    table = page.stream_of_requests()
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ")[1].removesuffix(" |") for row in table.splitlines()}
    assert rows["requests"] == "3"
    assert rows["estimate covers the distance"] == "50.0%"
    assert rows["requests that were settled at once"] == "33.3%"
    assert rows["distance to retrained models: settled over one request"] == "0.500"
    assert rows["distance to retrained models: settled over doing nothing"] == "0.250"


def test_seconds_are_told_of_answers_that_were_settled_and_of_others(tmp_path, monkeypatch):
    path = tmp_path / "seconds.jsonl"
    monkeypatch.setattr(page, "SECONDS", path)
    assert page.seconds_of_answers() == "–"
    lines = [{"cell": "a_b", "request": n, "seconds": float(n), "settled": n == 100} for n in range(101)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = [row.strip("| ").split(" | ") for row in page.seconds_of_answers().splitlines()[2:]]
    assert [row[1] for row in rows] == ["101", "50.000", "99.000", "49.500", "98.010", "100.000", "1.0%"]
