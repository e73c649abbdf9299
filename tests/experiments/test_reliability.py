"""The count of kills finds what is lost and what is half done."""

import json

import numpy as np
import pytest

from experiments.reliability import __main__ as kills
from experiments.reliability.__main__ import create, reliability
from experiments.reliability.replay import Held, Kill, judge, replayed
from ifru_jax.store import make_key


@pytest.fixture(scope="module")
def at_work(tmp_path_factory):
    """A store before some requests, the log of a process that made them, and its folder."""
    home = tmp_path_factory.mktemp("kills")
    make_key(home / "key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kills, "SETTLE_AT", None)
        created = create(home / "shop", home / "key", np.random.default_rng(0))
    with created as store:
        before = Held.of(store)
        user, item = next(pair for pair in before.pairs if pair[0] not in (1, 2, 4, 5))
        label = 1 - before.pairs[user, item]
        said = [
            {"kind": "forget", "users": [1, 2, 999]},
            {"kind": "correct", "corrected": [[user, item, label]]},
            {"kind": "undo"},
            {"kind": "forget", "users": [4]},
            {"kind": "settle"},
            {"kind": "forget", "users": [5]},
        ]
        answered = [
            store.forget(users=[1, 2, 999], missing="report").number,
            store.correct([(user, item, label)]).number,
            store.undo().number,
            store.forget(users=[4], quick=True).number,
            store.settle().number,
        ]
        assert store.end_grace() == 2  # a line that is no request
        answered.append(store.forget(users=[5]).number)
    return home, before, said, answered


def judged(home, before, lines) -> Kill:
    (home / "log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return judge(home / "shop", home / "key", home / "log", before)[0]


def spoken(said, answered):
    return [line for request, number in zip(said, answered, strict=True) for line in (request, {"answered": number})]


def test_what_was_answered_is_there(at_work):
    home, before, said, answered = at_work
    assert judged(home, before, spoken(said, answered)) == Kill(6, None, lost=False, half_done=False)


def test_a_request_under_way_is_done_or_not(at_work):
    home, before, said, answered = at_work
    lines = spoken(said, answered)
    assert judged(home, before, lines[:-1]) == Kill(5, True, lost=False, half_done=False)
    under_way = [*lines, {"kind": "forget", "users": [7]}]
    assert judged(home, before, under_way) == Kill(6, False, lost=False, half_done=False)


def test_a_lost_request_is_told(at_work):
    home, before, said, answered = at_work
    lines = [*spoken(said, answered), {"kind": "forget", "users": [7]}, {"answered": answered[-1] + 1}]
    assert judged(home, before, lines).lost


def test_another_state_is_told(at_work):
    home, before, said, answered = at_work
    others = [{"kind": "forget", "users": [1, 3]}, *said[1:]]
    found = judged(home, before, spoken(others, answered))
    assert (found.half_done, found.lost) == (True, False)


def test_a_request_for_nobody_is_no_state_to_go_back_to():
    start = {(1, 1): 0.0, (2, 1): 1.0}
    assert replayed([start], {"kind": "forget", "users": [9]}) == [start]
    assert replayed([start], {"kind": "forget", "users": [1]}) == [start, {(2, 1): 1.0}]
    assert replayed([start, {}], {"kind": "undo"}) == [start]
    assert replayed([start, {}], {"kind": "settle"}) == [start, {}]


@pytest.mark.slow
def test_processes_are_killed_and_a_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("IFRU_JAX_CACHE", str(tmp_path / "compiled"))
    out = tmp_path / "kills.jsonl"
    for count in (1, 2):
        assert reliability(kills=count, out=out) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["kill"], line["store"], line["lost"], line["half_done"]) for line in found] == [
        (0, "0", False, False),
        (1, "1", False, False),
    ]
    assert all(line["answered"] for line in found)
