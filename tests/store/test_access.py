"""One writes, any number read, and the key alone tells who was erased."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ifru_jax import DataError
from ifru_jax.store import Store, StoreBusy, make_key, states, verify_record
from tests.store.held import everything, pairs_of


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
