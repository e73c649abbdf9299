"""Whatever happens on the way from one state to the next, a store is in one of the two, and goes on from there.

Every write, flush, rename, removal and statement of SQLite is seen by a profiler. *Kill −9*: a copy of the folder is taken before
and after each of them, which is what a process that ends there leaves. *A full disk*: the n-th of them raises instead. *A loss of
power*: what the commit names was flushed before it, files and the names of files.
"""

import errno
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ifru_jax import DataError
from ifru_jax.store import (
    ErrorBudget,
    Store,
    answering,
    commit,
    database,
    models,
    moments,
    states,
    verify_record,
)
from tests.store.conftest import STEP
from tests.store.held import everything

WATCHED = {
    "write", "flush", "close", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "execute", "executemany", "executescript",
    "commit", "ftruncate", "pwrite",
}  # fmt: skip
OF = (os.fsync.__module__, "_io", "posix")
# What computes on arrays in memory; a profiler that saw each of its calls would take most of the time.
COMPUTING = ((answering, "_unlearned"), (models, "whole_step"), (models, "compact"))


@pytest.fixture(autouse=True)
def cheap():
    """What computes isn't watched, and a state is read once: it is never changed, which `verify_record` tells by its digest."""
    read, known = states.read, {}

    def read_once(folder: Path, name: str, **given) -> states.State:
        if name not in known:
            known[name] = read(folder, name, **given)
        return known[name]

    def unwatched(compute: Callable) -> Callable:
        def run(*arguments, **options):
            hook = sys.getprofile()
            sys.setprofile(None)
            try:
                return compute(*arguments, **options)
            finally:
                sys.setprofile(hook)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for module, name in COMPUTING:
            patch.setattr(module, name, unwatched(getattr(module, name)))
        patch.setattr(states, "read", read_once)
        yield


def is_watched(call: object) -> bool:
    """Of files, of the system or of SQLite; not those of other objects that happen to be called alike."""
    owner = type(getattr(call, "__self__", None))
    of_file = owner.__module__ in ("_io", "sqlite3") and owner.__name__ != "BytesIO"
    return getattr(call, "__name__", "") in WATCHED and (getattr(call, "__module__", None) in OF or of_file)


def watching(work: Callable[[], object], at: Callable[[str], None], after: bool = True) -> None:
    """Runs the work and calls `at` before, and after, each watched call."""
    busy = False

    def hook(frame, event, call):
        nonlocal busy
        if busy or event not in ("c_call", "c_return") or not is_watched(call) or (event == "c_return" and not after):
            return
        busy = True
        try:
            at(call.__name__)
        finally:
            busy = False

    sys.setprofile(hook)
    try:
        work()
    finally:
        sys.setprofile(None)


def pictures(work: Callable[[], object], folder: Path, into: Path) -> list[Path]:
    """Copies of the folder at each moment of the work at which it is another than before."""
    taken, seen = [], set()

    def look() -> dict:
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()}

    def take(_: str) -> None:
        try:
            now = tuple(look().items())
            if now not in seen:
                seen.add(now)
                taken.append(Path(shutil.copytree(folder, into / f"{len(taken):03}")))
        except FileNotFoundError:
            pass  # between a look and a copy nothing happens in this process; a temporary name of SQLite may

    watching(work, take)
    take("end")
    return taken


def content(folder: Path, key: Path) -> dict:
    """What a store holds once it was opened again, after checking that it is whole."""
    with Store.open(folder, key=key, config=STEP) as store:
        found = verify_record(folder, key=key)
        assert found.holds, found.why
        named = [path.name for path in (folder / "states").iterdir()]
        with database.reading(folder) as connection:
            assert sorted(named) == [name for (name,) in connection.execute("SELECT name FROM states ORDER BY name")]
            basis = commit.current(connection).basis
        assert not list(folder.rglob("*.tmp"))
        table = np.sort(np.concatenate([table.ravel() for _, table in models.tables(store.model).values()])).tolist()
        return {"data": everything(store), "table": table, "erased": store.erased(user=103), "lines": found.lines, "basis": basis}


def forget(store: Store, monkeypatch) -> None:
    store.forget(users=[103])


def undo(store: Store, monkeypatch) -> None:
    store.undo()


