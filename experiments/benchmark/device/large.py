"""Ten million interactions of a million users on one device: an epoch, a user, and 2 %."""

import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from experiments.benchmark.device.workload import Workload, seconds
from ifru_jax.data import ForgetRequest, Split, random_interactions
from ifru_jax.data.synthetic import synthetic
from ifru_jax.models import mf
from ifru_jax.training import TrainConfig, train
from ifru_jax.unlearning import forget, prepare

SIZE = 1_000_000, 100_000, 10_000_000
VALID = 0.01
CONFIG = TrainConfig(learning_rate=1e-3, batch_size=65_536, reg=1e-7, epochs=2, record=1)


def large(work: Workload) -> Iterator[tuple[str, dict[str, Any]]]:
    """Seconds of each, and gigabytes of the device."""
    del work
    began = time.perf_counter()
    data = synthetic(*SIZE)
    yield "made", {"value": time.perf_counter() - began, "unit": "s"}
    inside = np.random.default_rng(0).random(len(data)) >= VALID
    valid = data.select(~inside)
    split = Split(train=data.select(inside), valid=valid, test=valid)
    ends: list[float] = []

    def on_epoch(*_: float) -> None:
        ends.append(time.perf_counter())

    trained = train(jax.random.key(0), mf(embedding_size=64, init_std=1e-2), split, CONFIG, on_epoch=on_epoch)
    yield "epoch", {"value": ends[1] - ends[0], "unit": "s", "batch": CONFIG.batch_size}
    state = prepare(trained)
    wanted = {
        "user": ForgetRequest(users=trained.interactions.users[:1]),
        "bulk": random_interactions(trained.interactions, 0.02),
    }
    for name, request in wanted.items():
        taken = seconds(lambda request=request: forget(state, request)[0].params, repeats=2)
        _, report = forget(state, request)
        products = report.solve.num_products if report.solve else 0
        yield name, {"value": float(np.median(taken)), "unit": "s", "products": products, "parts": dict(report.seconds)}
    statistics = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in statistics:
        yield "memory", {"value": statistics["peak_bytes_in_use"] / 1e9, "unit": "GB"}
