"""One signature for every way to unlearn: fit, forget, score.

A method owns its state; nobody else looks inside. `forget` returns a new state that takes further requests.
"""

from __future__ import annotations

from typing import Any, Protocol

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.unlearning.report import Report

State = Any


class Method(Protocol):
    """A way to unlearn."""

    def fit(self, key: jax.Array, data: Split) -> State:
        """Trains on `data.train`, stops by `data.valid`; does what can be done before any request comes."""
        ...

    def forget(self, state: State, request: ForgetRequest) -> tuple[State, Report]:
        """Forgets; `Report.seconds["total"]` is from the request to a state that can serve."""
        ...

    def score(self, state: State, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Logits float [n] of n pairs of rows."""
        ...
