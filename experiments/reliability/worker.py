"""What is killed: a process that makes requests to a store in a loop, and says each before and after."""

import sys
from pathlib import Path

import numpy as np

from experiments.reporting.json_lines import append_line
from ifru_jax.compiled import keep_compiled
from ifru_jax.store import Store


def work(store: Store, log: Path, rng: np.random.Generator) -> None:
    """Until it is killed, or hardly anybody is left. Only its own steps are undone: no other log tells what was before."""
    undoable = 0
    while True:
        data = store.model.interactions
        assert data.user_ids is not None
        assert data.item_ids is not None
        there = data.user_ids[np.flatnonzero(data.user_degrees())]
        if len(there) < 60:
            return
        draw = rng.random()
        if draw < 0.2 and undoable:
            append_line(log, {"kind": "undo"})
            answer = store.undo()
            undoable -= 1
        elif draw < 0.5:
            place = int(rng.integers(len(data)))
            pair = int(data.user_ids[data.users[place]]), int(data.item_ids[data.items[place]])
            label = 1 - float(data.labels[place])
            append_line(log, {"kind": "correct", "corrected": [[*pair, label]]})
            answer = store.correct([(*pair, label)])
            undoable += 1
        else:
            # Some who are there, some who were, some who never were.
            users = [int(user) for user in (*rng.choice(there, int(rng.integers(1, 3)), replace=False), rng.integers(500))]
            users = users[: int(rng.integers(1, 4))]
            append_line(log, {"kind": "forget", "users": users})
            answer = store.forget(users=users, missing="report")
            undoable += answer.report is not None
        append_line(log, {"answered": answer.number})
        # The first one was compiled; others take milliseconds.
        print("ready", flush=True)


def main() -> None:
    """Takes STORE KEY LOG SEED from the command line."""
    folder, key, log, seed = sys.argv[1:]
    keep_compiled()
    with Store.open(folder, key=key) as store:
        work(store, Path(log), np.random.default_rng(int(seed)))
