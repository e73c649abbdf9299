"""How a command speaks and ends.

`--help` is the text of its module. An error of ours is one line on stderr and status 2, an interruption one and status 130.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.markup import escape

from ifru_jax.errors import DataError, DataWarning, IfruError

_shown_by_python = warnings.showwarning


def command(run: Callable[..., object], about: str | None) -> None:
    """Reads the arguments of `run` off the command line, runs, and ends the process.

    Args:
      run: `--help` shows its arguments; a number that it returns is the exit status.
      about: the docstring of the module: what the command does, how long it takes and what comes out.
    """
    module = getattr(sys.modules["__main__"].__spec__, "name", "").removesuffix(".__main__")
    sys.exit(status_of(tyro.cli, run, prog=f"python -m {module}" if module else None, description=about))


def status_of(run: Callable[..., object], *arguments: Any, **options: Any) -> int:
    """Runs it so; 0 or the number that came back, 2 after an error of ours or of a file, 130 after an interruption.

    Those become one line on stderr.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            status = run(*arguments, **options)
    except (IfruError, OSError) as error:
        _say("bold red", "error", str(error))
        return 2
    except KeyboardInterrupt as interruption:
        _say("bold yellow", "interrupted", str(interruption) or "nothing more is done.")
        return 130
    return status if isinstance(status, int) else 0


def make_folder(path: Path) -> None:
    """Makes a folder for results, if it isn't there.

    Raises:
      DataError: it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} can't be a folder for results ({error.strerror}): give another path.") from error


def _show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A warning as a line, without the place in the code: the reader of a command has none."""
    if issubclass(category, DataWarning):
        _say("bold yellow", "warning", str(message))
    else:
        _shown_by_python(message, category, *_, **__)


def _say(style: str, what: str, text: str) -> None:
    """A line on stderr, which nothing cuts: a path in it can be copied."""
    Console(stderr=True).print(f"[{style}]{what}:[/] {escape(text)}", highlight=False, soft_wrap=True)
