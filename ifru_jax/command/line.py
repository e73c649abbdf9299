"""How a command speaks and ends: results on stdout, everything else on stderr, an error of ours as one line."""

import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from ifru_jax.errors import DataWarning, IfruError
from ifru_jax.store import StoreBusy

CACHE_VARIABLE = "IFRU_JAX_CACHE"
# Seconds without a word, and between two where there is no terminal to write over.
PATIENCE, NOW_AND_THEN = 2.0, 15.0

_shown_by_python = warnings.showwarning


class Exit(IntEnum):
    """Exit statuses of `ifru`."""

    DONE = 0
    NO = 1
    """The answer is no: a verification failed, a record was changed, something was found."""
    ERROR = 2
    """Nothing was done: an input that can't be used."""
    PARTLY = 3
    """Done, but for what is not in the data; or it can't be told."""
    BUSY = 4
    """Another process writes to the store."""


def status_of(run: Callable[..., object], *arguments: Any, **options: Any) -> int:
    """Runs it so; 0 or the number that came back. An error of ours or of a file becomes a line on stderr and a status."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            status = run(*arguments, **options)
    except (IfruError, OSError) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return Exit.BUSY if isinstance(error, StoreBusy) else Exit.ERROR
    return status if isinstance(status, int) else Exit.DONE


def _show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A warning as a line, without the place in the code: the reader of a command has none."""
    if issubclass(category, DataWarning):
        Console(stderr=True).print(f"[bold yellow]warning:[/] {escape(str(message))}", highlight=False, soft_wrap=True)
    else:
        _shown_by_python(message, category, *_, **__)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Says what goes on when it takes longer than two seconds: a clock in a terminal, else a line now and then."""
    console, began, over = Console(stderr=True), time.monotonic(), threading.Event()

    def speak() -> None:
        if over.wait(PATIENCE):
            return
        if console.is_terminal:
            with console.status(f"{what} …") as status:
                while not over.wait(1):
                    status.update(f"{what} … {time.monotonic() - began:.0f} s")
            return
        while not over.is_set():
            console.print(f"{what}: {time.monotonic() - began:.0f} s so far", highlight=False)
            over.wait(NOW_AND_THEN)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        over.set()
        speaker.join()


def print_json(content: Mapping[str, Any] | list) -> None:
    """One JSON value on stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def keep_compiled() -> None:
    """Keeps what JAX compiles in the user's cache folder, so that the next process need not compile it again.

    The variable IFRU_JAX_CACHE names another folder; "off" keeps nothing, and a folder that JAX was given already stays.
    Compiled functions hold no data.
    """
    import jax

    wanted = os.environ.get(CACHE_VARIABLE)
    if wanted == "off" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(wanted).expanduser() if wanted else home / "ifru_jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # slower, and nothing else
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
