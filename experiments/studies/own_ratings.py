"""Is what `explain` says of a user's own ratings, with other users held, what the whole problem says of them?

    IFRU_JAX_DATA=DIR python -m experiments.studies.own_ratings                    # all data sets, smallest first
    IFRU_JAX_DATA=DIR python -m experiments.studies.own_ratings --only ml-1m       # those whose name contains it

MF with its record; three originals, and of each the scores of 48 test pairs of as many users with at least twenty ratings. A line
per data set goes to experiments/results/own_ratings.jsonl, from which `python -m experiments.tables` fills docs/attribution.md; a
data set that is done is not run again. MOST_RETURNING was found on MovieLens-small, by other targets of one model. Whether either
answer says what retraining does is asked by `experiments.studies.attribution`. How long a data set takes was not recorded: three
trainings, and for each of 144 targets a solve of the whole problem.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.baselines import train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import Tell, telling
from experiments.run.setup import Setup, set_up
from experiments.studies.agreement import rank_correlations
from experiments.studies.attribution import LEAST_RATINGS, TARGETS
from experiments.studies.cells import chosen
from experiments.studies.explanations import TOGETHER, along, others_held
from ifru_jax.unlearning import Prepared, prepare
from ifru_jax.unlearning.local.adjoint import returning

PATH = RESULTS / "own_ratings.jsonl"
SEEDS, NAMED = 3, 5


@dataclass(frozen=True)
class OwnRatingsCell:
    """A data set."""

    name: str


CELLS = tuple(map(OwnRatingsCell, ("movielens-small", "ml-100k", "ml-1m")))


def own_ratings(only: str = "", models: Path | None = None) -> None:
    """Runs what is missing.

    Args:
      only: data sets whose name contains it.
      models: folder to keep trained models in between runs.
    """
    asked = chosen(CELLS, only)
    console = Console()
    for cell in asked:
        if cell.name in {record["dataset"] for record in read_records(PATH)}:
            continue
        setup = set_up(cell.name, "mf", 0, "noise:0.02")
        users, items = targets_of(setup)
        with telling(console) as tell:
            found = list(compared(setup, users, items, KEEP_NOTHING if models is None else ModelStore(models), tell))
        figures = {name: np.stack([of[name] for of in found], axis=1).tolist() for name in found[0]}
        names = {"dataset": setup.dataset, "model": setup.model, "forget": "own", "method": "others held", "seed": SEEDS}
        append_record(PATH, {**names, "figures": figures, "config": {}, "environment": environment()})


def targets_of(setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """A test pair each of as many users, rows int [t] twice."""
    train, test = setup.split.train, setup.split.test
    many = train.user_degrees()[test.users] >= LEAST_RATINGS
    order = np.random.default_rng(0).permutation(np.flatnonzero(many & (train.item_degrees()[test.items] > 0)))
    _, first = np.unique(test.users[order], return_index=True)
    of = order[np.sort(first)[:TARGETS]]
    return test.users[of], test.items[of]


def compared(setup: Setup, users: np.ndarray, items: np.ndarray, store: ModelStore, tell: Tell) -> Iterator[dict[str, np.ndarray]]:
    """Of every original, [t] of each figure."""
    for seed in range(SEEDS):
        tell(f"{setup.dataset}: original {seed + 1} of {SEEDS}")
        state = prepare(train_original(setup, seed, store=store))
        parts = [slice(start, start + TOGETHER) for start in range(0, len(users), TOGETHER)]
        each = [_figures(*both) for part in parts for both in _pairs(state, users[part], items[part])]
        returned = [returning(state.training_set, int(user), np.array([item])) for user, item in zip(users, items, strict=True)]
        yield {name: np.array([one[name] for one in each]) for name in each[0]} | {"returning": np.array(returned)}


def _pairs(state: Prepared, users: np.ndarray, items: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each target the influences of the user's own ratings, with others held and from the whole problem."""
    for user, held, whole in zip(users, others_held(state, users, items), along(state, users, items), strict=True):
        own = state.interactions.users == user
        yield held[own], whole[own]


def _figures(held: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    first = [set(np.argsort(-np.abs(of), kind="stable")[:NAMED].tolist()) for of in (held, whole)]
    return {
        "correlation": float(np.corrcoef(held, whole)[0, 1]),
        "rank correlation": float(rank_correlations(held[None], whole[None])[0]),
        "difference": float(np.linalg.norm(held - whole) / np.linalg.norm(whole)),
        "size": float(held @ whole / (whole @ whole)),
        "named": len(first[0] & first[1]) / NAMED,
    }


if __name__ == "__main__":
    command(own_ratings, __doc__)
