"""What goes on, where something takes longer than two seconds: on stderr, since what a program writes is its own.

A terminal shows a bar or a clock that goes when it is over, and so does a notebook with ipywidgets; elsewhere there is a line
now and then.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# Seconds without a word, math.inf for none at all, and between two where there is no terminal to write over.
PATIENCE, NOW_AND_THEN = 2.0, 15.0

# Held by what is shown: a part of it is not shown beside it.
_SHOWN = threading.Lock()


@contextmanager
def working(what: str, *, shown: bool = True) -> Iterator[None]:
    """Says what goes on when it takes longer than two seconds: a clock in a terminal, else a line now and then.

    It takes a thread, a tenth of a millisecond. Within another, or if not shown, it says nothing.
    """
    if not shown or math.isinf(PATIENCE) or not _SHOWN.acquire(blocking=False):
        yield
        return
    began, over = time.monotonic(), threading.Event()

    def speak() -> None:
        if over.wait(PATIENCE):
            return
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_jupyter and not _shows_over(console):
            return  # the mark of its cell says that it runs
        if _shows_over(console):
            with console.status(f"{what} …") as status:
                while not over.wait(1):
                    status.update(f"{what} … {time.monotonic() - began:.0f} s")
            return
        while not over.is_set():
            console.print(f"{what}: {time.monotonic() - began:.0f} s so far", markup=False, highlight=False, soft_wrap=True)
            over.wait(NOW_AND_THEN)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        over.set()
        speaker.join()
        _SHOWN.release()


def _shows_over(console: "Console") -> bool:
    """Whether what was shown can be replaced: rich does that in a notebook by ipywidgets, without which it warns."""
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


@contextmanager
def training_progress(epochs: int, *, shown: bool, title: str = "training") -> Iterator[Callable[[int, float], None] | None]:
    """Shows epochs and the validation metric; yields the callback for `on_epoch`, or None if not shown.

    A bar where it can be replaced, elsewhere a line on stderr after two seconds, four, eight and so on.
    """
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    best = 0.0

    def told(epoch: int, metric: float) -> str:
        nonlocal best
        if math.isnan(metric):
            return f"{title}: epoch {epoch + 1}"
        best = max(best, metric)
        return f"{title}: epoch {epoch + 1}, validation AUC {metric:.4f}, best {best:.4f}"

    console = Console(stderr=True)
    if not _shows_over(console):
        began, due = time.monotonic(), PATIENCE

        def on_epoch(epoch: int, metric: float) -> None:
            nonlocal due
            text, seconds = told(epoch, metric), time.monotonic() - began
            if seconds >= due:
                # Fewer and fewer: a training of an hour is a dozen lines.
                due = 2 * seconds
                console.print(f"{text}, {seconds:.0f} s so far", markup=False, highlight=False, soft_wrap=True)

        yield on_epoch
        return
    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, transient=True, console=console) as progress:
        # Full when all epochs are run; early stopping usually ends it before.
        task = progress.add_task(title, total=epochs)
        yield lambda epoch, metric: progress.update(task, advance=1, description=told(epoch, metric))
