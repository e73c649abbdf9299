"""The count of kills finds what is lost and what is half done."""

import json

import numpy as np
import pytest

from experiments.reliability.__main__ import create, reliability
from experiments.reliability.replay import Held, Tally, judge, replayed
from ifru_jax.store import make_key


@pytest.fixture(scope="module")
def at_work(tmp_path_factory):
    """A store before three requests, the log of a process that made them, and its folder."""
    home = tmp_path_factory.mktemp("kills")
    make_key(home / "key")
    with create(home / "shop", home / "key", np.random.default_rng(0)) as store:
        before = Held.of(store)
        user, item = next(pair for pair in before.pairs if pair[0] not in (1, 2))
        label = 1 - before.pairs[user, item]
        said = [
            {"kind": "forget", "users": [1, 2, 999]},
            {"kind": "correct", "corrected": [[user, item, label]]},
            {"kind": "undo"},
        ]
        answered = [store.forget(users=[1, 2, 999], missing="report").number, store.correct([(user, item, label)]).number]
        answered.append(store.undo().number)
    return home, before, said, answered


def counted(home, before, lines):
    (home / "log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tally = Tally()
    judge(tally, home / "shop", home / "key", home / "log", before)
    return tally


def spoken(said, answered):
    return [line for request, number in zip(said, answered, strict=True) for line in (request, {"answered": number})]


def test_what_was_answered_is_there(at_work):
    home, before, said, answered = at_work
    assert counted(home, before, spoken(said, answered)) == Tally(kills=1, answered=3)


def test_a_request_under_way_is_done_or_not(at_work):
    home, before, said, answered = at_work
    lines = spoken(said, answered)
    assert counted(home, before, lines[:-1]) == Tally(kills=1, answered=2, done=1)
    assert counted(home, before, [*lines, {"kind": "forget", "users": [7]}]) == Tally(kills=1, answered=3, not_done=1)


def test_a_lost_request_is_counted(at_work):
    home, before, said, answered = at_work
    lines = [*spoken(said, answered), {"kind": "forget", "users": [7]}, {"answered": answered[-1] + 1}]
    assert counted(home, before, lines).lost == 1


def test_another_state_is_counted(at_work):
    home, before, said, answered = at_work
    others = [{"kind": "forget", "users": [1, 3]}, *said[1:]]
    assert counted(home, before, spoken(others, answered)).half_done == 1


def test_a_request_for_nobody_is_no_state_to_go_back_to():
    start = {(1, 1): 0.0, (2, 1): 1.0}
    assert replayed([start], {"kind": "forget", "users": [9]}) == [start]
    assert replayed([start], {"kind": "forget", "users": [1]}) == [start, {(2, 1): 1.0}]
    assert replayed([start, {}], {"kind": "undo"}) == [start]


@pytest.mark.slow
def test_processes_are_killed_and_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("IFRU_JAX_CACHE", str(tmp_path / "compiled"))
    assert reliability(kills=2, out=tmp_path / "count.json") == 0
    found = json.loads((tmp_path / "count.json").read_text())
    assert (found["kills"], found["lost"], found["half_done"]) == (2, 0, 0)
    assert found["answered"] >= 2
