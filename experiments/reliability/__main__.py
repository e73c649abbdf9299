"""Kills a process that writes to a store, again and again, and looks whether a request was lost or half done.

    python -m experiments.reliability --kills 500

A process makes requests in a loop: forgetting, correcting, undoing. It is killed by SIGKILL at a random moment, and the store is
opened, checked and compared with what the requests said so far give. About ten seconds a kill on one core, most of them to start
the process again. Writes its count to --out.
"""

import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reliability.replay import Held, Tally, judge
from experiments.reporting.json_files import write_json_atomic
from experiments.run.command_line import command, make_folder
from ifru_jax import Interactions, Trained, mf, random_split
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic
from ifru_jax.store import Store, make_key
from ifru_jax.unlearning import prepare

USERS, ITEMS = 400, 60
WORKER = "from experiments.reliability.worker import main; main()"
# Seconds that a process lives at the most once its first request was answered.
LONGEST = 2.0


def reliability(kills: int = 500, out: Path = RESULTS / "reliability.json", seed: int = 0) -> int:
    """Kills and counts.

    Args:
      kills: how many.
      out: file for the count.
      seed: of the data, the requests and the moments.

    Returns:
      1 if a request was lost or half done, else 0.
    """
    if kills < 1:
        raise DataError(f"kills is {kills}: give at least one.")
    make_folder(out.parent)
    rng, tally, console = np.random.default_rng(seed), Tally(), Console(stderr=True)
    with tempfile.TemporaryDirectory() as home:
        while tally.kills < kills:
            run_until_empty(Path(home), rng, tally, kills, console)
    found = asdict(tally)
    write_json_atomic(out, found)
    console.print(found)
    return int(tally.lost + tally.half_done > 0)


def run_until_empty(home: Path, rng: np.random.Generator, tally: Tally, kills: int, console: Console) -> None:
    """One store, killed until hardly anybody is left in it."""
    name = f"{tally.kills}-{rng.integers(1 << 30)}"
    folder, key, log = home / name, home / f"{name}.key", home / f"{name}.log"
    make_key(key)
    with create(folder, key, rng) as store:
        held = Held.of(store)
    while tally.kills < kills:
        write_atomic(log, b"")
        arguments = [str(folder), str(key), str(log), str(rng.integers(1 << 30))]
        command_line = [sys.executable, "-c", WORKER, *arguments]
        worker = subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(float(rng.uniform(0, LONGEST)))
        worker.send_signal(signal.SIGKILL)
        if worker.wait() != -signal.SIGKILL:
            return
        held = judge(tally, folder, key, log, held)
        console.print(f"{tally.kills} kills, {tally.answered} requests answered, {tally.lost + tally.half_done} wrong")


def create(folder: Path, key: Path, rng: np.random.Generator) -> Store:
    """A store of a model that was not trained: what is kept is looked at, not what is recommended."""
    users, items = np.divmod(rng.permutation(USERS * ITEMS)[: 10 * USERS], ITEMS)
    split = random_split(Interactions.from_arrays(users, items, rng.integers(2, size=len(users))))
    model, data = mf(embedding_size=8), split.train
    trained = Trained.of(model, model.init(jax.random.key(int(rng.integers(1 << 30))), data.num_users, data.num_items), data)
    return Store.create(folder, prepare(trained), split=split, key=key, grace="1h")


if __name__ == "__main__":
    command(reliability, __doc__)
