"""The record notices what was changed, and names nobody; a model file tells neither who was erased nor how many."""

import json
import sqlite3
from dataclasses import replace

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, Interactions, Trained, mf
from ifru_jax.data import sample_negatives
from ifru_jax.data.numbering import in_order
from ifru_jax.graph import Change
from ifru_jax.models.tables import clear_rows
from ifru_jax.store import Store, journal, verify_record
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import prepare
from ifru_jax.unlearning.compaction import compact, shuffled
from tests.store.conftest import STEP, prepared


@pytest.fixture
def told(forgiving):
    """A store with a history."""
    forgiving.forget(users=[103])
    forgiving.forget(users=[104])
    forgiving.undo()
    forgiving.forget(users=[105, 9999], missing="report")
    forgiving.close()
    return forgiving.folder


def change(folder, statement, *values):
    """What somebody does who has the database and knows SQLite."""
    connection = sqlite3.connect(folder / "store.sqlite")
    for trigger in ("lines_stay", "lines_stay_as_they_are"):
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def rewritten(folder, number, edit):
    """A line changed, and all that follow made to fit."""
    connection = sqlite3.connect(folder / "store.sqlite")
    lines = [journal.Line(*row) for row in connection.execute("SELECT * FROM journal ORDER BY number")]
    connection.close()
    previous = None
    for line in lines[number - 1 :]:
        content = line.content
        if line.number == number:
            edit(content)
        else:
            content["previous"] = previous
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = journal.digest_of(text)
        change(folder, "UPDATE journal SET line = ?, digest = ? WHERE number = ?", text, previous, line.number)


def test_a_record_holds_with_the_key_and_without(told, key):
    for given in (None, key):
        found = verify_record(told, key=given)
        assert (found.holds, found.lines, found.first_changed, found.sealed) == (True, 5, None, given is not None)
    assert verify_record(told, head=found.head).holds


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_the_first_changed_line_is_told(told, number):
    change(told, "UPDATE journal SET line = replace(line, '2026', '2025') || ' ' WHERE number >= ?", number)
    found = verify_record(told)
    assert (found.holds, found.first_changed) == (False, number)
    assert f"line {number} is not the one" in found.why


@pytest.mark.parametrize("number", [2, 4])
def test_a_line_that_was_written_anew_with_its_digest_is_told(told, number):
    connection = sqlite3.connect(told / "store.sqlite")
    (text,) = connection.execute("SELECT line FROM journal WHERE number = ?", (number,)).fetchone()
    connection.close()
    text = text.replace('"forget"', '"compact"').replace('"undo"', '"export"')
    change(told, "UPDATE journal SET line = ?, digest = ? WHERE number = ?", text, journal.digest_of(text), number)
    assert verify_record(told).first_changed == number + 1


@pytest.mark.parametrize("number", [1, 3, 5])
def test_who_writes_all_lines_anew_has_no_seal_for_them(told, key, number):
    rewritten(told, number, lambda content: content.update(time="2020-01-01T00:00:00Z"))
    assert verify_record(told).holds  # nobody can tell without the key
    found = verify_record(told, key=key)
    assert (found.first_changed, found.why) == (number, f"line {number} was not sealed with this key")


def test_a_line_that_is_missing_is_told(told):
    head = verify_record(told).head
    change(told, "PRAGMA foreign_keys = OFF")
    change(told, "DELETE FROM journal WHERE number = 3")
    assert verify_record(told).first_changed == 3
    change(told, "DELETE FROM journal WHERE number > 2")
    found = verify_record(told)
    assert (found.holds, found.first_changed) == (False, None)
    change(told, "DELETE FROM tags WHERE number > 2")
    assert "last line is not of the state that counts" in verify_record(told).why
    assert not verify_record(told, head=head).holds


