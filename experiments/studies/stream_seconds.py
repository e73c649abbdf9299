"""How long a store takes to answer a stream of requests: those of `experiments.studies.stream`, and nothing is measured beside.

    IFRU_JAX_DATA=DIR python -m experiments.studies.stream_seconds                  # 1,000 requests to ml-1m

Nothing else may run on the machine. Training, 1,000 quick answers and the settlements that they trigger take about twenty minutes
on two cores. A line per request goes to experiments/results/stream_seconds.jsonl, from which `python -m experiments.tables` fills
docs/budget.md; the store is kept in --home, so that a run that was cut off goes on.
"""

import time
from pathlib import Path

import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.records import environment
from experiments.run.command_line import command, make_folder
from experiments.run.models import ModelName
from experiments.run.progress import telling
from experiments.run.setup import set_up
from experiments.studies.stream import drawn, opened
from ifru_jax.errors import DataError
from ifru_jax.unlearning import IFRUConfig, warm_up

PATH = RESULTS / "stream_seconds.jsonl"


def stream_seconds(
    data: str = "ml-1m",
    model: ModelName = "mf",
    layers: int = 1,
    requests: int = 1000,
    home: Path = Path("stream_seconds"),
    models: Path | None = None,
) -> None:
    """Makes the requests that are missing.

    Args:
      data: name or path of the data.
      model, layers: what is trained.
      requests: how many.
      home: folder for the store, which goes on from there.
      models: folder to keep trained models in between runs.
    """
    if requests < 1:
        raise DataError(f"requests is {requests}: give at least one.")
    make_folder(home)
    setup = set_up(data, model, layers, "user:0.01")
    name = f"{setup.dataset}_{setup.model}"
    done = sum(line["cell"] == name for _, line in read_lines(PATH))
    streamed = opened(name, setup, home, models)
    with streamed.store as store, telling(Console()) as tell:
        # As a service that answers does when it starts.
        for config in (IFRUConfig(scope=(), follow=False), None):
            warm_up(streamed.model, config=config)
        for number in range(done, requests):
            kind, asked, _ = drawn(np.random.default_rng([1, number]), store.model.interactions, streamed.erased)
            began = time.perf_counter()
            answer = store.forget(asked, missing="report", quick=True)
            seconds = time.perf_counter() - began
            line = {"cell": name, "request": number, "kind": kind, "seconds": seconds, "settled": answer.settled is not None}
            append_line(PATH, line | ({"environment": environment()} if number == done else {}))
            tell(f"{name}, request {number + 1}: {seconds:.3f} s")


if __name__ == "__main__":
    command(stream_seconds, __doc__)
