"""Compiled functions are kept for later processes, where the user wants it, and nothing fails where they can't be."""

import os
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path

import jax
import numpy as np
import pytest

from ifru_jax import compiled
from ifru_jax.compiled import compiling_anew, keep_compiled


def folder_in_use() -> Path | None:
    """Once it was asked for."""
    keep_compiled()
    found = jax.config.jax_compilation_cache_dir
    return None if found is None else Path(found)


SETTINGS = ("jax_compilation_cache_dir", "jax_enable_compilation_cache", "jax_persistent_cache_min_compile_time_secs")
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch, tmp_path):
    """As in a new process of a user's, whose folder for caches is in `tmp_path`; JAX is left as it was."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    for name, value in zip(SETTINGS, (None, True, compiled._JAX_LEAST_SECONDS), strict=True):
        jax.config.update(name, value)
    compiled.reset_cache()
    monkeypatch.delenv("IFRU_JAX_CACHE")
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path / "cache" / name)
    compiled._folder.cache_clear()
    yield
    compiled._folder.cache_clear()
    for name, value in before.items():
        jax.config.update(name, value)
    compiled.reset_cache()


def test_the_folder_is_the_platforms_and_the_users_alone(tmp_path):
    folder = folder_in_use()
    assert folder is not None
    assert folder.parent == tmp_path / "cache" / "ifru_jax" / "compiled"
    assert jax.config.jax_persistent_cache_min_compile_time_secs == compiled.LEAST_SECONDS
    assert os.name != "posix" or folder.stat().st_mode & 0o777 == 0o700
    assert folder_in_use() == folder


@pytest.mark.parametrize("said", ["off", "OFF", " off ", "0", "no", "false"])
def test_it_can_be_turned_off(monkeypatch, tmp_path, said):
    monkeypatch.setenv("IFRU_JAX_CACHE", said)
    assert folder_in_use() is None
    assert not list(tmp_path.iterdir())


def test_another_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("IFRU_JAX_CACHE", str(tmp_path / "mine"))
    folder = folder_in_use()
    assert folder is not None
    assert folder.parent == tmp_path / "mine"


@pytest.mark.parametrize(
    ("name", "value"), [("jax_compilation_cache_dir", "/their/folder"), ("jax_enable_compilation_cache", False)]
)
@pytest.mark.parametrize("asked", ["", "folder"])
def test_what_the_user_told_jax_stays(monkeypatch, tmp_path, name, value, asked):
    if asked:
        monkeypatch.setenv("IFRU_JAX_CACHE", str(tmp_path / asked))
    jax.config.update(name, value)
    before = {setting: getattr(jax.config, setting) for setting in SETTINGS}
    keep_compiled()
    assert {setting: getattr(jax.config, setting) for setting in SETTINGS} == before
    assert not list(tmp_path.iterdir())


def test_the_least_time_that_the_user_chose_stays():
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.7)
    keep_compiled()
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0.7


def test_a_folder_of_nobody_is_no_error(monkeypatch, tmp_path):
    """A user that does not exist has no home folder; the name is then taken as it stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IFRU_JAX_CACHE", "~no-such-user/cache")
    folder = folder_in_use()
    assert folder is not None
    assert folder.parent == tmp_path.resolve() / "~no-such-user" / "cache"


@pytest.mark.parametrize("trouble", ["a file", "others may write", "no home", "not writable"])
def test_a_folder_that_cannot_be_used_is_done_without(monkeypatch, tmp_path, trouble):
    monkeypatch.chdir(tmp_path)
    if trouble == "a file":
        (tmp_path / "cache").write_text("")
    elif trouble == "others may write":
        folder = folder_in_use()
        assert folder is not None
        folder.chmod(0o777)
        jax.config.update("jax_compilation_cache_dir", None)
        compiled._folder.cache_clear()
    elif trouble == "no home":
        monkeypatch.setattr(compiled, "user_cache_path", lambda name: Path("~/.cache") / name)
    else:
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write everywhere
    assert folder_in_use() is None
    assert not (tmp_path / "~").exists()


def test_a_named_folder_that_cannot_be_used_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IFRU_JAX_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match=r"IFRU_JAX_CACHE is .*file, where nothing can be kept"):
        assert folder_in_use() is None