def test_a_head_that_was_noted_shows_that_the_end_is_missing(store, key):
    store.forget(users=[9999], missing="report")
    head = verify_record(store.folder).head
    change(store.folder, "DELETE FROM journal WHERE number = 2")
    assert verify_record(store.folder, key=key).holds  # the model is the one of the first line
    assert "lines were cut off" in verify_record(store.folder, key=key, head=head).why


def test_files_that_were_exchanged_are_told(told):
    for path in (told / "states").glob("*/held_out.npz"):
        raw = bytearray(path.read_bytes())
        raw[200] ^= 1
        path.write_bytes(raw)
    assert "files of the current state" in verify_record(told).why or "sealed state" in verify_record(told).why


def test_an_index_that_differs_is_told(told):
    change(told, "DELETE FROM tags")
    assert "the index differs from the lines in 2 tags" in verify_record(told).why


def test_lines_can_neither_be_changed_nor_deleted_by_mistake(told):
    connection = sqlite3.connect(told / "store.sqlite")
    for statement in ("DELETE FROM journal", "UPDATE journal SET line = ''"):
        with pytest.raises(sqlite3.IntegrityError, match="lines of the journal stay"):
            connection.execute(statement)
    connection.close()


def test_tags_of_two_stores_have_nothing_in_common(tmp_path, trained, key):
    tags = []
    for name in ("a", "b"):
        with Store.create(tmp_path / name, trained, key=key) as store:
            store._opened.config = STEP
            store.forget(users=[103])
            tags.append(set(store.history()[-1]["tags"]["erased"]))
    assert not tags[0] & tags[1]


def test_lines_say_what_was_asked_of_them(told):
    with Store.open(told, read_only=True) as store:
        line = store.history()[-1]
    assert {"time", "kind", "asked", "answers", "counts", "tags", "before", "after", "config", "status", "evidence"} <= line.keys()
    assert set(line["versions"]) == {"ifru_jax", "jax", "jaxlib", "numpy"}
    assert {name: len(tags) for name, tags in line["tags"].items()} == {"erased": 1, "absent": 1}
    assert line["counts"]["users"] == 18


# The model file alone, against somebody who wants to know which of the ids that aren't in it was erased.

CANDIDATES = 10
ERASURES = 1000


def erasures(make):
    """(arrays of the file, candidates, place of the erased one among them) of many erasures; one model each."""
    rng = np.random.default_rng(7)
    model = mf(embedding_size=2)
    for _ in range(ERASURES):
        everyone = rng.choice(np.arange(100, 400), 40, replace=False)
        there = np.sort(everyone[: 40 - CANDIDATES + 1])
        users = np.concatenate([np.arange(len(there)), rng.integers(len(there), size=60)])
        items = np.concatenate([rng.integers(12, size=len(there)), np.arange(60) % 12])
        _, kept = np.unique(users * 12 + items, return_index=True)
        data = Interactions.from_arrays(there[users[kept]], items[kept], rng.integers(2, size=len(kept)))
        params = {"user_embedding": rng.normal(size=(len(there), 2)), "item_embedding": rng.normal(size=(12, 2))}
        gone = int(rng.integers(len(there)))
        candidates = rng.permutation(np.append(everyone[40 - CANDIDATES + 1 :], there[gone]))
        file = make(Trained.of(model, params, data), gone, rng)
        yield file, candidates, int(np.flatnonzero(candidates == there[gone])[0])


def contents(trained: Trained) -> dict:
    data = trained.interactions
    return {"ids": data.user_ids, "users": data.users, "items": data.items, "sizes": (data.num_users, data.num_items)} | {
        "table": np.asarray(trained.params["user_embedding"]),
        "total": trained.total,
        "capacities": trained.training_set.capacities,
    }


def erased_from(trained: Trained, user: int) -> Trained:
    """The model without a user, as after a step of length 0."""
    rows = ifru_jax.ForgetRequest(users=np.array([user]))
    after = Change.of(trained.training_set, rows).after
    gone = after.without_data
    params = clear_rows(trained.model.tables, trained.params, (jax.numpy.asarray(gone.users), jax.numpy.asarray(gone.items)))
    return replace(trained, params=params, training_set=after)


