"""How a command speaks and ends: results on stdout, everything else on stderr, an error of ours as one line."""

import dataclasses
import json
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.markup import escape

from ifru_jax.data.reading.options import FrameOptions, ReadOptions
from ifru_jax.errors import DataWarning, IfruError
from ifru_jax.store import StoreBusy

_shown_by_python = warnings.showwarning

# Of the command that runs; see `options_of`.
OPTIONS: ContextVar[Mapping[str, str]] = ContextVar("OPTIONS", default=MappingProxyType({}))


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


def options_of(command: object) -> dict[str, str]:
    """How a shell spells what messages call by its name in Python, label_above: --label-above, of a command and its `reading`."""
    fields = {f.name: str(f.type) for f in dataclasses.fields(command)} if dataclasses.is_dataclass(command) else {}
    found = {name: name for name in fields}
    if "reading" in fields:
        within = "" if "OmitArgPrefixes" in fields["reading"] else "reading."
        # A request's own `missing` is what its messages are about.
        of_file = {name: within + name for name in (*FrameOptions.__annotations__, *ReadOptions.__annotations__)}
        found |= {name: option for name, option in of_file.items() if not (name == "missing" and name in found)}
    return {name: f"--{option.replace('_', '-')}" for name, option in found.items()}


def spelled(text: str, options: Mapping[str, str]) -> str:
    """A message with the options as a shell takes them.

    >>> spelled('give decimal=",", or columns=("a", "b"), or rating=None', {o: f"--{o}" for o in ("decimal", "columns", "rating")})
    'give --decimal ",", or --columns a b, or --rating None'
    """
    if not options:
        return text

    def one(found: re.Match[str]) -> str:
        value = found["value"]
        parts = [part.strip() for part in value[1:-1].split(",")] if value[:1] in ("(", "[") else [value]
        # Of words no quotes are needed.
        shown = (part[1:-1] if re.fullmatch(r"([\"'])[\w.-]+\1", part) else part for part in parts if part)
        return " ".join([options[found["name"]], *shown])

    names = "|".join(sorted(map(re.escape, options), key=len, reverse=True))
    value = r"\"[^\"]*\"|'[^']*'|\([^()]*\)|\[[^\[\]]*\]|[\w.]*\w|"
    return re.sub(rf"(?<![\w.-])(?P<name>{names})=(?P<value>{value})", one, text)


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
    text = spelled(text, OPTIONS.get())
    Console(stderr=True).print(f"[{style}]{what}:[/] {escape(text)}", highlight=False, soft_wrap=True)


def print_json(content: Mapping[str, Any] | list) -> None:
    """One JSON value on stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")
