"""Kills a process that writes to a store, again and again, and looks whether a request was lost or half done.

    python -m experiments.reliability --kills 500

A process makes requests in a loop: forgetting and correcting, by whole steps or quickly, settling, undoing. It is killed by SIGKILL
at a random moment, and the store is opened, checked and compared with what the requests said so far give. About five seconds a kill
on one core, most of them to start the process again. A line per kill goes to --out, from which `python -m experiments.tables` fills
docs/reliability.md; a run that was cut off goes on.
"""

import multiprocessing
import signal
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reliability.replay import Held, judge
from experiments.reliability.worker import main
from experiments.reporting.json_lines import append_line, read_lines
from experiments.run.command_line import command, make_folder
from ifru_jax import Interactions, Trained, mf, random_split
from ifru_jax.compiled import keep_compiled
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic
from ifru_jax.store import ErrorBudget, Store, make_key
from ifru_jax.unlearning import prepare

PATH = RESULTS / "reliability.jsonl"
USERS, ITEMS = 400, 60
# Seconds that a process lives at the most once its first request was answered.
LONGEST = 2.0
# What quick answers come to now and then: they are settled by the store and by request.
SETTLE_AT = 0.05


def reliability(kills: int = 500, out: Path = PATH, seed: int = 0) -> int:
    """Makes the kills that are missing.

    Args:
      kills: how many.
      out: file with a line per kill.
      seed: of the data, the requests and the moments.

    Returns:
      1 if a request was lost or half done, else 0.
    """
    if kills < 1:
        raise DataError(f"kills is {kills}: give at least one.")
    make_folder(out.parent)
    keep_compiled()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as home:
        while (done := len(read_lines(out))) < kills:
            run_until_empty(Path(home) / str(done), np.random.default_rng([seed, done]), out, kills)
            console.print(f"{len(read_lines(out))} kills")
    return int(any(line["lost"] or line["half_done"] for _, line in read_lines(out)))


def run_until_empty(home: Path, rng: np.random.Generator, out: Path, kills: int) -> None:
    """One store, killed until hardly anybody is left in it."""
    home.mkdir()
    folder, key, log = home / "store", home / "key", home / "log"
    make_key(key)
    with create(folder, key, rng) as store:
        held = Held.of(store)
    # Forked from a process that has imported what they need, and has not started JAX.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([main.__module__])
    for number in range(len(read_lines(out)), kills):
        write_atomic(log, b"")
        ready, told = processes.Pipe(duplex=False)
        worker = processes.Process(target=main, args=(folder, key, log, int(rng.integers(1 << 30)), told))
        worker.start()
        told.close()
        ready.poll(None)
        time.sleep(float(rng.uniform(0, LONGEST)))
        worker.kill()
        worker.join()
        if worker.exitcode != -signal.SIGKILL:
            return
        kill, held = judge(folder, key, log, held)
        append_line(out, {"kill": number, "store": home.name, **asdict(kill)})


def create(folder: Path, key: Path, rng: np.random.Generator) -> Store:
    """A store of a model that was not trained: what is kept is looked at, not what is recommended."""
    users, items = np.divmod(rng.permutation(USERS * ITEMS)[: 10 * USERS], ITEMS)
    split = random_split(Interactions.from_arrays(users, items, rng.integers(2, size=len(users))))
    model, data = mf(embedding_size=8), split.train
    trained = Trained.of(model, model.init(jax.random.key(int(rng.integers(1 << 30))), data.num_users, data.num_items), data)
    return Store.create(folder, prepare(trained), split=split, key=key, grace="1h", budget=ErrorBudget(settle_at=SETTLE_AT))


if __name__ == "__main__":
    command(reliability, __doc__)
