"""What a command is doing: a moving line in a terminal, elsewhere a line on stderr now and then."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape

Tell = Callable[[str], None]

# Without a terminal: what is being done is written when it has changed, but no sooner than this after the line before; and
# what goes on for long is written again.
EVERY_SECONDS = 15.0
AGAIN_SECONDS = 120.0


@contextlib.contextmanager
def telling(console: Console | None = None, *, every: float = EVERY_SECONDS, again: float = AGAIN_SECONDS) -> Iterator[Tell]:
    """A function to call with what is being done.

    Args:
      console: where the command writes; None takes stdout.
      every, again: seconds between lines where there is no terminal.
    """
    if (console or Console()).is_terminal:
        with (console or Console()).status("starting") as status:
            yield lambda text: status.update(escape(text))
        return
    now, over = ["starting"], threading.Event()
    writer = threading.Thread(target=_lines, args=(now, over, every, again), daemon=True)
    writer.start()
    try:
        yield lambda text: now.__setitem__(0, text)
    finally:
        over.set()
        writer.join()


def _lines(now: list[str], over: threading.Event, every: float, again: float) -> None:
    """Writes what is being done until it is over."""
    console, began, shown, at = Console(stderr=True), time.monotonic(), "", 0.0
    while not over.wait(every):
        seconds = time.monotonic() - began
        if now[0] != shown or seconds - at >= again:
            shown, at = now[0], seconds
            console.print(f"{int(seconds) // 60}:{int(seconds) % 60:02d} {shown}", markup=False, highlight=False, soft_wrap=True)
