"""A stream of requests to a store that answers quickly and settles by its budget of errors.

    IFRU_JAX_DATA=DIR python -m experiments.studies.stream                                    # 1,000 requests to ml-1m
    IFRU_JAX_DATA=DIR python -m experiments.studies.stream --data ml-100k --requests 200 --every 1

Users, single interactions, an item now and then, corrections, requests that were made before, ids that are not in the data, and
lists of all that. Of every request is recorded how it was answered, what the store estimated its distance to the settled model to
be, and, for one in --every and whenever the budget was spent, what it really was: one whole step from the state before. Where
answers were settled, also how far the model is from one whole request for everything so far; and at the end the distance of both to
models that were retrained. A line per request goes to experiments/results/stream.jsonl, from which `python -m experiments.tables`
fills docs/budget.md. The store is kept in --home, so that a run that was cut off goes on. About an hour for ml-1m on two cores,
nearly all of it for whole steps that are only taken to measure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.reporting.records import environment
from experiments.run.baselines import train_original
from experiments.run.command_line import command, make_folder
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.models import ModelName
from experiments.run.progress import telling
from experiments.run.setup import set_up
from ifru_jax import load, save, unlearn
from ifru_jax.baselines import retrain
from ifru_jax.data import Interactions
from ifru_jax.errors import DataError
from ifru_jax.evaluation import survivors
from ifru_jax.store import Asked, Store, make_key
from ifru_jax.store.models import by_influence
from ifru_jax.store.verifying import difference_as_request
from ifru_jax.training import Trained
from ifru_jax.unlearning.unsettled import apart, size

PATH = RESULTS / "stream.jsonl"
# Kinds of requests, and how often each is drawn.
KINDS = {"user": 0.5, "interaction": 0.2, "correction": 0.1, "item": 0.02, "again": 0.06, "unknown": 0.06, "list": 0.06}
UNKNOWN = 10**7


@dataclass
class Streamed:
    """What is streamed to.

    Attributes:
      name: of the cell.
      store: open.
      original: its model before any request.
      basis: its model before the quick answers that are not settled.
    """

    name: str
    store: Store
    original: Trained
    basis: Trained

    @property
    def model(self) -> Trained:
        """As it is now."""
        return by_influence(self.store.model)

    @property
    def erased(self) -> list[int]:
        """Ids of users that are not in the data any more, in the order of the rows."""
        before, now = (one.interactions for one in (self.original, self.model))
        assert before.user_ids is not None
        return before.user_ids[(before.user_degrees() > 0) & (now.user_degrees() == 0)].tolist()


def stream(
    data: str = "ml-1m",
    model: ModelName = "mf",
    layers: int = 1,
    requests: int = 1000,
    every: int = 4,
    home: Path = Path("stream"),
    models: Path | None = None,
) -> None:
    """Makes the requests that are missing.

    Args:
      data: name or path of the data.
      model, layers: what is trained.
      requests: how many.
      every: of how many requests one is measured by a whole step.
      home: folder for the store, which goes on from there.
      models: folder to keep trained models in between runs.
    """
    if requests < 1 or every < 1:
        raise DataError(f"requests is {requests} and every is {every}: give at least one of each.")
    make_folder(home)
    setup = set_up(data, model, layers, "user:0.01")
    name, console = f"{setup.dataset}_{setup.model}", Console()
    lines = [line for _, line in read_lines(PATH) if line["cell"] == name]
    streamed, done = opened(name, setup, home, models), sum("request" in line for line in lines)
    with streamed.store, telling(console) as tell:
        for number in range(done, requests):
            for line in requested(streamed, number, measured=number % every == 0):
                append_line(PATH, {"cell": name, **line})
                tell(f"{name}, request {number + 1}: {line}")
        if not any("end" in line and line["end"]["requests"] == max(done, requests) for line in lines):
            tell(f"{name}, retraining")
            end = {"requests": max(done, requests)} | at_the_end(streamed)
            append_line(PATH, {"cell": name, "end": end, "environment": environment()})


def opened(name: str, setup: Any, home: Path, models: Path | None) -> Streamed:
    """The store in this folder, made if it isn't there; quick answers that a run left behind are settled."""
    folder, key, original = home / name, home / f"{name}.key", home / f"{name}.npz"
    if not original.exists():
        trained = train_original(setup, 0, store=KEEP_NOTHING if models is None else ModelStore(models))
        make_key(key)
        with Store.create(folder, trained, split=setup.split, key=key) as store:
            save(by_influence(store.model), original)
    store = Store.open(folder, key=key)
    if store.unsettled:
        store.settle()
    return Streamed(name, store, load(original), by_influence(store.model))


