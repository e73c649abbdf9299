"""How a command speaks and ends: results on stdout, everything else on stderr, an error of ours as one line."""

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from rich.console import Console
from rich.markup import escape

from ifru_jax.errors import DataWarning, IfruError
from ifru_jax.store import StoreBusy

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
    INTERRUPTED = 130
    """By Ctrl-C."""


def status_of(run: Callable[..., object], *arguments: Any, **options: Any) -> int:
    """Runs it so; 0 or the number that came back. An error of ours or of a file, and Ctrl-C, become a line and a status."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            status = run(*arguments, **options)
    except (IfruError, OSError) as error:
        _say("bold red", "error", str(error))
        return Exit.BUSY if isinstance(error, StoreBusy) else Exit.ERROR
    except KeyboardInterrupt as interruption:
        _say("bold yellow", "interrupted", str(interruption) or "nothing more is done.")
        return Exit.INTERRUPTED
    return status if isinstance(status, int) else Exit.DONE


def _show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A warning as a line, without the place in the code: the reader of a command has none."""
    if issubclass(category, DataWarning):
        _say("bold yellow", "warning", str(message))
    else:
        _shown_by_python(message, category, *_, **__)


def _say(style: str, what: str, text: str) -> None:
    """A line on stderr, which nothing cuts: a path in it can be copied."""
    Console(stderr=True).print(f"[{style}]{what}:[/] {escape(text)}", highlight=False, soft_wrap=True)


def print_json(content: Mapping[str, Any] | list) -> None:
    """One JSON value on stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")
