"""Canaries: planted ratings that only a training with them can know. Are they learned by heart, and do they look unseen afterwards?

    IFRU_JAX_DATA=DIR python -m experiments.studies.canaries                  # all cells, smallest first
    IFRU_JAX_DATA=DIR python -m experiments.studies.canaries --only ml-100k   # those whose name contains it

Sixty pairs of an active user and a rare item, each of them in one pair only, the least likely that there are, get the label 1. Half
of them, drawn by lot, are planted into the training data, and one in a hundred of the ratings that were there go with them in one
request. The other half is never trained on. Sixteen shadow models have half of all these, and five originals and five retrained
models are asked:

    learned by heart   whether the planted pairs are the most memorised of all that the request names
    unseen             LiRA: are planted pairs told from those that were never planted? The same for ratings and held-out ratings
    two snapshots      the fall of confidence from the model before to the model after, by which somebody who has both tells what
                       was erased; Chen et al., "When machine unlearning jeopardizes privacy" (CCS 2021)
    most memorised     LiRA again, against the one in a hundred of the ratings, and ten at least, that shadows learned by heart most
    still used         the share of what the request names that is still used (`evaluation.membership.usage`)

A line per method goes to experiments/results/canaries.jsonl, from which `python -m experiments.tables` fills docs/verification.md;
cells that are done are not run again. About a minute of trainings a cell (MF), five minutes with LightGCN-1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.baselines import train_original
from experiments.run.command_line import command
from experiments.run.methods import REGISTRY, Context
from experiments.run.models import ModelName
from experiments.run.progress import Tell, telling
from experiments.run.setup import Setup, set_up
from experiments.studies.cells import chosen
from ifru_jax import ForgetRequest, retrain
from ifru_jax.data import Interactions
from ifru_jax.data.forget_sets import random_interactions
from ifru_jax.evaluation.membership import memorisation, usage
from ifru_jax.evaluation.membership.attack import attack_result
from ifru_jax.evaluation.membership.confidence import confidence
from ifru_jax.evaluation.membership.lira import lira
from ifru_jax.evaluation.membership.memorisation import most_memorised
from ifru_jax.evaluation.membership.shadows import join
from ifru_jax.models import Scorer
from ifru_jax.training import Trained, fit_params, train
from ifru_jax.training.validation import stopping_pairs

PATH = RESULTS / "canaries.jsonl"
PAIRS, SEEDS, SHADOWS, SHARE = 60, 5, 16, 0.01
METHODS = ("ifru", "gif", "scif", "gradient", "warm-retrain")


@dataclass(frozen=True)
class CanaryCell:
    """A model on a data set."""

    data: str
    model: ModelName
    layers: int

    @property
    def name(self) -> str:
        """Of the cell."""
        return f"{self.data}_{self.model}{f'-{self.layers}' if self.layers else ''}"


CELLS = (
    CanaryCell("movielens-small", "mf", 0),
    CanaryCell("ml-100k", "mf", 0),
    CanaryCell("movielens-small", "lightgcn", 1),
    CanaryCell("ml-100k", "lightgcn", 1),
)


@dataclass(frozen=True)
class Planted:
    """A setup with canaries in its training data.

    Attributes:
      setup: its request names the canaries, and some of the ratings that were there.
      asked: canaries, canaries that were not planted, forgotten ratings, held-out ratings; in this order.
      parts: which of them are which.
    """

    setup: Setup
    asked: Interactions
    parts: dict[str, slice]

    @classmethod
    def of(cls, cell: CanaryCell) -> "Planted":
        """Trains a model that says which pairs nobody would guess."""
        setup = set_up(cell.data, cell.model, cell.layers, "interaction:0.02")
        data, test = setup.split.train, setup.split.test
        rng = np.random.default_rng(0)
        pairs = rng.permutation(unlikely(train_original(setup, 1000), setup))
        injected, held = (_ones(data, half) for half in np.split(pairs, 2))
        some = random_interactions(data, SHARE).select(data)
        # Nobody's last rating goes, so that everybody can be asked about.
        regular = data.select(some & ~np.isin(data.items, pairs[:, 1]) & (data.item_degrees() > 3)[data.items])
        known = (data.user_degrees() > 0)[test.users] & (data.item_degrees() > 3)[test.items]
        others = test.select(rng.permutation(np.flatnonzero(known))[: len(regular)])
        everything = join(data, injected)
        named = np.stack([np.concatenate([injected.users, regular.users]), np.concatenate([injected.items, regular.items])], axis=1)
        setup = replace(setup, split=replace(setup.split, train=everything), request=ForgetRequest(pairs=named))
        groups = {"canaries": injected, "not planted": held, "ratings": regular, "held out": others}
        ends = np.cumsum([len(group) for group in groups.values()]).tolist()
        parts = {name: slice(start, end) for name, start, end in zip(groups, [0, *ends], ends, strict=False)}
        return cls(setup, join(join(injected, held), join(regular, others)), parts)

    def phi(self, model: Scorer) -> np.ndarray:
        """Confidences of a model."""
        return confidence(model.score_rows(self.asked.users, self.asked.items), self.asked.labels)

    def shadows(self, tell: Tell) -> tuple[np.ndarray, np.ndarray]:
        """Confidences [S, n], and who was trained on what; everybody is in half of them, and in one of each two."""
        best, data = self.setup.params.best, self.setup.split.train
        retained, rng = self.setup.request.applied(data), np.random.default_rng(1)
        trained_on = np.zeros((SHADOWS, len(self.asked)), bool)
        for s in range(0, SHADOWS, 2):
            for part in self.parts.values():
                places = rng.permutation(np.arange(part.start, part.stop))
                trained_on[s, places[: len(places) // 2]] = True
            trained_on[s + 1] = ~trained_on[s]
        found = []
        for s, which in enumerate(trained_on):
            tell(f"shadow {s + 1} of {SHADOWS}")
            part = replace(self.setup.split, train=join(retained, self.asked.select(which)))
            model = self.setup.build(best.init_std)
            found.append(self.phi(train(jax.random.key(500 + s), model, part, best.train.unrecorded, loss=self.setup.loss)))
        return np.stack(found), trained_on


def unlikely(trained: Trained, setup: Setup) -> np.ndarray:
    """int [PAIRS, 2]: active users with rare items, everybody once, the least likely pairs first.

    A rare item's row has little else to be learned from, and an active user's is long: such a pair is learned by heart.
    """
    data = trained.interactions
    by_activity, by_rarity = np.argsort(-data.user_degrees(), kind="stable"), np.argsort(data.item_degrees(), kind="stable")
    users = by_activity[: int((data.user_degrees() > 0).sum()) // 2]
    items = by_rarity[data.item_degrees()[by_rarity] > 0][: 2 * PAIRS]
    scores = np.asarray(trained.score_grid(users.astype(np.int32)))[:, items]
    for part in setup.split.parts:
        rated = np.zeros((data.num_users, data.num_items), bool)
        rated[part.users, part.items] = True
        scores = np.where(rated[np.ix_(users, items)], np.inf, scores)
    found = []
    for _ in range(PAIRS):
        row, column = np.unravel_index(np.argmin(scores), scores.shape)
        found.append((int(users[row]), int(items[column])))
        scores[row], scores[:, column] = np.inf, np.inf
    return np.array(found)


def canaries(only: str = "") -> None:
    """Runs what is missing.

    Args:
      only: cells whose name contains it.
    """
    asked = chosen(CELLS, only)
    console = Console()
    done = {(r["dataset"], r["model"]) for r in read_records(PATH)}
    for cell in asked:
        with telling(console) as tell:
            if tuple(cell.name.split("_")) in done:
                continue
            tell(f"{cell.name}: canaries")
            # Only whole cells are written, so that what is there is complete.
            for record in list(asked_about(Planted.of(cell), tell)):
                append_record(PATH, record)


def asked_about(planted: Planted, tell: Tell) -> Iterator[dict]:
    """A line per method, and one of what the shadows say of the canaries."""
    shadows, trained_on = planted.shadows(tell)
    named = np.r_[planted.parts["canaries"], planted.parts["ratings"]]
    memorised = memorisation(shadows[:, named], trained_on[:, named])
    count = PAIRS // 2
    top = np.argsort(-memorised, kind="stable")[:count]
    ranked = attack_result(memorised[:count], memorised[count:])
    figures = {
        "named": len(named),
        "canaries": count,
        "on top": int((top < count).sum()),
        "rank auc": [ranked.auc, *ranked.auc_interval],
        "memorised": float(memorised[:count].mean()),
        "others memorised": float(memorised[count:].mean()),
    }
    yield _record(planted.setup, "shadows", figures)
    ratings, held_out = planted.parts["ratings"], planted.parts["held out"]
    worst = ratings.start + most_memorised(memorisation(shadows[:, ratings], trained_on[:, ratings]))
    before: list[np.ndarray] = []
    after: dict[str, list[np.ndarray]] = {}
    for seed in range(SEEDS):
        tell(f"{planted.setup.dataset}, {planted.setup.model}: original {seed + 1} of {SEEDS}, and what becomes of it")
        original = train_original(planted.setup, seed)
        before.append(planted.phi(original))
        for name, model in without(planted.setup, original, seed):
            after.setdefault(name, []).append(planted.phi(model))
    for name, several in {"original": before, **after}.items():
        scores = [lira(one, shadows, trained_on) for one in several]
        told = [attack_result(one[worst], one[held_out]) for one in scores]
        figures = {
            "canaries": [_told(planted, one, "canaries", "not planted") for one in scores],
            "ratings": [_told(planted, one, "ratings", "held out") for one in scores],
            "worst": [[one.auc, *one.auc_interval] for one in told],
            "used": [usage(one[named], shadows[:, named], trained_on[:, named]) for one in several],
        }
        if name != "original":
            falls = [then - now for then, now in zip(before, several, strict=True)]
            figures["snapshots canaries"] = [_told(planted, fall, "canaries", "not planted") for fall in falls]
            figures["snapshots ratings"] = [_told(planted, fall, "ratings", "held out") for fall in falls]
        yield _record(planted.setup, name, figures)


def without(setup: Setup, original: Trained, seed: int) -> Iterator[tuple[str, Scorer]]:
    """What becomes of an original by every method."""
    yield "retrain", retrain(jax.random.key(1000 + seed), original, setup.request, setup.split.valid)[0]
    yield "retrain, same start", _from_same_start(setup, original, seed)
    best = setup.params.best
    context = Context(setup.build(best.init_std), best.train, setup.split.valid, setup.loss)
    for name in METHODS:
        method = REGISTRY[name].build(context)
        state = method.prepare(original, setup.split, jax.random.key(2000 + seed))
        yield name, method.served(method.forget(state, setup.request)[0])


def _from_same_start(setup: Setup, original: Trained, seed: int) -> Trained:
    data = original.resolved(setup.request).after
    valid = stopping_pairs(setup.split.valid, data.interactions)
    params, _ = fit_params(jax.random.key(seed), original.objective, data, valid, original.config.unrecorded)
    return replace(original.with_params(params), training_set=data)


def _told(planted: Planted, scores: np.ndarray, members: str, others: str) -> float:
    """AUC of an attack."""
    return attack_result(scores[planted.parts[members]], scores[planted.parts[others]]).auc


def _ones(data: Interactions, pairs: np.ndarray) -> Interactions:
    columns: dict[str, Any] = {"users": pairs[:, 0].astype(np.int32), "items": pairs[:, 1].astype(np.int32)}
    return replace(data, **columns, labels=np.ones(len(pairs), np.float32), timestamps=None, groups=None)


def _record(setup: Setup, method: str, figures: dict[str, Any]) -> dict[str, Any]:
    names = {"dataset": setup.dataset, "model": setup.model, "forget": "canaries", "method": method, "seed": SEEDS}
    return {**names, "figures": figures, "config": {}, "environment": environment()}


if __name__ == "__main__":
    command(canaries, __doc__)