def test_what_nobody_compiled_for_long_is_removed(tmp_path):
    folder = folder_in_use()
    assert folder is not None
    for name, days in (("old-cache", 100), ("new-cache", 10), ("other", 100)):
        (folder / name).write_text("")
        os.utime(folder / name, (time.time() - days * 86400,) * 2)
    jax.config.update("jax_compilation_cache_dir", None)
    compiled._folder.cache_clear()
    keep_compiled()
    assert sorted(path.name for path in folder.iterdir()) == ["new-cache", "other"]


def test_processors_have_their_own_folders(monkeypatch):
    here = compiled._processor()
    assert here == compiled._processor()
    assert "/" not in here
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **kw: "flags : sse" if path == Path("/proc/cpuinfo") else real(path, **kw))
    assert compiled._processor() != here


def test_within_a_block_everything_is_compiled_anew(tmp_path):
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    folder = folder_in_use()
    assert folder is not None
    with compiling_anew():
        jax.jit(lambda x: x * 3 + 1)(np.arange(3.0)).block_until_ready()
        assert not list(folder.iterdir())
        assert folder_in_use() == folder
    jax.jit(lambda x: x * 5 + 1)(np.arange(3.0)).block_until_ready()
    assert list(folder.iterdir())


PROCESS = """
    import math, sys, time
    import jax, numpy as np
    import ifru_jax
    from ifru_jax.models import lightgcn
    assert jax.config.jax_compilation_cache_dir is None, "importing changes something"
    hits = []
    jax.monitoring.register_event_listener(lambda event, **_: hits.append(event) if event.endswith("/cache_hits") else None)
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(1200, 500, replace=False), 40)
    split = ifru_jax.random_split(ifru_jax.Interactions.from_arrays(users, items, (users + items) % 2))
    config = ifru_jax.TrainConfig(epochs=2)
    ifru_jax.progress.PATIENCE = math.inf
    trained = ifru_jax.fit(jax.random.key(0), lightgcn(embedding_size=8), split, config=config, progress=False)
    np.save(sys.argv[1], np.stack([split.train.users, split.train.items]))
    ifru_jax.unlearn(trained, users=[3])
    print(len(hits))
"""


def first_process(tmp_path, **environment):
    """Cache hits of a process that trains and forgets, and what it wrote to stderr."""
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), str(tmp_path / "rows.npy")]
    ours = ("IFRU_JAX_CACHE", "XDG", "JAX_COMPILATION_CACHE", "JAX_PERSISTENT_CACHE")
    given = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    given |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=600)
    assert not done.returncode, done.stderr
    return int(done.stdout), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the folder of other platforms doesn't follow HOME")
def test_a_later_process_compiles_less_and_finds_no_data(tmp_path):
    # Even within a process some functions are the same.
    few, _ = first_process(tmp_path, JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")
    folder = tmp_path / ".cache" / "ifru_jax" / "compiled"
    kept = list(folder.glob("*/*-cache"))
    assert len(kept) > 10
    hits, said = first_process(tmp_path, JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")
    assert hits > few + 10
    assert not said
    # Compiled functions hold constants; no eight rows of the interactions in a row are among them.
    rows = np.load(tmp_path / "rows.npy").astype(np.int32)
    pieces = {column[k : k + 8].tobytes() for column in rows for k in range(len(column) - 8)}
    try:
        from zstandard import ZstdDecompressor

        unpacked = [ZstdDecompressor().decompress(path.read_bytes()) for path in kept]
    except ImportError:
        unpacked = [zlib.decompress(path.read_bytes()) for path in kept]
    assert not [piece for piece in pieces if any(piece in content for content in unpacked)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the folder of other platforms doesn't follow HOME")
@pytest.mark.parametrize("trouble", ["off", "a home that is a file"])
def test_requests_are_answered_where_nothing_can_be_kept(tmp_path, trouble):
    home = tmp_path / "home"
    if trouble == "off":
        home.mkdir()
    else:
        home.write_text("")
    extra = {"IFRU_JAX_CACHE": "off"} if trouble == "off" else {}
    hits, said = first_process(tmp_path, HOME=str(home), **extra)
    assert (hits, said) == (0, "")
    assert trouble != "off" or not list(home.rglob("*-cache"))
