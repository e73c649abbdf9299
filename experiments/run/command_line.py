"""How a command speaks and ends: `--help` is the text of its module, an error of ours is one line on stderr and status 2."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import tyro
from rich.console import Console
from rich.markup import escape

from ifru_jax.errors import DataWarning, IfruError

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
    """Runs it so; 0 or the number that came back, or 2 after an error of ours or of a file, which becomes one line on stderr."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            status = run(*arguments, **options)
    except (IfruError, OSError) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
        return 2
    return status if isinstance(status, int) else 0


def _show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A warning as a line, without the place in the code: the reader of a command has none."""
    if issubclass(category, DataWarning):
        Console(stderr=True).print(f"[bold yellow]warning:[/] {escape(str(message))}", highlight=False)
    else:
        _shown_by_python(message, category, *_, **__)
