"""The record notices what was changed, and names nobody."""

import json
import sqlite3

import pytest

from ifru_jax import DataError
from ifru_jax.store import Store, journal, verify_record
from tests.store.conftest import STEP


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


def test_a_store_is_asked_for_a_record_by_its_folder(tmp_path):
    with pytest.raises(DataError, match="is no store"):
        verify_record(tmp_path)
