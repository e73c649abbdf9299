"""Requests on a device: 2 % of the data against the fastest retraining there, one rating, and many at once."""

import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from experiments.benchmark.device.workload import PLANS, Workload, seconds
from experiments.benchmark.requests import config_for, random_interactions
from ifru_jax.baselines import Retrain
from ifru_jax.unlearning import forget, independent_steps, prepare

ONE_BY_ONE = 100
BATCHES = (64, 256, 1024)


def requests(work: Workload) -> Iterator[tuple[str, dict[str, Any]]]:
    """Seconds of each, medians of warm runs with the first call apart."""
    for name, plan in PLANS.items():
        began = time.perf_counter()
        trained = work.trained(name)
        yield f"{name}.train", {"value": time.perf_counter() - began, "unit": "s", "note": "compilation included"}
        method = Retrain(plan.model, plan.fastest)
        state = method.prepare(trained, work.split, jax.random.key(1))
        retraining = seconds(lambda method=method, state=state: method.forget(state, work.request)[0].trained.params, repeats=3)
        began = time.perf_counter()
        prepared = prepare(trained)
        yield f"{name}.prepare", {"value": time.perf_counter() - began, "unit": "s", "note": "compilation included"}
        first = seconds(lambda prepared=prepared: forget(prepared, work.request)[0].params, first=True)
        reports = [forget(prepared, work.request)[1] for _ in range(7)]
        taken = np.array([report.seconds["total"] for report in reports])
        median = reports[int(np.argsort(taken)[len(taken) // 2])]
        yield f"{name}.bulk", {
            "value": float(np.median(taken)), "unit": "s", "spread": [float(t) for t in np.percentile(taken, [10, 90])],
            "first call": float(first[0]), "fastest retraining": float(np.median(retraining)),
            "times faster": float(np.median(retraining) / np.median(taken)),
            "products": median.solve.num_products if median.solve else 0, "parts": dict(median.seconds),
        }  # fmt: skip
        yield from _small(work, name)


def _small(work: Workload, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    config = config_for("mf" if name == "mf" else "lightgcn")
    state = prepare(work.trained(name), config=config)
    asked = random_interactions(state, ONE_BY_ONE, positive=True)
    for request in asked:
        forget(state, request)
    alone = np.array([forget(state, request)[1].seconds["total"] for request in asked])
    p50, p99 = (1e3 * float(value) for value in np.percentile(alone, [50, 99]))
    yield f"{name}.one", {"value": p50, "unit": "ms", "p99": p99}
    steps = np.array([float(seconds(lambda one=one: independent_steps(state, [one]).rows, repeats=1)[0]) for one in asked[:20]])
    for size in BATCHES:
        many = random_interactions(state, size, positive=True, seed=1)
        taken = float(np.median(seconds(lambda many=many: independent_steps(state, many).rows, repeats=3)))
        each = float(np.median(steps))
        yield f"{name}.batch-{size}", {
            "value": size / taken, "unit": "requests/s", "one by one": 1 / each, "times the throughput": each * size / taken,
        }  # fmt: skip
