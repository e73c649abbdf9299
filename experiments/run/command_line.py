"""How a command speaks and ends: `--help` is the text of its module, an error of ours is one line on stderr and status 2."""

import sys
from collections.abc import Callable

import tyro

from ifru_jax.command.line import status_of


def command(run: Callable[..., object], about: str | None) -> None:
    """Reads the arguments of `run` off the command line, runs, and ends the process.

    Args:
      run: `--help` shows its arguments; a number that it returns is the exit status.
      about: the docstring of the module: what the command does, how long it takes and what comes out.
    """
    module = getattr(sys.modules["__main__"].__spec__, "name", "").removesuffix(".__main__")
    sys.exit(status_of(tyro.cli, run, prog=f"python -m {module}" if module else None, description=about))
