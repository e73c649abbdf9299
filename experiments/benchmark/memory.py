"""Peak memory of a bulk request: a process of its own, so that nothing else is counted."""

from __future__ import annotations

import resource
import subprocess
import sys

import jax

from experiments.benchmark.figure import Figure
from experiments.benchmark.trained import setup_of
from ifru_jax.graph import build_training_set
from ifru_jax.training import Trained
from ifru_jax.unlearning import forget, prepare


def bulk_memory(layers: int, *, target: float) -> dict[str, Figure]:
    """Peak resident memory of forgetting 2 % of ml-1m with LightGCN, everything included: interpreter, data, compilation."""
    code = f"from experiments.benchmark.memory import run; run({layers})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    before, peak = (float(line) for line in done.stdout.split()[-2:])
    details = {"gigabytes.before": before}
    return {"": Figure(peak, target, "GB", (peak, peak), "nothing: the peak of the process", details, True)}


def run(layers: int) -> None:
    """Forgets and prints the peak before the request and at the end, in GB. Memory does not depend on what the parameters are."""
    setup = setup_of("ml-1m", "lightgcn", layers)
    model, train = setup.build(1e-2), setup.split.train
    params = model.init(jax.random.key(0), train.num_users, train.num_items)
    trained = Trained(model, params, build_training_set(train), len(train), setup.params.best.train)
    trained = prepare(trained)
    before = _peak()
    forget(trained, setup.request)
    sys.stdout.write(f"{before}\n{_peak()}\n")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
