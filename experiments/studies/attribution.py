"""Does an explanation say what retraining does? Influences against models that were trained without some interactions.

    IFRU_JAX_DATA=DIR python -m experiments.studies.attribution              # all cells, smallest first
    IFRU_JAX_DATA=DIR python -m experiments.studies.attribution --only mf    # those whose name contains it

ml-100k with MF and LightGCN-1; targets are the scores of 48 test pairs of as many users, influences those of five originals. Kinds
of retraining, 50 each, every one with its own seed but for "one":

    all      without a random half of all interactions
    own      without a random half of the ratings of each of the 48 users
    one      without one rating of each of the 48 users, from the initial parameters of the original
    without  without the five ratings of each of the 48 users that a method names first, five seeds each

A line per retraining goes to experiments/results/attribution_retrainings.jsonl, and one per kind and method to attribution.jsonl,
from which `python -m experiments.tables` fills docs/attribution.md; what is done is not done again, a run that was cut off goes on
with the next retraining, and a method that is new is asked about the retrainings that are there. About three hundred trainings of 4
seconds (MF) and 10 seconds (LightGCN-1).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.baselines import train_original
from experiments.run.command_line import command
from experiments.run.models import ModelName
from experiments.run.progress import Tell, telling
from experiments.run.setup import Setup, set_up
from experiments.studies.agreement import agreements, mean_interval
from experiments.studies.cells import chosen
from experiments.studies.explanations import methods_for
from ifru_jax import ForgetRequest, retrain, unlearn
from ifru_jax.evaluation.lists import list_overlap, top_lists
from ifru_jax.training import Trained, fit_params
from ifru_jax.training.validation import stopping_pairs
from ifru_jax.unlearning import Prepared, prepare

PATH, RETRAININGS = RESULTS / "attribution.jsonl", RESULTS / "attribution_retrainings.jsonl"
ORIGINALS, TARGETS, ROUNDS, NAMED, SEEDS = 5, 48, 50, 5, 5
# Of a user's ratings that are there to be taken away.
LEAST_RATINGS = 20
KINDS = ("all", "own", "one")
LENGTH = 10


@dataclass(frozen=True)
class AttributionCell:
    """A model on a data set."""

    data: str
    model: ModelName
    layers: int

    @property
    def name(self) -> str:
        """Of the cell."""
        return f"{self.data}_{self.model}{f'-{self.layers}' if self.layers else ''}"


CELLS = (AttributionCell("ml-100k", "mf", 0), AttributionCell("ml-100k", "lightgcn", 1))


@dataclass(frozen=True)
class Study:
    """A cell with its originals and what their scores are explained by."""

    cell: AttributionCell
    setup: Setup
    originals: list[Prepared]
    users: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, cell: AttributionCell) -> "Study":
        """Trains the originals and draws the targets."""
        setup = set_up(cell.data, cell.model, cell.layers, "interaction:0.02")
        train, test = setup.split.train, setup.split.test
        many = train.user_degrees()[test.users] >= LEAST_RATINGS
        known = many & (train.item_degrees()[test.items] > 0)
        order = np.random.default_rng(0).permutation(np.flatnonzero(known))
        _, first = np.unique(test.users[order], return_index=True)
        chosen = order[np.sort(first)[:TARGETS]]
        originals = [prepare(train_original(setup, seed)) for seed in range(ORIGINALS)]
        return cls(cell, setup, originals, test.users[chosen], test.items[chosen])

    @property
    def data(self):
        """The training interactions, in the order of all that is said of them."""
        return self.originals[0].interactions

    @cached_property
    def own(self) -> np.ndarray:
        """bool [targets, n]: ratings of the user of each target."""
        return self.users[:, None] == self.data.users

    def methods(self, kind: str) -> set[str]:
        """Those that are asked about retrainings of a kind."""
        names = methods_for(self.cell.layers, self.retained(kind), own=kind != "all")
        return {*_naming(names), "random"} if kind == "without" else set(names)

    def influences(self, kind: str) -> dict[str, list[np.ndarray]]:
        """[targets, n] of every method for every original, for retrainings of a kind."""
        methods = methods_for(self.cell.layers, self.retained(kind), own=kind != "all")
        return {name: [method(one, self.users, self.items) for one in self.originals] for name, method in methods.items()}

    def retained(self, kind: str) -> np.ndarray | None:
        """float [n]: the share of retrainings that keep each interaction; None where they are single ones."""
        halved = {"all": np.ones(len(self.data), bool), "own": self.own.any(0)}
        return 1 - 0.5 * halved[kind] if kind in halved else None

    @cached_property
    def single(self) -> dict[str, list[np.ndarray]]:
        """Influences where single ratings go."""
        return self.influences("one")

    def gone(self, kind: str, number: int) -> np.ndarray:
        """bool [n]: what a retraining does without."""
        rng = np.random.default_rng([KINDS.index(kind), number])
        if kind == "all":
            return rng.permutation(len(self.data)) < len(self.data) // 2
        found = np.zeros(len(self.data), bool)
        for row in self.own:
            places = rng.permutation(np.flatnonzero(row))
            found[places[: len(places) // 2 if kind == "own" else 1]] = True
        return found

    def named(self, method: str, original: int) -> np.ndarray:
        """bool [n]: the ratings of each user that a method names first; of "random", any."""
        found = np.zeros(len(self.data), bool)
        rng = np.random.default_rng(original)
        for target, row in enumerate(self.own):
            places = np.flatnonzero(row)
            order = rng.random(len(places)) if method == "random" else -self.single[method][original][target, places]
            found[places[np.argsort(order, kind="stable")[:NAMED]]] = True
        return found

    def without(self, gone: np.ndarray, seed: int) -> Trained:
        """A model trained without some interactions, by a seed that no original has."""
        return retrain(jax.random.key(1000 + seed), self.originals[0], self.request(gone), self.setup.split.valid)[0]

    def without_from_same_start(self, gone: np.ndarray, original: int) -> Trained:
        """The same from where an original started."""
        trained = self.originals[original]
        data = trained.training_set.without(np.flatnonzero(gone))
        valid, config = stopping_pairs(self.setup.split.valid, data.interactions), trained.config.unrecorded
        params, _ = fit_params(jax.random.key(original), trained.objective, data, valid, config)
        return replace(trained.with_params(params), training_set=data)

    def request(self, gone: np.ndarray) -> ForgetRequest:
        """For these interactions."""
        return ForgetRequest(pairs=np.stack([self.data.users[gone], self.data.items[gone]], axis=1))

    def scores(self, trained: Trained) -> np.ndarray:
        """Of the targets."""
        return trained.score_rows(self.users, self.items)

    def lists(self, trained: Trained) -> np.ndarray:
        """Of the users."""
        return top_lists(trained.score_grid, trained.interactions, self.users, k=LENGTH)

    def record(self, kind: str, method: str, seed: int, figures: dict) -> dict:
        """A line."""
        names = {"dataset": self.setup.dataset, "model": self.setup.model, "forget": kind, "method": method, "seed": seed}
        return {**names, "figures": figures, "config": {}, "environment": environment()}


def attribution(only: str = "") -> None:
    """Runs what is missing.

    Args:
      only: cells whose name contains it.
    """
    asked = chosen(CELLS, only)
    console = Console()
    for cell in asked:
        with telling(console) as tell:
            tell(f"{cell.name}: originals")
            study = Study.of(cell)
            for kind in (*KINDS, "without"):
                there = {record["method"] for record in _lines(PATH, study, kind)}
                if study.methods(kind) <= there:
                    continue
                for record in (without if kind == "without" else correlations)(study, kind, tell):
                    if record["method"] not in there:
                        append_record(PATH, record)


def correlations(study: Study, kind: str, tell: Tell) -> Iterator[dict]:
    """Agreement of every method with the retrainings of a kind."""
    known = {r["seed"]: np.array(r["figures"]["scores"]) for r in _lines(RETRAININGS, study, kind)}
    for number in range(ROUNDS):
        if number in known:
            continue
        tell(f"{study.cell.name}, {kind}: retraining {number + 1} of {ROUNDS}")
        gone = study.gone(kind, number)
        trained = (
            study.without_from_same_start(gone, 0) if kind == "one" else study.without(gone, KINDS.index(kind) * ROUNDS + number)
        )
        known[number] = study.scores(trained)
        append_record(RETRAININGS, study.record(kind, "retrain", number, {"scores": known[number].tolist()}))
    found = np.stack([known[number] for number in range(ROUNDS)], axis=1)
    gone = np.stack([study.gone(kind, number) for number in range(ROUNDS)], axis=1).astype(np.float32)
    own = 1.0 if kind == "all" else study.own
    each = study.single if kind == "one" else study.influences(kind)
    # From the start of an original only its own influences are asked; else both those of one model and their means are.
    single = agreements({name: -(of[0] * own) @ gone for name, of in each.items()}, found)
    of_all = agreements({name: -(np.mean(of, axis=0) * own) @ gone for name, of in each.items()}, found)
    for name in each:
        figures = {"agreement": single["agreement"][name], "ahead": single["ahead"].get(name)}
        if kind != "one":
            figures |= {"agreement mean": of_all["agreement"][name], "ahead mean": of_all["ahead"].get(name)}
        yield study.record(kind, name, ROUNDS, {k: v and v._asdict() for k, v in figures.items()})


def without(study: Study, kind: str, tell: Tell) -> Iterator[dict]:
    """How far scores fall without the ratings that each method names, and whether lists are those of retraining."""
    lines = {(r["method"], r["seed"]): r["figures"] for r in _lines(RETRAININGS, study, kind)}
    named = [*_naming(study.single), "random"]
    everything = np.zeros(len(study.data), bool)
    for method in ("nothing", *named):
        for number in range(SEEDS):
            if (method, number) in lines:
                continue
            tell(f"{study.cell.name}, without what {method} names: retraining {number + 1} of {SEEDS}")
            gone = everything if method == "nothing" else study.named(method, 0)
            trained = study.without(gone, 900 + number)
            figures = {"scores": study.scores(trained).tolist(), "lists": study.lists(trained).tolist()}
            lines[method, number] = figures
            append_record(RETRAININGS, study.record(kind, method, number, figures))

    def of(method: str, part: str) -> np.ndarray:
        return np.stack([np.array(lines[method, number][part]) for number in range(SEEDS)], axis=1)

    before = of("nothing", "scores")
    for method in named:
        figures = {"fall": mean_interval(before - of(method, "scores"))._asdict()}
        if method in ("along", "random"):
            original = study.originals[0]
            unlearned, _ = unlearn(original, study.request(study.named(method, 0)))
            figures |= _overlaps(study, original, unlearned, of(method, "lists"))
            fall = study.scores(original) - study.scores(unlearned)
            figures["fall unlearned"] = mean_interval(fall[:, None])._asdict()
        yield study.record(kind, method, SEEDS, figures)


def _naming(methods: Iterable[str]) -> list[str]:
    """Those that are let name ratings."""
    return [name for name in methods if "graph" not in name]


def _overlaps(study: Study, original: Trained, unlearned: Trained, retrained: np.ndarray) -> dict:
    """Shares of the retrained lists [targets, seeds, k] that the others have too."""
    seeds = range(retrained.shape[1])

    def with_retrained(lists: np.ndarray) -> np.ndarray:
        return np.stack([list_overlap(lists, retrained[:, seed]) for seed in seeds], axis=1)

    pairs = [(a, b) for a in seeds for b in seeds if a < b]
    among = np.stack([list_overlap(retrained[:, a], retrained[:, b]) for a, b in pairs], axis=1)
    found = {
        "original": with_retrained(study.lists(original)),
        "unlearned": with_retrained(study.lists(unlearned)),
        "retrained": among,
    }
    return {f"overlap {name}": mean_interval(values)._asdict() for name, values in found.items()}


def _lines(path, study: Study, kind: str) -> list[dict]:
    names = {"dataset": study.setup.dataset, "model": study.setup.model, "forget": kind}
    return [r for r in read_records(path) if all(r[name] == value for name, value in names.items())]


if __name__ == "__main__":
    command(attribution, __doc__)
