"""Methods by the names that `--methods` takes. `original` and `retrain` are always run: everything is measured against them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ifru_jax.data import ForgetRequest
from ifru_jax.errors import DataError
from ifru_jax.models import Recommender
from ifru_jax.training import TrainConfig, Trained
from ifru_jax.unlearning import IFRU, IFRUConfig, Report

ALWAYS = ("original", "retrain")

# IFRU as it is meant to be used, and with one thing changed.
IFRU_VARIANTS: dict[str, IFRUConfig] = {
    "ifru": IFRUConfig(),
    "ifru-direct": IFRUConfig(spillover="none"),
    "ifru-endpoints": IFRUConfig(scope=()),
    "ifru-half-hop": IFRUConfig(scope=(0.5,)),
    "ifru-absolute": IFRUConfig(filter="absolute"),
    "ifru-gauss-newton": IFRUConfig(curvature="gauss-newton"),
    "ifru-cg": IFRUConfig(solver="cg", num_steps=50),
}


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


NAMES = (*ALWAYS, *IFRU_VARIANTS, "ifru-stream")


def parse_methods(text: str) -> list[str]:
    """Names with commas between.

    Raises:
      DataError: an unknown name; the message lists the known ones.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in NAMES:
            raise DataError(f"there is no method {name!r}: choose among {', '.join(NAMES)}.")
    return names


def build_method(name: str, model: Recommender, config: TrainConfig) -> IFRU:
    """The method of this name, one of `NAMES` that is not in `ALWAYS`."""
    return Stream(model, config) if name == "ifru-stream" else IFRU(model, config, IFRU_VARIANTS[name])
