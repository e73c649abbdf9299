"""How a command speaks and ends: `--help` is the text of its module, an error of ours is one line on stderr and status 2."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import tyro
from rich.console import Console

from ifru_jax.errors import IfruError

Options = TypeVar("Options")


def command(run: Callable[[Any], object], options: Any, about: str | None) -> None:
    """Reads `options` (a dataclass, or a union of some) off the command line, runs, and ends the process.

    Args:
      run: takes the options; a number that it returns is the exit status.
      options: the type; `--help` shows its attributes.
      about: the docstring of the module: what the command does, how long it takes and what comes out.
    """
    module = getattr(sys.modules["__main__"].__spec__, "name", "").removesuffix(".__main__")
    sys.exit(status_of(run, tyro.cli(options, prog=f"python -m {module}" if module else None, description=about)))


def status_of(run: Callable[[Options], object], options: Options) -> int:
    """Runs; 0 or the number that came back, or 2 after an error of ours or of a file, which becomes one line on stderr."""
    try:
        status = run(options)
    except (IfruError, OSError) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", highlight=False)
        return 2
    return status if isinstance(status, int) else 0