def compact(store: Store, monkeypatch) -> None:
    store.compact()


def run_out(store: Store, monkeypatch) -> None:
    later = time.time() + 31 * 86400
    monkeypatch.setattr(moments, "now", lambda: later)
    commit.tidy(store.folder, store._opened.key)


def quick(store: Store, monkeypatch) -> None:
    store.forget(users=[103], quick=True)


def settle(store: Store, monkeypatch) -> None:
    store.settle()


def again(store: Store, monkeypatch) -> None:
    store.forget(users=[9999], missing="report")


WORKS = {
    "forget": ("forgiving", 0, forget),
    "forget without grace": ("store", 0, forget),
    "forget exactly": ("exact_store", 0, forget),
    "undo": ("forgiving", 1, undo),
    "compact": ("store", 0, compact),
    "run out": ("forgiving", 1, run_out),
    "quick": ("store", 0, quick),
    "settle": ("store", -1, settle),
    "nothing to do": ("store", 0, again),
}


@pytest.fixture(params=WORKS)
def work(request):
    """A store, and what is done to it."""
    name, before, run = WORKS[request.param]
    store = request.getfixturevalue(name)
    store.forget(users=[104])  # compiles, too
    for _ in range(abs(before)):
        store.forget(users=[103], quick=before < 0)
    return store, run


def test_killed_anywhere_it_is_before_or_after(work, tmp_path, key, monkeypatch):
    store, run = work
    start = Path(shutil.copytree(store.folder, tmp_path / "start"))
    taken = pictures(lambda: run(store, monkeypatch), store.folder, tmp_path / "pictures")
    monkeypatch.undo()
    monkeypatch.setattr(moments, "now", lambda: time.time() + (31 * 86400 if run is run_out else 0))
    expected = [content(start, key), content(Path(shutil.copytree(store.folder, tmp_path / "end")), key)]
    found = [content(picture, key) for picture in taken]
    assert all(one in expected for one in found)
    assert found[-1] == expected[1]
    if run is not run_out:  # what is over is destroyed at the next opening, whenever it was cut off
        assert len(taken) > 3
        assert found[0] == expected[0] != expected[1]
        turns = sum(a != b for a, b in pairwise(found))
        assert turns == 1


def test_cut_off_while_it_settles_the_answer_stands(tmp_path, trained, split, key):
    """A quick answer that spends the budget is two steps, and the first is the answer."""
    with Store.create(tmp_path / "s", trained, split=split, key=key, budget=ErrorBudget(settle_at=0)) as store:
        taken = pictures(lambda: store.forget(users=[103], quick=True), store.folder, tmp_path / "pictures")
    found = [content(picture, key) for picture in taken]
    states = [one for one, before in zip(found, [None, *found], strict=False) if one != before]
    assert [(one["lines"], one["erased"], one["basis"] is None) for one in states] == [(1, None, True), (2, 2, False), (3, 2, True)]


def test_a_log_that_was_cut_off_is_before(forgiving, tmp_path, key):
    """SQLite's own log ends anywhere: a commit counts when all of it is there."""
    forgiving.forget(users=[104])
    start = content(Path(shutil.copytree(forgiving.folder, tmp_path / "start")), key)
    taken = pictures(lambda: forgiving.forget(users=[103]), forgiving.folder, tmp_path / "pictures")
    end = content(Path(shutil.copytree(forgiving.folder, tmp_path / "end")), key)
    logs = [path for picture in taken if (path := picture / "store.sqlite-wal").exists() and path.stat().st_size]
    assert logs
    for log in logs[-3:]:
        for share in (0.2, 0.5, 0.9):
            cut = Path(shutil.copytree(log.parent, tmp_path / f"{log.parent.name}-{share}"))
            (cut / "store.sqlite-shm").unlink(missing_ok=True)
            os.truncate(cut / log.name, int(log.stat().st_size * share))
            if {path.name for path in (cut / "states").iterdir()} >= {
                path.name for path in (tmp_path / "start" / "states").iterdir()
            }:
                assert content(cut, key) in (start, end)


