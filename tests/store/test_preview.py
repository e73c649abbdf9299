"""A preview tells what comes, and writes nothing."""

import re

import numpy as np
import pytest


def test_a_preview_writes_nothing_and_tells_what_comes(store):
    lines, files = len(store.history()), sorted(store.folder.rglob("*.npz"))
    told = store.preview(users=[103, 9999])
    assert (len(store.history()), sorted(store.folder.rglob("*.npz"))) == (lines, files)
    before = store.model
    answer = store.forget(users=[103])
    assert told.interactions == answer.report.forgotten
    assert told.held_out == answer.held_out
    assert [one.found for one in told.answers] == ["there", "not in the data"]
    assert told.share == answer.report.forgotten / len(before.interactions)
    gone = before.interactions.select(before.interactions.users == before.interactions.user_index([103])[0])
    moved = [model.score_rows(gone.users, gone.items) for model in (before, store.model)]
    assert told.score_change["largest"] == pytest.approx(np.abs(moved[0] - moved[1]).max(), rel=1e-5)
    assert told.hops[0] == {"users": 1, "items": len(gone)}
    assert 0 < told.overlap["mean"] <= 1
    assert told.seconds > 0


def test_a_preview_that_is_not_tried_takes_its_seconds_from_the_history(store):
    assert store.preview(users=[103], tried=False).seconds is None
    took = store.forget(users=[103]).report.seconds["total"]
    told = store.preview(users=[104], tried=False)
    assert told.seconds == pytest.approx(took)
    assert (told.score_change, told.overlap) == (None, None)


@pytest.mark.parametrize(("count", "advice"), [(1, "^$"), (2, "in parts of 8%"), (10, "retrain instead")])
def test_a_preview_advises(store, count, advice):
    degrees = store.model.interactions.user_degrees()
    users = store.model.interactions.user_ids[np.argsort(-degrees)[:count]] if count > 1 else [103]
    assert re.search(advice, store.preview(users=users, tried=False).advice)
