"""How a command speaks and ends.

`--help` is the text of its module. An error of ours is one line on stderr and status 2, an interruption one and status 130.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import tyro

from ifru_jax.command.line import status_of
from ifru_jax.errors import DataError


def command(run: Callable[..., object], about: str | None) -> None:
    """Reads the arguments of `run` off the command line, runs, and ends the process.

    Args:
      run: `--help` shows its arguments; a number that it returns is the exit status.
      about: the docstring of the module: what the command does, how long it takes and what comes out.
    """
    module = getattr(sys.modules["__main__"].__spec__, "name", "").removesuffix(".__main__")
    sys.exit(status_of(tyro.cli, run, prog=f"python -m {module}" if module else None, description=about))


def make_folder(path: Path) -> None:
    """Makes a folder for results, if it isn't there.

    Raises:
      DataError: it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} can't be a folder for results ({error.strerror}): give another path.") from error
