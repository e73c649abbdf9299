"""Stores of older versions: refused with a word to those who read, brought to this format by whoever writes, with nothing lost.

`data/format-1.zip` is a store as the version before the budget of errors wrote it: user 103 forgotten, user 104 quickly, both
within a grace period that lasts.
"""

import sqlite3
import zipfile
from pathlib import Path

import pytest

from ifru_jax import DataError
from ifru_jax.command import run
from ifru_jax.store import ErrorBudget, Store, database, make_key, verify_record
from tests.store.conftest import STEP


@pytest.fixture
def old(tmp_path) -> Path:
    with zipfile.ZipFile(Path(__file__).parent / "data" / "format-1.zip") as packed:
        packed.extractall(tmp_path)
    return tmp_path / "shop"


def version(folder: Path) -> int:
    connection = sqlite3.connect(folder / database.NAME)
    found = database.format_of(connection)
    connection.close()
    return found


def test_whoever_reads_an_older_store_is_told_how_to_bring_it_to_this_format(old):
    message = rf"is a store of format 1, this version reads {database.FORMAT}: `ifru migrate .*shop`.*loses nothing"
    with pytest.raises(DataError, match=message):
        Store.open(old, read_only=True)
    with pytest.raises(DataError, match=message):
        verify_record(old)
    assert version(old) == 1


def test_whoever_writes_brings_it_to_this_format_and_nothing_is_lost(old):
    key = old.parent / "shop.key"
    with Store.open(old, key=key, config=STEP) as store:
        assert version(old) == database.FORMAT
        kinds = [line["kind"] for line in store.history()]
        assert kinds == ["create", "forget", "forget", "migrate"]
        assert (store.history()[-1]["from"], store.history()[-1]["to"]) == (1, database.FORMAT)
        assert (store.erased(user=103), store.erased(user=104)) == (2, 3)
        assert store.spent.budget == ErrorBudget()
        # Nobody estimated the quick answer then.
        assert store.spent.distance is None
        assert store.spent.settle
        store.settle()
        assert store.spent.distance == 0
        store.undo()
        store.undo()
        assert store.erased(user=103) is None
        assert verify_record(old, key=key).holds
    with Store.open(old, key=key) as again:
        assert [line["kind"] for line in again.history()].count("migrate") == 1


def test_another_key_changes_nothing(old, tmp_path):
    make_key(tmp_path / "other.key")
    with pytest.raises(DataError, match="this is not the key"):
        Store.open(old, key=tmp_path / "other.key")
    with pytest.raises(DataError, match="was created with a key"):
        Store.open(old)
    assert version(old) == 1


def test_the_command_does_it(old, capsys):
    assert run(["migrate", str(old), "--key", str(old.parent / "shop.key")]) == 0
    assert f"of format {database.FORMAT}" in " ".join(capsys.readouterr().out.split())
    assert run(["history", str(old)]) == 0
    assert "from format 1 to 2" in capsys.readouterr().out


def test_a_migration_that_is_cut_off_changes_nothing(old, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("ifru_jax.store.journal.append", fail)
    with pytest.raises(OSError, match="no space"):
        Store.open(old, key=old.parent / "shop.key")
    monkeypatch.undo()
    assert version(old) == 1
    with Store.open(old, key=old.parent / "shop.key") as store:
        assert store.history()[-1]["kind"] == "migrate"
