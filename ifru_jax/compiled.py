"""Compiled functions that outlive their process: JAX's persistent compilation cache, in a folder of the user.

A first request compiles for seconds what any later process can take from disk. Importing ifru_jax changes nothing; `fit`, `load`,
`unlearn` and `warm_up` turn the cache on, unless

- JAX has a folder already (`jax_compilation_cache_dir`, `JAX_COMPILATION_CACHE_DIR`) or was told to keep nothing
  (`jax_enable_compilation_cache`): then that is left as it is;
- `IFRU_JAX_CACHE=off`. `IFRU_JAX_CACHE=FOLDER` takes another folder than the platform's for caches.

The folder may be deleted at any time. Functions of ifru_jax get data as arguments, so nothing of it is there; but JAX keeps
whatever the process compiles from then on, and a function that captures an array has it as a constant. There is one folder per kind
of processor, since code for one may end the process on another that shares the home folder.
"""

import contextlib
import hashlib
import os
import platform
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from platformdirs import user_cache_path

VARIABLE = "IFRU_JAX_CACHE"
OFF = ("off", "no", "false", "0")
# Of a function whose compilation took less, tracing takes most of the time.
LEAST_SECONDS = 0.1
_JAX_LEAST_SECONDS = 1.0
_DAYS = 90


def keep_compiled() -> None:
    """Turns the cache on where nobody decided otherwise; never an error."""
    asked = os.environ.get(VARIABLE, "").strip()
    if _setting("jax_compilation_cache_dir") or not _setting("jax_enable_compilation_cache") or asked.lower() in OFF:
        return
    if (folder := _folder(asked)) is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))
    if _setting("jax_persistent_cache_min_compile_time_secs") == _JAX_LEAST_SECONDS:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)


@contextlib.contextmanager
def compiling_anew() -> Iterator[None]:
    """Within the block nothing is kept and nothing taken that was kept: for those who time compilation."""
    enabled = _setting("jax_enable_compilation_cache")
    try:
        jax.config.update("jax_enable_compilation_cache", False)
        reset_cache()  # JAX looks once
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", enabled)
        reset_cache()


def _setting(name: str) -> Any:
    """Of JAX, whose settings have no types."""
    return getattr(jax.config, name)


@cache
def _folder(asked: str) -> Path | None:
    """The folder for this kind of processor, below the one that was asked for or the user's; None where nothing can be kept."""
    folder = (Path(os.path.expanduser(asked)) if asked else user_cache_path("ifru_jax") / "compiled") / _processor()
    if not _usable(folder, ours=not asked):
        if asked:
            warnings.warn(f"{VARIABLE} is {asked}, where nothing can be kept: every process compiles anew.", stacklevel=4)
        return None
    if not asked:
        _drop_old(folder)
    return folder


def _usable(folder: Path, *, ours: bool) -> bool:
    """Whether the folder can be written to, and is made if need be; one of `ours` by nobody else, who could put code there."""
    # Without a home folder the platform's is relative.
    if ours and not folder.is_absolute():
        return False
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, ValueError):
        return False
    if ours and os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _drop_old(folder: Path) -> None:
    """Removes what was compiled long ago: releases come and go, and nobody looks into this folder."""
    with contextlib.suppress(OSError):
        for path in folder.glob("*-cache"):
            if time.time() - path.stat().st_mtime > _DAYS * 24 * 3600:
                path.unlink(missing_ok=True)


def _processor() -> str:
    """A name for what code is compiled for on the host."""
    features = f"{platform.machine()} {platform.processor()}"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        features += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine() or 'any'}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"
