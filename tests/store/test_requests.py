"""Requests to a store: every id is answered, in whatever it comes, and repeated, unknown and impossible ones are told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ifru_jax
from ifru_jax import DataError, Interactions
from ifru_jax.store import Asked, Store, verify_record
from ifru_jax.store.verifying import difference_as_request
from ifru_jax.unlearning import IFRUConfig, prepare
from tests.store.conftest import PATIENT, STEP, prepared
from tests.store.held import everything, pairs_of


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


@pytest.mark.parametrize("one", [None, "", "  ", float("nan"), np.float64("nan"), pd.NA, True, b"103", (103,)])
def test_what_is_no_id_is_refused(store, one):
    lines = len(store.history())
    for named in ({"users": [103, one]}, {"items": [one]}, {"interactions": [(103, one)]}):
        with pytest.raises(DataError, match=r"an id is .*: ids are whole numbers or texts"):
            store.forget(**named, missing="report")
    assert len(store.history()) == lines


def test_an_id_is_named_once_however_it_is_written(store):
    answer = store.forget(
        users=["104", 104.0, " 104", np.int64(104)], interactions=[(104, "i1"), ("104.0", " i1")], missing="report"
    )
    assert [(one.kind, one.ids) for one in answer.answers] == [("user", (104,)), ("pair", (104, "i1"))]
    line = store.history()[-1]
    assert line["asked"] == {"users": 1, "interactions": 1}
    assert sum(line["answers"].values()) == 2
    with pytest.raises(DataError, match="user 103 with item i1 is corrected to 1 and to 0"):
        store.correct([(103, "i1", 1), ("103", "i1", 0)])


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("label", [5, -1, 1e30])
def test_a_label_that_the_loss_cannot_take_is_refused(store, part, label):
    """Of a pair that was held out, too."""
    before, lines = everything(store), len(store.history())
    user, item = next(iter(pairs_of(getattr(store.split, part))))
    for ask in (store.correct, lambda corrected: store.preview(corrected=corrected)):
        with pytest.raises(DataError, match=rf"the new label of user {user} with item {item} is .* can't take"):
            ask([(user, item, label)])
    assert (everything(store), len(store.history())) == (before, lines)


def test_a_correction_of_what_was_erased_does_not_say_that_it_never_was(store):
    pair = next(iter(pairs_of(store.split.train)))
    store.forget(interactions=[pair])
    with pytest.raises(DataError, match="is not in the data: nothing was done"):
        store.correct([(*pair, 1)])


def test_a_request_for_everybody_changes_nothing(store):
    before = everything(store)
    with pytest.raises(DataError, match="nothing is left"):
        store.forget(users=store.model.interactions.user_ids)
    assert everything(store) == before


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


def test_a_store_without_a_key_cannot_tell_erased_from_unknown(tmp_path, trained):
    with Store.create(tmp_path / "s", trained) as store:
        store.forget(users=[103])
        answer = store.forget(users=[103], missing="report")
        assert [one.found for one in answer.answers] == ["not in the data"]
        assert store.split is None
        assert verify_record(tmp_path / "s").holds


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


def test_copies_with_labels_of_their_own_were_not_set_right():
    """Only what no copy of the pair has any more was."""
    rows = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0])
    data = Interactions(*rows, np.array([1.0, 0, 1, 0, 1]), 3, 2)
    request = ifru_jax.ForgetRequest(users=np.array([2]), corrected=np.array([[1, 1]]), labels=np.array([0.0]))
    found = difference_as_request(data, request.applied(data))
    assert (found.users.tolist(), found.corrected.tolist(), found.labels.tolist()) == ([2], [[1, 1]], [0.0])
    assert not len(difference_as_request(data, data))
    for copies in ([5.0, 3], [3.0, 5]):
        ratings = replace(data, labels=np.array([*copies, 1, 0, 1]))
        asked = ifru_jax.ForgetRequest(corrected=np.array([[0, 0]]), labels=np.array([3.0]))
        found = difference_as_request(ratings, asked.applied(ratings))
        np.testing.assert_array_equal(found.applied(ratings).labels, asked.applied(ratings).labels)


def test_a_store_of_copies_settles_to_what_was_asked(tmp_path, key):
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(12 * 8)[:60], 8)
    twice = Interactions.from_arrays([*users, users[0]], [*items, items[0]], [*([1, 0] * 30), 0], keep_duplicates=True)
    with Store.create(tmp_path / "s", prepared(twice), key=key, budget=PATIENT) as store:
        store.forget(users=[next(int(user) for user in users if user != users[0])], quick=True)
        before = sorted(store.model.interactions.labels)
        answer = store.settle()
        assert sorted(store.model.interactions.labels) == before
        assert answer.report.corrected == 0


@pytest.mark.parametrize("quick", [False, True])
def test_a_store_answers_by_steps_with_budgets(tmp_path, split, key, quick):
    """They belong to a scope, and what is measured over all rows has none."""
    trained = prepare(prepared(split.train), config=IFRUConfig(scope=(0.5,), max_nodes=40, max_edges=4000, num_steps=2))
    with Store.create(tmp_path / "s", trained, split=split, key=key, budget=PATIENT) as store:
        store._opened.config = trained.step
        answer = store.forget(users=[103], quick=quick)
        assert answer.complete
        assert 103 not in store.model.interactions.user_ids


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
