"""Honest seconds: each part ends when the device has finished it."""

from __future__ import annotations

import time

import jax


class Clock:
    """Seconds per part from its creation on."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._start = self._last = time.perf_counter()

    def part(self, name: str, *results: object) -> None:
        """Ends a part: waits for its results, then reads the time."""
        jax.block_until_ready(results)
        now = time.perf_counter()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Seconds of each part and their sum, "total"."""
        return self._seconds | {"total": self._last - self._start}
