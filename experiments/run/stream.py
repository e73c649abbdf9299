"""Requests one after the other: does forgetting on the result of forgetting add up?"""

from dataclasses import dataclass

from ifru_jax.data import ForgetRequest
from ifru_jax.unlearning import IFRU, Prepared, Report
from ifru_jax.unlearning.in_parts import forget_in_parts

# The request cut into this many, forgotten one after the other.
STREAM_LENGTH = 10


@dataclass(frozen=True)
class Stream(IFRU):
    """IFRU on the result of IFRU: the request in `STREAM_LENGTH` parts; seconds are of all parts together."""

    def forget(self, state: Prepared, request: ForgetRequest) -> tuple[Prepared, Report]:
        return forget_in_parts(state, request, STREAM_LENGTH, super().forget)
