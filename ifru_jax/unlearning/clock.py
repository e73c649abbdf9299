"""Honest seconds: each part ends when the device has finished it."""

import time
from collections.abc import Callable

import jax

# Seconds of a clock that only goes forward; tests inject their own.
Now = Callable[[], float]


class Clock:
    """Seconds per part from its creation on."""

    def __init__(self, now: Now = time.perf_counter) -> None:
        self._now = now
        self._seconds: dict[str, float] = {}
        self._start = self._last = now()

    def part(self, name: str, *results: object) -> None:
        """Ends a part: waits for its results, then reads the time."""
        jax.block_until_ready(results)
        now = self._now()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._last = now

    def elapsed(self) -> float:
        """Seconds since its creation, the running part included."""
        return self._now() - self._start

    def seconds(self) -> dict[str, float]:
        """Seconds of each part and their sum, "total"."""
        return self._seconds | {"total": self._last - self._start}
