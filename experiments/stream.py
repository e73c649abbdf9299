"""Requests one after the other: does forgetting on the result of forgetting add up?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ifru_jax.data import ForgetRequest
from ifru_jax.training import Trained
from ifru_jax.unlearning import IFRU, Report

# The request cut into this many, forgotten one after the other.
STREAM_LENGTH = 10


@dataclass(frozen=True)
class Stream(IFRU):
    """IFRU on the result of IFRU: the request in `STREAM_LENGTH` parts; seconds are of all parts together."""

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        seconds: dict[str, float] = {}
        report = Report()
        for part in split_request(request, STREAM_LENGTH):
            state, report = super().forget(state, part.still_in(state.interactions))
            seconds = {name: seconds.get(name, 0.0) + value for name, value in report.seconds.items()}
        return state, replace(report, seconds=seconds)


def split_request(request: ForgetRequest, count: int) -> list[ForgetRequest]:
    """The request in `count` parts of about equal size, none empty; which part a row falls into is random but fixed."""
    rng = np.random.default_rng(0)
    shuffled = {name: rng.permutation(getattr(request, name)) for name in ("pairs", "users", "items")}
    parts = [ForgetRequest(**{name: rows[start::count] for name, rows in shuffled.items()}) for start in range(count)]
    return [part for part in parts if len(part)]
