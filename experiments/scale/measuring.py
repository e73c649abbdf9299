"""One size: data, training and requests, each timed, with the memory that the process has taken until then."""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np
import polars

from ifru_jax.data import ForgetRequest, Interactions, Split, random_interactions, stream_interactions
from ifru_jax.data.synthetic import synthetic
from ifru_jax.models import mf
from ifru_jax.training import TrainConfig, train
from ifru_jax.unlearning import IFRUConfig, forget, prepare

PER_USER, PER_ITEM = 10, 100
WIDTH = 64
VALID = 0.01
# Rows of a Parquet file, and of a group in it.
FILE, ROW_GROUP = 1_000_000, 250_000
# The first epoch compiles, the second is timed.
CONFIG = TrainConfig(learning_rate=1e-3, batch_size=8192, reg=1e-7, epochs=2, sparse=True)
CONFINED = IFRUConfig(scope=(0.5,), follow=False)
# Fewer interactions leave no room for that many different ones.
LEAST = 10_000


# Exit status of a process that took more memory than it may, and seconds between two looks.
TOO_MUCH, EVERY = 75, 0.2


def run(size: int, limit: float) -> None:
    """Measures, and writes what is known after each part as a line of JSON; ends itself beyond `limit` GB."""
    threading.Thread(target=_ended_beyond, args=(limit,), daemon=True).start()
    found: dict[str, Any] = {
        "interactions": size,
        "users": size // PER_USER,
        "items": size // PER_ITEM,
        "config": {"embedding_size": WIDTH, **asdict(CONFIG)},
        "seconds": {},
        "products": {},
        "gigabytes": {},
    }
    for part, seconds, products in parts(size):
        found["done"] = part
        found["seconds"][part] = seconds
        found["gigabytes"][part] = gigabytes()
        found["products"] |= {} if products is None else {part: products}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def gigabytes() -> float:
    """That the process has taken at the most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _ended_beyond(limit: float) -> None:
    while gigabytes() < limit:
        time.sleep(EVERY)
    os._exit(TOO_MUCH)


def parts(size: int) -> Iterator[tuple[str, float, int | None]]:
    """Each part when it is done, its seconds, and the products with the Hessian that a request took."""
    seconds, data = timed(lambda: synthetic(size // PER_USER, size // PER_ITEM, size))
    yield "make", seconds, None

    with TemporaryDirectory() as folder:
        write(data, Path(folder, "data"))
        del data
        seconds, data = timed(lambda: stream_interactions(Path(folder, "data"), Path(folder, "streamed")))
        inside = np.random.default_rng(0).random(len(data)) >= VALID
        valid = data.select(~inside)
        split = Split(train=data.select(inside), valid=valid, test=valid)
        del data
    yield "load", seconds, None

    ends = [time.perf_counter()]
    model = mf(embedding_size=WIDTH, init_std=1e-2)
    trained = train(jax.random.key(0), model, split, CONFIG, on_epoch=lambda *_: ends.append(time.perf_counter()))
    yield "epoch", ends[-1] - ends[-2], None

    # The first call of everything that follows compiles, the second is timed.
    seconds, state = [timed(lambda: prepare(trained)) for _ in range(2)][-1]
    yield "prepare", seconds, None

    degrees = np.bincount(state.interactions.users)
    # The user whom half of them have more than.
    user = int(np.argsort(degrees, kind="stable")[len(degrees) // 2])
    requests = {
        "confined": (ForgetRequest(users=np.array([user])), prepare(state, config=CONFINED)),
        "user": (ForgetRequest(users=np.array([user])), state),
        "bulk": (random_interactions(state.interactions, 0.02), state),
    }
    for name, (request, ready) in requests.items():
        for _ in range(2):
            seconds, report = timed(lambda request=request, ready=ready: forget(ready, request)[1])
        yield name, seconds, report.solve.num_products if report.solve else None


def write(data: Interactions, folder: Path) -> None:
    """The data as Parquet files."""
    folder.mkdir()
    for number, start in enumerate(range(0, len(data), FILE)):
        part = slice(start, start + FILE)
        columns = {"user": data.users[part], "item": data.items[part], "label": data.labels[part]}
        polars.DataFrame(columns).write_parquet(folder / f"part-{number:04d}.parquet", row_group_size=ROW_GROUP)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Wall-clock seconds, and what came back."""
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found