def requested(streamed: Streamed, number: int, *, measured: bool) -> Iterator[dict[str, Any]]:
    """Makes one request; its line, and one for the settlement that it triggered."""
    store = streamed.store
    if not store.unsettled:
        streamed.basis = streamed.model
    basis, lines = streamed.basis, len(store.history())
    kind, asked, expected = drawn(np.random.default_rng([1, number]), store.model.interactions, streamed.erased)
    answer = store.forget(asked, missing="report", quick=True)
    new = store.history()[lines:]
    line = {
        "request": number,
        "kind": kind,
        "as_expected": [one.found for one in answer.answers] == expected,
        "answers": new[0]["answers"],
        "forgotten": answer.report.forgotten if answer.report else 0,
        "estimate": new[0].get("distance"),
        "factor": new[0].get("factor"),
        "triggered": answer.settled is not None,
    }
    if answer.settled is not None:
        yield line | _settled(streamed, new[-1])
    elif measured and answer.report is not None:
        settled, _ = unlearn(basis, difference_as_request(basis.interactions, streamed.model.interactions))
        yield line | {"distance": apart(streamed.model, settled) / size(settled), "error": _error(streamed.model, settled, basis)}
    else:
        yield line


def _error(quick: Trained, settled: Trained, before: Trained) -> float | None:
    moved = apart(before, settled)
    return apart(quick, settled) / moved if moved else None


def _settled(streamed: Streamed, line: dict[str, Any]) -> dict[str, Any]:
    """What settling found, and how far the model is from one whole request for everything so far."""
    now, spent = streamed.model, streamed.store.spent
    one = _in_one(streamed)
    found = {"distance": line["distance"], "error": line["error"], "from_one": _error(now, one, streamed.original)}
    return found | {"growth": spent.growth, "linearity": spent.linearity, "share": spent.share}


def _in_one(streamed: Streamed) -> Trained:
    """The original after one whole request for everything that was asked."""
    request = difference_as_request(streamed.original.interactions, streamed.store.model.interactions)
    return unlearn(streamed.original, request)[0]


def drawn(rng: np.random.Generator, data: Interactions, erased: list[int]) -> tuple[str, Asked, list[str]]:
    """A request, and the answers that it has to get for its users, items, pairs and corrections."""
    assert data.user_ids is not None
    assert data.item_ids is not None
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    users, items = (np.flatnonzero(degrees) for degrees in (data.user_degrees(), data.item_degrees()))
    user, place, unknown = int(data.user_ids[rng.choice(users)]), int(rng.integers(len(data))), UNKNOWN + int(rng.integers(100))
    pair = int(data.user_ids[data.users[place]]), int(data.item_ids[data.items[place]])
    again = int(rng.choice(erased)) if erased else unknown
    was = "done already" if erased else "not in the data"
    if kind == "interaction":
        return kind, Asked.of(interactions=[pair]), ["there"]
    if kind == "correction":
        return kind, Asked.of(corrected=[(*pair, 1 - float(data.labels[place]))]), ["there"]
    if kind == "item":
        return kind, Asked.of(items=[int(data.item_ids[rng.choice(items)])]), ["there"]
    named = {"user": [user], "again": [again], "unknown": [unknown], "list": [user, again, user, UNKNOWN + 100]}[kind]
    told = {"user": ["there"], "again": [was], "unknown": ["not in the data"], "list": ["there", was, "not in the data"]}[kind]
    return kind, Asked.of(users=named), told


def at_the_end(streamed: Streamed) -> dict[str, Any]:
    """Root mean squares, on test pairs of users and items that are left, of the scores' distance to those of retrained models."""
    store = streamed.store
    if store.unsettled:
        store.settle()
    split, now = store.split, streamed.model
    assert split is not None
    request = difference_as_request(streamed.original.interactions, now.interactions)
    retrained = retrain(jax.random.key(1), streamed.original, request, split.valid, seeds=2)
    test = split.test.select(survivors(now.interactions, split.test))
    mean = np.mean([one.score_rows(test.users, test.items) for one in retrained], axis=0)

    def gap(model: Trained) -> float:
        return float(np.sqrt(np.mean((model.score_rows(test.users, test.items) - mean) ** 2)))

    each = {"original": gap(streamed.original), "settled": gap(now), "in one": gap(_in_one(streamed))}
    return each | {"retrained": gap(retrained[0]), "share": store.spent.share}


if __name__ == "__main__":
    command(stream, __doc__)
