"""How a command ends."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from ifru_jax.errors import IfruError


def status_of(run: Callable[[], object]) -> int:
    """Runs; 0, or 2 after an error of ours or of a file, which becomes one line on stderr."""
    try:
        run()
    except (IfruError, OSError) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", highlight=False)
        return 2
    return 0