def as_they_come(trained, user, rng):
    return contents(erased_from(trained, user))


def in_random_order(trained, user, rng):
    mixed, order = shuffled(trained, rng)
    return contents(erased_from(mixed, int(np.flatnonzero(order[0] == user)[0])))


def compacted(trained, user, rng):
    return contents(compact(erased_from(trained, user), rng)[0])


def hole(file, candidates):
    """Between the neighbours of the mark, if those ascend; among all that lie there, the one nearest to the middle."""
    ids, marks = file["ids"], np.flatnonzero(file["ids"] < 0)
    if not len(marks):
        return None
    place = int(marks[0])
    low = ids[place - 1] if place else 99
    high = ids[place + 1] if place + 1 < len(ids) else 400
    inside = [k for k, one in enumerate(candidates) if low < one < high]
    return min(inside or range(len(candidates)), key=lambda k: abs(candidates[k] - (low + high) / 2))


def rank_of_the_row(file, candidates):
    """The candidate whose rank among all ids is nearest to the place of the mark, or of the row of zeros."""
    zeros = np.flatnonzero((file["table"] == 0).all(axis=1))
    if not len(zeros):
        return None
    known = np.sort(file["ids"][file["ids"] >= 0])
    return int(np.argmin([abs(np.searchsorted(known, one) - zeros[0]) for one in candidates]))


def largest_gap(file, candidates):
    """The candidate that fills the ids up best, as among consecutive ones."""
    known = np.sort(file["ids"][file["ids"] >= 0])
    distance = [np.abs(known - one).min() for one in candidates]
    return int(np.argmin(distance))


def by_position(file, candidates):
    """A regression of place on id over all other rows; the candidate whose id belongs to the place that is missing."""
    known = np.flatnonzero(file["ids"] >= 0)
    slope, start = np.polyfit(known, file["ids"][known], 1)
    zeros = np.flatnonzero((file["table"] == 0).all(axis=1))
    place = zeros[0] if len(zeros) else (file["total"] - len(file["users"])) % max(len(file["ids"]), 1)
    return int(np.argmin(np.abs(candidates - (start + slope * place))))


ADVERSARIES = {"hole": hole, "rank": rank_of_the_row, "gap": largest_gap, "position": by_position}


@pytest.mark.slow
@pytest.mark.parametrize("make", [in_random_order, compacted], ids=lambda make: make.__name__)
def test_no_adversary_tells_the_erased_id_better_than_by_chance(make):
    right = dict.fromkeys(ADVERSARIES, 0)
    guess = np.random.default_rng(1)
    for file, candidates, answer in erasures(make):
        for name, adversary in ADVERSARIES.items():
            found = adversary(file, candidates)
            right[name] += (int(guess.integers(len(candidates))) if found is None else found) == answer
    chance = 1 / CANDIDATES
    limit = ERASURES * chance + 3.3 * np.sqrt(ERASURES * chance * (1 - chance))  # one in two thousand, of each of them
    assert max(right.values()) <= limit, right


def test_the_adversaries_are_no_fools():
    """They find it where rows are in the order of ids."""
    right = dict.fromkeys(ADVERSARIES, 0)
    for count, (file, candidates, answer) in enumerate(erasures(as_they_come)):
        for name, adversary in ADVERSARIES.items():
            right[name] += adversary(file, candidates) == answer
        if count == 99:
            break
    assert right["hole"] > 60
    assert right["rank"] > 60


def test_a_compacted_file_is_that_of_data_without_the_erased():
    """But for the parameters, which are the step's: there is nothing else in it that could tell."""
    data = Interactions.from_arrays(np.repeat(np.arange(100, 110), 4), np.tile(np.arange(5), 8), np.tile([1, 0], 20))
    user = 7
    after = compact(erased_from(prepared(data), user), np.random.default_rng(3))[0]
    never = data.select(data.users != user)
    never = Interactions.from_arrays(never.user_ids[never.users], never.item_ids[never.items], never.labels)
    fresh = shuffled(prepared(never), np.random.default_rng(3))[0]
    found, expected = contents(after), contents(fresh)
    found.pop("table"), expected.pop("table")
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert after.config == fresh.config
    np.testing.assert_array_equal(after.interactions.labels, fresh.interactions.labels)


