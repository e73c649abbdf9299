"""What is killed: a process that makes requests to a store in a loop, and says each before and after."""

from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from experiments.reporting.json_lines import append_line
from ifru_jax.compiled import keep_compiled
from ifru_jax.store import Answer, Store


def main(folder: Path, key: Path, log: Path, seed: int, ready: Connection) -> None:
    """Until it is killed. `ready` is told of each answer: the first one is compiled, others take milliseconds."""
    keep_compiled()
    with Store.open(folder, key=key) as store:
        work(store, log, np.random.default_rng(seed), ready)


def work(store: Store, log: Path, rng: np.random.Generator, ready: Connection) -> None:
    """Until hardly anybody is left. Only its own steps are undone: no other log tells what was before."""
    undoable = 0
    while len(there := _there(store)) >= 60:
        draw, quick = rng.random(), bool(rng.random() < 0.3)
        if draw < 0.2 and undoable:
            append_line(log, {"kind": "undo"})
            answer = store.undo()
            undoable -= 1
        elif draw < 0.3 and store.unsettled:
            append_line(log, {"kind": "settle"})
            answer = store.settle()
        elif draw < 0.6:
            answer = _correct(store, log, rng, quick=quick)
            undoable += 1
        else:
            # Some who are there, some who were, some who never were.
            users = [int(user) for user in (*rng.choice(there, int(rng.integers(1, 3)), replace=False), rng.integers(500))]
            users = users[: int(rng.integers(1, 4))]
            append_line(log, {"kind": "forget", "users": users})
            answer = store.forget(users=users, missing="report", quick=quick)
            undoable += answer.report is not None
        append_line(log, {"answered": answer.number})
        ready.send(answer.number)


def _there(store: Store) -> np.ndarray:
    data = store.model.interactions
    assert data.user_ids is not None
    return data.user_ids[np.flatnonzero(data.user_degrees())]


def _correct(store: Store, log: Path, rng: np.random.Generator, *, quick: bool) -> Answer:
    data = store.model.interactions
    assert data.user_ids is not None
    assert data.item_ids is not None
    place = int(rng.integers(len(data)))
    pair = int(data.user_ids[data.users[place]]), int(data.item_ids[data.items[place]])
    label = 1 - float(data.labels[place])
    append_line(log, {"kind": "correct", "corrected": [[*pair, label]]})
    return store.correct([(*pair, label)], quick=quick)