@pytest.mark.parametrize("name", ["forget", "forget without grace", "undo"])
def test_a_full_disk_leaves_it_before_or_after(name, request, tmp_path, key, monkeypatch):
    fixture, before, run = WORKS[name]
    store = request.getfixturevalue(fixture)
    store.forget(users=[104])
    for _ in range(before):
        store.forget(users=[103])
    start = Path(shutil.copytree(store.folder, tmp_path / "start"))
    run(store, monkeypatch)
    expected = [content(Path(shutil.copytree(one, tmp_path / f"copy of {one.name}")), key) for one in (start, store.folder)]
    unlearned, found, outcomes = answering._unlearned, [], []

    def unlearned_once(*arguments, **options):
        """From the same state always the same."""
        found.extend([unlearned(*arguments, **options)] if not found else [])
        return found[0]

    monkeypatch.setattr(answering, "_unlearned", unlearned_once)
    for place in range(200):
        folder = Path(shutil.copytree(start, tmp_path / f"full {place}"))
        count, last = 0, ""

        def fail(called: str, place=place) -> None:
            nonlocal count, last
            if called == last == "write":
                return  # into the same file
            count, last = count + 1, called
            if count == place + 1 and called not in ("close", "rollback"):
                full = sqlite3.OperationalError("database or disk is full")
                raise full if called.startswith("execute") else OSError(errno.ENOSPC, "No space left on device")

        with Store.open(folder, key=key, config=STEP) as tried:
            assert tried.split
            try:
                watching(lambda tried=tried: run(tried, monkeypatch), fail, after=False)
                outcomes.append("went on")
            except (OSError, DataError) as error:
                outcomes.append(type(error).__name__)
        assert content(folder, key) in expected
        if count <= place:
            break
    assert count <= place  # all of them were tried
    assert len(set(outcomes)) > 1


def test_what_a_commit_names_was_flushed_before_it(forgiving, monkeypatch):
    """Each file of the new state since it was written last, and the folders that name them."""
    events, fsync, writing = [], os.fsync, database.writing

    def noted(handle: int) -> None:
        fsync(handle)
        events.append(os.readlink(f"/proc/self/fd/{handle}"))

    def committed(folder):
        return Marked(writing(folder))

    class Marked:
        def __init__(self, block):
            self.block = block

        def __enter__(self):
            return self.block.__enter__()

        def __exit__(self, *error):
            done = self.block.__exit__(*error)
            events.append("commit")
            return done

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(database, "writing", committed)
    forgiving.forget(users=[103])
    before = events[: events.index("commit")]
    with database.reading(forgiving.folder) as connection:
        folder = forgiving.folder / "states" / commit.current(connection).name
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert str(folder.resolve()) in before
    named = len(before) - 1 - before[::-1].index(str(folder.resolve()))
    assert str(folder.parent.resolve()) in before[named:]
    written = [name for name in before if name.startswith(str(folder.resolve()) + "/")]
    assert len({Path(name).suffix for name in written}) >= 1
    assert len(written) == len(list(folder.iterdir()))
    assert named > max(before.index(name) for name in written)


def test_a_creation_that_was_cut_off_leaves_no_store(tmp_path, trained, split, key):
    """There is a whole store or none, and what is left over goes with the next attempt."""
    home = tmp_path / "home"
    home.mkdir()
    taken = pictures(lambda: Store.create(home / "shop", trained, split=split, key=key).close(), home, tmp_path / "pictures")
    whole = [picture for picture in taken if (picture / "shop").exists()]
    assert len(whole) < len(taken)
    data = [content(picture / "shop", key)["data"] for picture in whole]
    assert all(one == data[0] for one in data)
    for picture in [picture for picture in taken if picture not in whole]:
        Store.create(picture / "shop", trained, split=split, key=key).close()
        assert [path.name for path in picture.iterdir()] == ["shop"]
        assert content(picture / "shop", key)["data"] == data[0]


def test_what_cannot_be_destroyed_is_told_and_tried_again(store, key, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError("busy")

    monkeypatch.setattr(states, "destroy", refuse)
    with pytest.raises(DataError, match=r"line 2 is recorded and the model is the new one.*open the store again"):
        store.forget(users=[103])
    monkeypatch.undo()
    store.close()
    assert len(list((store.folder / "states").iterdir())) == 2
    assert content(store.folder, key)["erased"] == 2