def with_a_record(trained):
    """Two segments of an even Adam; of batches so large that no estimate of the scatter, which is a draw, has a say."""
    ones = jax.tree.map(lambda leaf: 0.1 + 0 * leaf, trained.params)
    valid = trained.interactions.select(np.arange(0, len(trained.interactions), 3))
    segments = tuple(Segment(trained.params, ones, 20.0) for _ in range(2))
    return trained.with_record(Record(segments, 10**9, replace(valid, user_ids=None, item_ids=None), peak=0.0))


@pytest.mark.parametrize("recorded", [False, True])
def test_a_compacted_model_answers_the_next_request_as_before(recorded):
    """N in another unit, and what Adam applied with it: the step is the same but for the share of λ₂, and for the damping now."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(20 * 12)[:200], 12)
    data = Interactions.from_arrays(users, items, rng.integers(2, size=200))
    model = mf(embedding_size=3, init_std=0.5)
    before = prepare(Trained.of(model, model.init(jax.random.key(0), 20, 12), data))
    before = with_a_record(before) if recorded else before
    before = ifru_jax.unlearn(before, users=[3])[0]
    after = compact(before, np.random.default_rng(5))[0]
    assert after.total == len(before.interactions) < before.total
    assert (after.record is not None) == recorded
    steps = [ifru_jax.unlearn(model, users=[5])[0] for model in (before, after)]
    left = before.interactions
    pairs = {"users": left.user_ids[left.users], "items": left.item_ids[left.items]}
    old = ifru_jax.score(before, **pairs)
    np.testing.assert_allclose(ifru_jax.score(after, **pairs), old, rtol=1e-5, atol=1e-6)
    kept = left.user_ids[left.users] != 5
    pairs = {name: ids[kept] for name, ids in pairs.items()}
    moved = [ifru_jax.score(model, **pairs) - old[kept] for model in steps]
    scale = np.abs(moved[0]).max()
    assert scale > 0
    # Without a record the damping is of the parameters now.
    assert np.abs(moved[0] - moved[1]).max() < (1e-3 if recorded else 0.02) * scale


def test_features_and_groups_come_along():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(12 * 30)[:80], 30)
    split = sample_negatives(ifru_jax.random_split(Interactions.from_arrays(users, items)))
    data = split.train
    order = rng.permutation(data.num_users), rng.permutation(data.num_items)
    found = in_order(data, order)
    assert sorted(np.unique(found.groups)) == list(range(len(np.unique(data.groups))))

    def groups(of):
        members = {}
        for u, i, y, g in zip(of.user_ids[of.users], of.item_ids[of.items], of.labels, of.groups, strict=True):
            members.setdefault(g, set()).add((int(u), int(i), float(y)))
        return sorted(map(sorted, members.values()))

    assert groups(found) == groups(data)


def test_tables_with_sizes_of_their_own_are_refused(trained):
    class Fixed:
        def __init__(self, of):
            self._of = of

        def __getattr__(self, name):
            return getattr(self._of, name)

        def __repr__(self):
            return "Fixed()"

        def init(self, key, num_users, num_items):
            return self._of.init(key, 20, 12)

    model, _ = ifru_jax.unlearn(trained, users=[103], config=STEP)
    fixed = replace(model, objective=replace(model.objective, model=Fixed(model.model)))
    with pytest.raises(ifru_jax.ModelError, match=r"Fixed\(\) has sizes of its own"):
        compact(fixed, np.random.default_rng(0))


def test_a_store_is_asked_for_a_record_by_its_folder(tmp_path):
    with pytest.raises(DataError, match="is no store"):
        verify_record(tmp_path)
