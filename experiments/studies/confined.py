"""How near confined requests end to the whole step, along the training and from its end, and how long they take.

    IFRU_JAX_DATA=DIR python -m experiments.studies.confined                    # all cells, smallest first
    IFRU_JAX_DATA=DIR python -m experiments.studies.confined --only ml-1m       # those whose name contains it

One original per cell; single interactions and whole users, drawn at random. The whole step follows the training by up to forty
products a segment, until the estimated error is .02. Nothing else may run beside it: milliseconds are of warm requests. A line per
request and way goes to experiments/results/confined.jsonl, from which `python -m experiments.tables` fills
docs/how-to/small-requests.md; a cell that is done is not run again. Nothing is chosen by it. A few minutes a cell, without its
training.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.run.baselines import train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import Tell, telling
from experiments.run.setup import Setup, set_up
from experiments.studies.cells import PAPER, ModelCell, append_cell, missing
from ifru_jax import ForgetRequest, IFRUConfig, Interactions
from ifru_jax.models import Params
from ifru_jax.training import Trained
from ifru_jax.unlearning import forget, prepare

PATH = RESULTS / "confined.jsonl"
ASKED = 20
WHOLE = IFRUConfig(segment_steps=40, early_steps=40, segment_tolerance=0.02)
WAYS = {
    "along": IFRUConfig(scope=()),
    "from the end": IFRUConfig(scope=(), follow=False),
    "all rows": IFRUConfig(),
}


DATA = ("movielens-small", "ml-100k", "amazon", "bookcrossing", "ml-1m")
CELLS = tuple(ModelCell(dataset, *of) for dataset in DATA for of in PAPER)


def confined(only: str = "", models: Path | None = None) -> None:
    """Runs what is missing.

    Args:
      only: cells whose name contains it.
      models: folder to keep trained models in between runs.
    """
    store = KEEP_NOTHING if models is None else ModelStore(models)
    for cell in missing(CELLS, only, PATH):
        with telling(Console()) as tell:
            lines = list(measured(set_up(cell.dataset, cell.model, cell.layers, "noise:0.02"), store, tell))
        append_cell(PATH, cell, lines)


def measured(setup: Setup, store: ModelStore, tell: Tell) -> Iterator[dict]:
    """A line per request and way."""
    original = train_original(setup, 0, store=store)
    whole, ways = prepare(original, config=WHOLE), {way: prepare(original, config=config) for way, config in WAYS.items()}
    for kind, request in requests(original.interactions):
        tell(f"{setup.dataset}, {setup.model}: {kind}")
        far = forget(whole, request)[0]
        for way, state in ways.items():
            forget(state, request)  # what is new in its shapes is compiled
            began = time.perf_counter()
            found = jax.block_until_ready(forget(state, request)[0].params)
            milliseconds = 1000 * (time.perf_counter() - began)
            yield {"kind": kind, "way": way, "milliseconds": milliseconds} | errors(original, far.params, found, request)


def requests(data: Interactions) -> Iterator[tuple[str, ForgetRequest]]:
    """Single interactions and whole users."""
    rng = np.random.default_rng(0)
    for place in rng.choice(len(data), ASKED, replace=False):
        yield "interaction", ForgetRequest(pairs=np.array([[data.users[place], data.items[place]]]))
    for user in rng.choice(np.unique(data.users), ASKED, replace=False):
        yield "user", ForgetRequest(users=np.array([user]))


def errors(original: Trained, whole: Params, found: Params, request: ForgetRequest) -> dict[str, float | None]:
    """‖Δθ − Δθ*‖ / ‖Δθ*‖ of all rows that have data left, and of those of what is forgotten."""
    change = original.resolved(request)
    lost, gone = change.without_data, change.touched
    tables, parts = original.model.tables, []
    for rows_of in (None, {"user": gone.users, "item": gone.items}):
        missed = moved = 0.0
        for name, side in tables.items():
            rows = ~(lost.users if side == "user" else lost.items)
            if rows_of is not None:
                rows &= np.isin(np.arange(len(rows)), rows_of[side])
            before, far, near = (np.asarray(of[name], np.float64)[rows] for of in (original.params, whole, found))
            missed, moved = missed + np.sum((near - far) ** 2), moved + np.sum((far - before) ** 2)
        parts.append(float(np.sqrt(missed / moved)) if moved else None)
    return {"error": parts[0], "error of its rows": parts[1]}


if __name__ == "__main__":
    command(confined, __doc__)
