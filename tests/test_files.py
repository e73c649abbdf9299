"""Files are whole or not there, whatever stands in their place and however writing them ends."""

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ifru_jax import DataError, files
from ifru_jax.files import PARTIAL, replacing, target_of, write_atomic

posix = pytest.mark.skipif(os.name != "posix", reason="links, locks and permissions of POSIX")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def partials(folder):
    return [name for name in names(folder) if name.endswith(PARTIAL)]


@pytest.mark.parametrize("content", ["ü\n", b"\x00\xff", ""], ids=["text", "bytes", "nothing"])
@pytest.mark.parametrize("name", ["model.npz", "ü" * 100 + ".npz", "m" * 250, ".hidden"], ids=["plain", "wide", "long", "hidden"])
def test_a_file_is_written_and_replaced(tmp_path, name, content):
    write_atomic(tmp_path / name, "old, and longer than the new one")
    write_atomic(tmp_path / name, content)
    assert (tmp_path / name).read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert names(tmp_path) == [name]


def test_a_path_may_be_text_or_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic("a.txt", "a")
    write_atomic(os.path.join(".", "a.txt"), "b")
    assert (tmp_path / "a.txt").read_text() == "b"


@posix
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    """Also a chain of links, and one to a file that is not there yet; the new content is written beside the target."""
    (tmp_path / "models").mkdir()
    target = tmp_path / "models" / "model-3.npz"
    (tmp_path / "latest.npz").symlink_to("models/model-3.npz")
    (tmp_path / "served.npz").symlink_to(tmp_path / "latest.npz")
    for content in ("first", "second"):
        write_atomic(tmp_path / "served.npz", content)
        assert target.read_text() == content
    assert os.readlink(tmp_path / "served.npz") == str(tmp_path / "latest.npz")
    assert os.readlink(tmp_path / "latest.npz") == "models/model-3.npz"
    assert names(tmp_path / "models") == ["model-3.npz"]


@posix
def test_what_is_no_file_is_refused_and_left_alone(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "to a folder").symlink_to("folder")
    (tmp_path / "nowhere").symlink_to("no/such/file")
    before = names(tmp_path)
    for name, found in [
        *[("folder", "a folder"), ("to a folder", "a folder"), ("pipe", "a device, a pipe"), ("device", "a device")],
        *[("loop", "a link to itself"), ("nowhere", "does not exist"), ("no/such", "does not exist"), ("a\0b", "is no path")],
    ]:
        with pytest.raises(DataError, match=found):
            write_atomic(tmp_path / name, "new")
    with pytest.raises(DataError, match="is a device"):
        write_atomic("/dev/full", "new")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert names(tmp_path) == before
    assert not names(tmp_path / "folder")


@posix
def test_who_may_read_a_file_stays_as_it_is(tmp_path):
    """A file that its owner keeps to himself is not opened to everyone by a save; a new one is as the user sets it."""
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "new", "a")
        (tmp_path / "private").write_text("a")
        (tmp_path / "private").chmod(0o600)
        write_atomic(tmp_path / "private", "b")
    finally:
        os.umask(old)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "private")] == [0o640, 0o600]


