"""Seconds of a call, until its result is there."""

import time
from collections.abc import Callable
from typing import Any

import jax


def seconds_of(run: Callable[[], Any]) -> float:
    """Calls `run` once; compiled code is waited for."""
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began
