"""Requests to a store: every id is answered, held-out interactions go too, steps are undone and corrected, people are not named."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import ifru_jax
from ifru_jax import DataError, Interactions, Trained
from ifru_jax.store import Asked, Store, StoreBusy, make_key, moments, states, verify_record
from ifru_jax.store.verifying import difference_as_request
from tests.store.conftest import STEP, prepared


def pairs_of(data: Interactions) -> dict:
    """{(user, item): label} by original ids."""
    return {
        (int(data.user_ids[u]), str(data.item_ids[i])): float(y)
        for u, i, y in zip(data.users, data.items, data.labels, strict=True)
    }


def everything(store: Store) -> dict:
    split = store.split
    return {pair: label for part in split.parts for pair, label in pairs_of(part).items()}


def test_a_new_store_holds_the_same_model_in_another_order(store, trained, split):
    assert [pairs_of(part) for part in store.split.parts] == [pairs_of(part) for part in split.parts]
    assert ifru_jax.recommend(store.model, k=4).keys() == ifru_jax.recommend(trained, k=4).keys()
    pair = {"users": split.train.user_ids, "items": [split.train.item_ids[0]] * split.train.num_users}
    np.testing.assert_allclose(ifru_jax.score(store.model, **pair), ifru_jax.score(trained, **pair), rtol=1e-6)
    ids = store.model.interactions.user_ids
    assert not np.array_equal(ids, np.sort(ids))
    assert (store.model.interactions.num_users, store.model.total) == (split.train.num_users, trained.total)


def test_forgetting_is_what_unlearn_does(store, trained):
    expected, report = ifru_jax.unlearn(trained, users=[103], config=STEP)
    answer = store.forget(users=[103])
    assert (answer.report.forgotten, answer.report.retained) == (report.forgotten, report.retained)
    assert pairs_of(store.model.interactions) == pairs_of(expected.interactions)
    users = expected.interactions.user_ids[expected.interactions.users]
    items = expected.interactions.item_ids[expected.interactions.items]
    scores = [ifru_jax.score(model, users=users, items=items) for model in (store.model, expected)]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)


def test_held_out_interactions_go_with_their_user(store):
    before = everything(store)
    answer = store.forget(users=[103])
    assert everything(store) == {pair: label for pair, label in before.items() if pair[0] != 103}
    assert answer.held_out == len(before) - len(everything(store)) - answer.report.forgotten > 0


def test_a_pair_that_was_held_out_alone_is_forgotten(store):
    pair = next(iter(pairs_of(store.split.test)))
    before, params = everything(store), store.model.params["user_embedding"]
    answer = store.forget(interactions=[pair])
    assert answer.complete
    assert answer.held_out == 1
    assert everything(store) == {other: label for other, label in before.items() if other != pair}
    np.testing.assert_array_equal(store.model.params["user_embedding"], params)
    assert store.forget(interactions=[pair]).count("done already") == 1


def test_a_model_that_was_not_prepared_is(tmp_path, trained, split, key):
    plain = Trained.of(trained.model, trained.params, split.train)
    with Store.create(tmp_path / "s", plain, split=split, key=key) as store:
        pair = next(iter(pairs_of(store.split.test)))
        assert store.forget(interactions=[pair]).held_out == 1
        assert store.history()[-1]["status"] == "NOTHING_TO_FORGET"


def test_every_id_gets_its_answer(store):
    store.forget(users=[103])
    answer = store.forget(users=["103", 104, 9999, 104.0], items=["nowhere"], missing="report")
    assert [(one.kind, one.ids, one.found) for one in answer.answers] == [
        ("user", (103,), "done already"),
        ("user", (104,), "there"),
        ("user", (9999,), "not in the data"),
        ("item", ("nowhere",), "not in the data"),
    ]
    assert not answer.complete
    assert store.history()[-1]["answers"] == {"there": 1, "done already": 1, "not in the data": 2}


def test_what_is_missing_is_refused_before_anything_is_done(store):
    before, lines = everything(store), len(store.history())
    with pytest.raises(DataError, match=r"user 9999 is not in the data and was not erased before \(2 such\).*missing=\"report\""):
        store.forget(users=[103, 9999, 9998])
    assert (everything(store), len(store.history())) == (before, lines)


def test_the_same_request_twice_is_done_already(store):
    first, second = store.forget(users=[103, 104]), store.forget(users=[104, 103])
    assert first.count("there") == second.count("done already") == 2
    assert second.complete
    assert second.report is None
    last = store.history()[-1]
    assert last["before"] == last["after"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "user\n103\n104\n103\n", Asked(users=["103", "104"])),
        ("a.csv", "user,item\n103,i1\n", Asked(interactions=[("103", "i1")])),
        ("a.csv", "item,user,new_label\ni1,103,1\n", Asked(corrected=[("103", "i1", 1.0)])),
        ("a.jsonl", '{"userId": 103}\n{"userId": 104}\n', Asked(users=[103, 104])),
        ("a.jsonl", '{"asin": "i1"}\n', Asked(items=["i1"])),
    ],
)
def test_requests_come_in_files(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert str(Asked.read(tmp_path / name)) == str(expected)


@pytest.mark.parametrize(
    "users", [{103, 104}, (user for user in (103, 104)), {103: 0, 104: 1}.keys(), pd.Series([103, 104, 104]), np.array([104, 103])]
)
def test_requests_come_in_any_iterable(store, users):
    assert sorted(one.ids[0] for one in store.forget(users=users).answers) == [103, 104]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"interactions": [103]}, r"103 is not a \(user, item\) pair"),
        ({"corrected": [(103, "i1", "good")]}, "the new label of user 103 with item i1 is 'good'"),
        ({"corrected": [(103, "i1", 1), (103, "i1", 0)]}, "user 103 with item i1 is corrected to 1 and to 0"),
    ],
)
def test_what_is_no_request_is_refused(named, message):
    with pytest.raises(DataError, match=message):
        Asked.of(**named)


def test_a_request_for_everybody_changes_nothing(store):
    before = everything(store)
    with pytest.raises(DataError, match="nothing is left"):
        store.forget(users=store.model.interactions.user_ids)
    assert everything(store) == before


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


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_correction_changes_the_label_wherever_the_pair_is(forgiving, part):
    before = everything(forgiving)
    (user, item), label = next(iter(pairs_of(getattr(forgiving.split, part)).items()))
    answer = forgiving.correct([(user, item, 1 - label)])
    assert everything(forgiving) == before | {(user, item): 1 - label}
    assert answer.count("there") == 1
    assert (answer.report.corrected == 1) == (part == "train")
    assert forgiving.correct([(user, item, 1 - label)]).count("done already") == 1
    forgiving.undo()
    assert everything(forgiving) == before


def test_a_correction_forgets_nobody(store):
    with pytest.raises(DataError, match="nothing to forget"):
        store.correct(asked=Asked(users=[103]))
    with pytest.raises(DataError, match="correction 9999 with i1 is not in the data"):
        store.correct([(9999, "i1", 1)])


def test_forgetting_and_correcting_is_one_step(store):
    (user, item), label = next(pair for pair in pairs_of(store.model.interactions).items() if pair[0][0] != 103)
    answer = store.forget(Asked(users=[103], corrected=[(user, item, 1 - label)]))
    assert (answer.report.forgotten > 0, answer.report.corrected) == (True, 1)
    assert len(store.history()) == 2


def test_who_was_erased_is_told_by_the_key_alone(store, tmp_path):
    pair = next(pair for pair in pairs_of(store.model.interactions) if pair[0] == 103)
    store.forget(users=[pair[0]])
    assert store.erased(user=pair[0]) == store.erased(user=str(pair[0])) == 2
    assert store.erased(user=pair[0], item=pair[1]) == 2  # with its user
    assert store.erased(user=104) is None
    with Store.open(store.folder, read_only=True) as reader, pytest.raises(DataError, match="only the operator's key"):
        reader.erased(user=pair[0])
    make_key(tmp_path / "other")
    with pytest.raises(DataError, match="not the key that the store was created with"):
        Store.open(store.folder, key=tmp_path / "other", read_only=True)


def test_items_that_are_taken_along_are_answered(tmp_path, key):
    data = Interactions.from_arrays([1, 1, 2, 2, 3], ["a", "lonely", "a", "b", "b"], [1, 0, 1, 0, 1])
    with Store.create(tmp_path / "s", prepared(data), key=key) as store:
        store._opened.config = STEP
        assert store.preview(users=[1], tried=False).along == {"users": [], "items": ["lonely"]}
        answer = store.forget(users=[1])
        assert answer.report.items_taken_along == 1
        assert store.erased(item="lonely") == 2
        assert store.forget(items=["lonely"]).count("done already") == 1
        assert verify_record(store.folder, key=key).holds


def test_no_file_of_the_store_names_the_erased(store):
    """Not in the journal, the database, its log or the arrays; the numbers of rows are no ids."""
    store.forget(items=["i7"], interactions=[next(p for p in pairs_of(store.model.interactions) if p[1] != "i7")])
    store.forget(items=["i7"])
    store.close()
    for path in store.folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert b"i7" not in raw, path
            assert "i7".encode("utf-32-le") not in raw, path


def test_one_writes_and_any_number_read(store, key):
    with pytest.raises(StoreBusy, match=rf"being written by process {os.getpid()}"):
        Store.open(store.folder, key=key)
    with Store.open(store.folder, read_only=True) as first, Store.open(store.folder, key=key, read_only=True) as second:
        assert len(first.model.interactions) == len(second.model.interactions)
        store.forget(users=[103])
        assert pairs_of(first.model.interactions) == pairs_of(store.model.interactions)
        assert second.erased(user=103) == 2
        for refused in (lambda: first.forget(users=[104]), first.undo, first.compact, lambda: first.export("x.npz")):
            with pytest.raises(DataError, match="read only"):
                refused()
    store.close()
    with pytest.raises(DataError, match="was closed"):
        store.forget(users=[104])


@pytest.mark.slow
def test_the_lock_dies_with_its_process(store, key):
    store.close()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom ifru_jax.store.lock import Lock\n"
        "lock = Lock.take(Path(sys.argv[1]))\nprint('held', flush=True)\ntime.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(store.folder / "lock")], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StoreBusy, match=f"process {other.pid}"):
        Store.open(store.folder, key=key)
    other.kill()
    other.wait()
    Store.open(store.folder, key=key).close()


def test_threads_take_turns(store):
    """No answer is lost to another that began before it ended."""
    users = [user for user in range(103, 111) if user in store.model.interactions.user_ids]
    with ThreadPoolExecutor(len(users)) as pool:
        answers = list(pool.map(lambda user: store.forget(users=[user]), users))
    assert sorted(answer.number for answer in answers) == list(range(2, len(users) + 2))
    assert not {user for user, _ in everything(store)} & set(users)
    assert verify_record(store.folder).holds


def test_a_copy_that_fork_makes_has_no_right_to_write(store, monkeypatch):
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    with pytest.raises(DataError, match="open it for writing"):
        store.forget(users=[103])


def test_a_reader_is_none_the_worse_for_a_writer_between_its_looks(store, monkeypatch):
    """The state that it was told of is destroyed before it reads it."""
    reader, read, destroyed = Store.open(store.folder, read_only=True), states.read, []

    def late(folder, name, **given):
        if not destroyed:
            destroyed.append(name)
            store.forget(users=[103])
        return read(folder, name, **given)

    monkeypatch.setattr(states, "read", late)
    assert pairs_of(reader.model.interactions) == pairs_of(store.model.interactions)


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
    path.unlink()
    assert store.forget(users=[104]).elsewhere == ()
    with pytest.raises(DataError, match="in the store"):
        store.export(store.folder / "served.npz")


def test_sources_are_reminded_of(tmp_path, trained, split, key):
    (tmp_path / "ratings.csv").write_text("user,item\n")
    with Store.create(tmp_path / "s", trained, split=split, key=key, sources=[tmp_path / "ratings.csv"]) as store:
        assert store.forget(users=[103]).elsewhere == (str(tmp_path / "ratings.csv"),)


def test_the_difference_of_two_states_is_the_request(split):
    data = split.train
    user, pair = int(data.users[0]), next(k for k in range(len(data)) if data.users[k] != data.users[0])
    request = ifru_jax.ForgetRequest(
        pairs=np.array([[data.users[pair], data.items[pair]]]),
        users=np.array([user]),
        corrected=np.array([[data.users[-1], data.items[-1]]]),
        labels=1 - data.labels[-1:],
    )
    found = difference_as_request(data, request.applied(data))
    assert pairs_of(found.applied(data)) == pairs_of(request.applied(data))
    assert user in found.users


@pytest.mark.parametrize("wrong", ["", "30", "thirty days", "-1d", "1y"])
def test_a_span_needs_a_unit(wrong):
    with pytest.raises(DataError, match=r"no span of time.*such as 30d"):
        moments.span(wrong)


def test_a_key_is_kept_apart_and_never_overwritten(tmp_path, trained, key):
    with pytest.raises(DataError, match="never overwritten"):
        make_key(key)
    (tmp_path / "short").write_bytes(b"secret\n")
    with pytest.raises(DataError, match="has 6 bytes: give at least 16"):
        Store.create(tmp_path / "s", trained, key=tmp_path / "short")
    with pytest.raises(DataError, match="there is no key file"):
        Store.create(tmp_path / "s", trained, key=tmp_path / "none")
    inside = tmp_path / "in"
    inside.mkdir()
    make_key(inside / "key")
    with pytest.raises(DataError, match="is in the store"):
        Store.create(inside, trained, key=inside / "key")
    assert key.stat().st_mode & 0o077 == 0


def test_a_store_with_a_key_is_written_with_it_alone(store):
    store.close()
    with pytest.raises(DataError, match="give the key file, or only read"):
        Store.open(store.folder)


def test_a_store_without_a_key_cannot_tell_erased_from_unknown(tmp_path, trained):
    with Store.create(tmp_path / "s", trained) as store:
        store.forget(users=[103])
        answer = store.forget(users=[103], missing="report")
        assert [one.found for one in answer.answers] == ["not in the data"]
        assert store.split is None
        assert verify_record(tmp_path / "s").holds


def test_other_folders_and_other_versions_are_refused(tmp_path, trained, store, key):
    with pytest.raises(DataError, match=r"is no store: make one with Store\.create"):
        Store.open(tmp_path / "none")
    with pytest.raises(DataError, match="there already and not empty"):
        Store.create(store.folder, trained)
    store.close()
    connection = sqlite3.connect(store.folder / "store.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DataError, match=r"is a store of format 99, this version reads \d: upgrade ifru_jax"):
        Store.open(store.folder, key=key)
    (store.folder / "store.sqlite").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(DataError, match="damaged or something else"):
        Store.open(store.folder, key=key)


@pytest.mark.parametrize("name", ["model.npz", "held_out.npz"])
def test_a_damaged_file_is_told(store, name):
    (path,) = (store.folder / "states").glob(f"*/{name}")
    path.write_bytes(path.read_bytes()[:-40])
    with Store.open(store.folder, read_only=True) as reader, pytest.raises(DataError, match=name):
        _ = reader.model
    assert not verify_record(store.folder).holds


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_stream_of_requests_is_answered_one_by_one(tmp_path, key, count):
    """New ones, repeated ones and such for people who never were there, against sets in memory."""
    rng, users, items = np.random.default_rng(1), 90, 30
    rows, columns = np.divmod(rng.permutation(users * items)[: 14 * users], items)
    split = ifru_jax.random_split(Interactions.from_arrays(rows, columns, rng.integers(2, size=len(rows))))
    with Store.create(tmp_path / "s", prepared(split.train), split=split, key=key) as store:
        store._opened.config = STEP
        left = {(u, int(i)): y for (u, i), y in everything(store).items()}
        gone_users, gone_pairs, asked = set(), set(), []
        counted = dict.fromkeys(("there", "done already", "not in the data"), 0)
        for number in range(count):
            user, item = int(rng.integers(users + 20)), int(rng.integers(items + 5))
            if asked and rng.random() < 0.25:
                user, item = asked[int(rng.integers(len(asked)))]
            asked.append((user, item))
            quick = bool(rng.random() < 0.3)
            if rng.random() < 0.04 and len({u for u, _ in left}) > 30:
                named, hit = {"users": [user]}, {pair for pair in left if pair[0] == user}
                before = user in gone_users
            else:
                named, hit = {"interactions": [(user, item)]}, {(user, item)} & left.keys()
                before = (user, item) in gone_pairs or user in gone_users
            expected = "there" if hit else "done already" if before else "not in the data"
            answer = store.forget(**named, missing="report", quick=quick)
            assert [one.found for one in answer.answers] == [expected], (number, named)
            counted[expected] += 1
            if hit:
                gone_users |= set(named.get("users", ()))
                gone_pairs |= set(named.get("interactions", ()))
            left = {pair: label for pair, label in left.items() if pair not in hit}
            # Whoever loses the last interaction that was learned from goes, and what was held out of theirs with them.
            now = {(u, int(i)) for u, i in everything(store)}
            along = left.keys() - now
            assert now <= left.keys()
            learned = {u for u, _ in pairs_of(store.model.interactions)}
            assert all(pair[0] not in learned for pair in along)
            gone_users |= {pair[0] for pair in along}
            left = {pair: label for pair, label in left.items() if pair in now}
        assert min(counted.values()) > count / 20
        assert len(store.history()) == count + 1
        assert verify_record(store.folder, key=key).holds