def test_a_protected_file_is_refused(tmp_path, monkeypatch):
    write_atomic(tmp_path / "model.npz", "old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write everything
    with pytest.raises(DataError, match=r"model\.npz is write-protected"):
        write_atomic(tmp_path / "model.npz", "new")
    assert names(tmp_path) == ["model.npz"]


@pytest.mark.parametrize("fails", ["fsync", "replace", "chmod", "open"])
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_names_the_file_and_keeps_the_old_one(tmp_path, monkeypatch, fails, there):
    path = tmp_path / "report.md"
    if there:
        write_atomic(path, "old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    if fails == "chmod" and not there:
        pytest.skip("a new file keeps no permissions")
    with monkeypatch.context() as patch:
        patch.setattr(os, fails, fail)
        with pytest.raises(DataError, match=r"report\.md can't be written \(No space left on device\)") as raised:
            write_atomic(path, "new")
    assert ("is whole" in str(raised.value)) == there
    assert names(tmp_path) == (["report.md"] if there else [])
    assert not there or path.read_text() == "old"


def test_an_error_of_the_writer_comes_through_as_it_is(tmp_path):
    write_atomic(tmp_path / "a", "old")

    def interrupted():
        with replacing(tmp_path / "a") as file:
            file.write(b"new")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        interrupted()
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


@posix
def test_a_disk_that_fills_up_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "model.npz"
    write_atomic(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(DataError, match=r"model\.npz can't be written \(File too large\): what was there before is whole"):
            write_atomic(path, bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model.npz"]


@posix
def test_a_real_full_disk(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can't be mounted here")
    try:
        write_atomic(tmp_path / "model.npz", "old")
        with pytest.raises(DataError, match=r"model\.npz can't be written \(No space left on device\)"):
            write_atomic(tmp_path / "model.npz", bytes(1_000_000))
        assert (tmp_path / "model.npz").read_text() == "old"
        assert names(tmp_path) == ["model.npz"]
        write_atomic(tmp_path / "model.npz", bytes(10_000))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# The package without what it imports, of which `files` needs nothing: starting JAX takes seconds.
ALONE = f"""
import sys, types
sys.modules["ifru_jax"] = types.ModuleType("ifru_jax")
sys.modules["ifru_jax"].__path__ = [{str(Path(files.__file__).parent)!r}]
"""

WRITER = """
    import time
    from ifru_jax.files import replacing
    with replacing(sys.argv[1]) as file:
        file.write(b"half of it")
        file.flush()
        print("writing", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def writing(path, seconds):
    """A process that is writing to a path, and will be for so long."""
    command = [sys.executable, "-c", ALONE + textwrap.dedent(WRITER), str(path), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


@posix
def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_writes_is_not(tmp_path):
    """Whichever file of the folder was being written; and nothing but what we made."""
    foreign = [".model.npz.1234.tmp", "model.npz.part", f"model{PARTIAL}.txt"]
    for name in foreign:
        (tmp_path / name).write_text("another's")
    (tmp_path / f"folder{PARTIAL}").mkdir()
    (tmp_path / f"link{PARTIAL}").symlink_to(foreign[0])
    write_atomic(tmp_path / "model.npz", "old")
    stays = names(tmp_path)
    killed = [writing(tmp_path / path, 60) for path in ("model.npz", "other.npz")]
    for process in killed:
        process.kill()
        process.wait()
    assert len(partials(tmp_path)) == 4
    assert (tmp_path / "model.npz").read_text() == "old"

    alive = writing(tmp_path / "model.npz", 3)
    write_atomic(tmp_path / "model.npz", "ours")
    assert (tmp_path / "model.npz").read_text() == "ours"
    assert len(partials(tmp_path)) == 3, "of the living process"
    assert alive.wait(timeout=60) == 0
    assert (tmp_path / "model.npz").read_text() == "half of it"
    assert names(tmp_path) == stays


@posix
def test_processes_that_write_one_file_at_once_leave_one_of_theirs(tmp_path):
    script = """
        from ifru_jax.files import write_atomic
        for turn in range(40):
            write_atomic(sys.argv[1], sys.argv[2] * 1000)
    """
    path = tmp_path / "shared"
    command = [sys.executable, "-c", ALONE + textwrap.dedent(script), str(path)]
    processes = [subprocess.Popen([*command, letter]) for letter in "abcd"]
    deadline = time.monotonic() + 60
    seen = set()
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        if path.exists():
            seen.add(path.read_text())
    assert all(process.wait() == 0 for process in processes)
    assert seen <= {letter * 1000 for letter in "abcd"}
    assert names(tmp_path) == ["shared"]


def test_a_file_that_is_taken_for_a_leftover_is_made_anew(tmp_path, monkeypatch):
    """Before it is locked, another process may remove it."""

    lost = []

    def late(file):
        if not lost:
            lost.extend(tmp_path.glob(f".*{PARTIAL}"))
            lost[0].unlink()
        return True

    monkeypatch.setattr(files, "lock", late)
    write_atomic(tmp_path / "a", "whole")
    assert lost
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "whole"


def test_without_locks_files_are_written_and_nothing_is_removed(tmp_path, monkeypatch):

    monkeypatch.setattr(files, "lock", lambda file: None)
    (tmp_path / f".b.0{PARTIAL}").write_text("perhaps another's")
    write_atomic(tmp_path / "a", "whole")
    assert names(tmp_path) == [f".b.0{PARTIAL}", "a"]


def test_the_target_is_told_before_anything_is_written(tmp_path):
    assert target_of(tmp_path / "a") == tmp_path.resolve() / "a"
    assert not names(tmp_path)
