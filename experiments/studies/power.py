"""Which measures find what was not forgotten, and how often do they accuse a retrained model? By the size of the request.

    IFRU_JAX_DATA=DIR python -m experiments.studies.power                            # all cells, smallest first
    IFRU_JAX_DATA=DIR python -m experiments.studies.power --only movielens-small     # those whose name contains it

Every request is judged by the measures of `ifru_jax.verify` with 3, 5 and 7 retrained models, drawn from twenty:

    retrained                 each of the twenty, with limits from others of them
    unchanged                 the original as it is
    forgot 25, 50, 75 %       trained without this share of what should be forgotten
    wrong ones                trained without as many other interactions, or users
    relearned                 retrained, then taught a tenth of the forgotten again
    noise, zeroed, ascent, 4 bits    the original with noise on its tables, with the rows of touched users set to zero, driven up in
                              the loss of the forgotten, or rounded to sixteen values a table

with five originals, and of each bad kind a model per original, judged with two draws of retrained models. LiRA is asked once more
with 4 to 64 shadows. A line per request, kind and number of retrained models goes to experiments/results/power.jsonl, from which
`python -m experiments.tables` fills docs/verification.md; requests that are done are not run again. How long one takes was not
recorded: fifty to a hundred trainings.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.baselines import train_original
from experiments.run.command_line import command
from experiments.run.models import ModelName
from experiments.run.progress import Tell, telling
from experiments.run.setup import Setup, set_up
from experiments.studies.cells import chosen
from ifru_jax import ForgetRequest, retrain
from ifru_jax.data import Interactions
from ifru_jax.evaluation.measures import Compared, measures_of
from ifru_jax.evaluation.membership import Candidates, Shadows, audit, train_shadows
from ifru_jax.evaluation.membership.attack import attack_result
from ifru_jax.evaluation.membership.confidence import confidence
from ifru_jax.evaluation.membership.lira import lira
from ifru_jax.evaluation.membership.shadows import join
from ifru_jax.evaluation.verdicts import Verification
from ifru_jax.evaluation.views import ModelView, Views
from ifru_jax.graph import Batch, build_examples
from ifru_jax.training import Trained

PATH = RESULTS / "power.jsonl"
ORIGINALS, POOL, DRAWS, SHADOWS, K = 5, 20, 2, 16, 20
SIZES = (3, 5, 7)
SHARES = (25, 50, 75)
SHADOW_COUNTS = (4, 8, 16, 32, 64)
ASKED_WITH_MORE_SHADOWS = "noise:0.02"
REQUESTS = ("noise:0.001", "noise:0.005", "noise:0.02", "noise:0.05", "interaction:0.02", "user:0.02")
Model = Callable[[int], Trained]


@dataclass(frozen=True)
class PowerCell:
    """A model on a data set with a request."""

    data: str
    model: ModelName
    layers: int
    forget: str

    @property
    def name(self) -> str:
        """Of the cell."""
        return f"{self.data}_{self.model}{f'-{self.layers}' if self.layers else ''}_{self.forget}"


CELLS = (
    *(PowerCell("movielens-small", "mf", 0, forget) for forget in REQUESTS),
    *(PowerCell("ml-100k", "mf", 0, forget) for forget in REQUESTS),
    *(PowerCell("ml-100k", "lightgcn", 1, forget) for forget in ("noise:0.02", "interaction:0.02", "user:0.02")),
)


@dataclass(frozen=True)
class Bench:
    """A request with its originals, and models that are good or bad."""

    setup: Setup
    originals: list[Trained]

    @classmethod
    def of(cls, cell: PowerCell) -> "Bench":
        """Trains the originals."""
        setup = set_up(cell.data, cell.model, cell.layers, cell.forget)
        return cls(setup, [train_original(setup, seed) for seed in range(ORIGINALS)])

    @cached_property
    def forgotten(self) -> Interactions:
        """As the originals learned them."""
        data = self.setup.split.train
        return data.select(self.setup.request.touches(data))

    @cached_property
    def bad(self) -> dict[str, Model]:
        """By name, a bad model of every original."""
        kinds: dict[str, Model] = {"unchanged": lambda k: self.originals[k]}
        for place, share in enumerate(SHARES):
            kinds[f"forgot {share} %"] = lambda k, share=share, place=place: self.retrained(200 + 10 * place + k, self.part(share))
        return kinds | {
            "wrong ones": lambda k: self.retrained(300 + k, self.setup.other),
            "relearned": self.relearned,
            "noise": lambda k: self.changed(k, noisy),
            "zeroed": lambda k: self.changed(k, self.zeroed),
            "ascent": lambda k: taught(self.originals[k], self.forgotten, -1),
            "4 bits": lambda k: self.changed(k, rounded),
        }

    def retrained(self, seed: int, request: ForgetRequest) -> Trained:
        """A model trained without a request, by a seed that no other has."""
        return retrain(jax.random.key(1000 + seed), self.originals[0], request, self.setup.split.valid)[0]

    def part(self, share: int) -> ForgetRequest:
        """For so many in a hundred of what should be forgotten."""
        chosen = np.random.default_rng(share).permutation(len(self.forgotten))[: max(1, share * len(self.forgotten) // 100)]
        return ForgetRequest(pairs=np.stack([self.forgotten.users[chosen], self.forgotten.items[chosen]], axis=1))

    def relearned(self, k: int) -> Trained:
        """Retrained, and a tenth of the forgotten learned again."""
        part = self.forgotten.select(self.part(10).select(self.forgotten))
        return taught(self.retrained(400 + k, self.setup.request), part, +1)

    def changed(self, k: int, change: Callable[[str, jax.Array], jax.Array]) -> Trained:
        """An original with other tables."""
        original = self.originals[k]
        return original.with_params({name: change(name, table) for name, table in original.params.items()})

    def zeroed(self, name: str, table: jax.Array) -> jax.Array:
        """Without the rows of touched users."""
        return table.at[np.unique(self.forgotten.users)].set(0) if name.startswith("user") else table


def noisy(name: str, table: jax.Array) -> jax.Array:
    """With noise of three tenths of its spread."""
    return table + 0.3 * table.std() * jax.random.normal(jax.random.key(len(name)), table.shape)


def rounded(name: str, table: jax.Array) -> jax.Array:
    """To the nearest of sixteen values."""
    low, high = table.min(), table.max()
    return low + jnp.round((table - low) / (high - low) * 15) * (high - low) / 15


def taught(trained: Trained, data: Interactions, direction: int) -> Trained:
    """Twenty steps down the loss of these interactions, or up."""
    batch = Batch(build_examples(data), trained.training_set.graph)
    gradient = jax.jit(jax.grad(trained.objective.losses))
    params = trained.params
    for _ in range(20):
        params = jax.tree.map(lambda p, g: p - direction * 0.05 * g, params, gradient(params, batch))
    return trained.with_params(params)


@dataclass(frozen=True)
class Eyes:
    """What is seen of each model, however often it is judged."""

    views: Views
    after: Any
    candidates: Candidates | None
    shadows: Shadows | None

    @classmethod
    def of(cls, bench: Bench) -> "Eyes":
        """Trains the shadows, if there is somebody to ask about."""
        setup = bench.setup
        views = Views.of(setup.split, setup.request, K, fixes_levels=True)
        after = bench.originals[0].resolved(setup.request).after
        if not views.members:
            return cls(views, after, None, None)
        shadows = _shadows(setup, SHADOWS)
        return cls(views, after, shadows.candidates, shadows)

    def of_model(self, model: Trained) -> ModelView:
        """On the data that it should have left."""
        model = replace(model, training_set=self.after)
        view = self.views.of_model(model)
        if self.candidates is not None:
            view.attacks = audit(model, self.candidates, self.views.unchanged, shadows=self.shadows)
        return view


def power(only: str = "") -> None:
    """Runs what is missing.

    Args:
      only: cells whose name contains it.
    """
    asked = chosen(CELLS, only)
    console = Console()
    done = {(r["dataset"], r["model"], r["forget"]) for r in read_records(PATH)}
    for cell in asked:
        with telling(console) as tell:
            if (cell.data, f"{cell.model}{f'-{cell.layers}' if cell.layers else ''}", cell.forget) in done:
                continue
            tell(f"{cell.name}: originals")
            bench = Bench.of(cell)
            # Only whole requests are written, so that what is there is complete.
            for record in [*judgements(bench, tell), *(by_shadows(bench, tell) if cell.forget == ASKED_WITH_MORE_SHADOWS else ())]:
                append_record(PATH, record)


def judgements(bench: Bench, tell: Tell) -> Iterator[dict]:
    """How often every kind fails each measure."""
    tell(f"{bench.setup.forget}: shadows")
    eyes = Eyes.of(bench)
    originals = [eyes.of_model(one) for one in bench.originals]
    pool = []
    for seed in range(POOL):
        tell(f"{bench.setup.forget}: retraining {seed + 1} of {POOL}")
        pool.append(eyes.of_model(bench.retrained(seed, bench.setup.request)))
    rng = np.random.default_rng(0)
    for size in SIZES:
        found = []
        for place, view in enumerate(pool):
            others = rng.choice(np.delete(np.arange(POOL), place), size, replace=False)
            found.append(_judged(originals[place % ORIGINALS], view, [pool[other] for other in others]))
        yield _record(bench.setup, "retrained", size, _rates(found))
    for name, make in bench.bad.items():
        tell(f"{bench.setup.forget}: {name}")
        views = [eyes.of_model(make(k)) for k in range(ORIGINALS)]
        for size in SIZES:
            found = [
                _judged(before, view, [pool[other] for other in rng.choice(POOL, size, replace=False)])
                for before, view in zip(originals, views, strict=True)
                for _ in range(DRAWS)
            ]
            yield _record(bench.setup, name, size, _rates(found))


def by_shadows(bench: Bench, tell: Tell) -> Iterator[dict]:
    """LiRA against originals and retrained models, by the number of shadows."""
    tell(f"{bench.setup.forget}: {max(SHADOW_COUNTS)} shadows")
    shadows = _shadows(bench.setup, max(SHADOW_COUNTS))
    asked = join(shadows.candidates.members, shadows.candidates.nonmembers)
    members = len(shadows.candidates.members)
    models = {"original": bench.originals, "retrained": [bench.retrained(k, bench.setup.request) for k in range(ORIGINALS)]}
    for count in SHADOW_COUNTS:
        figures: dict[str, Any] = {}
        for who, several in models.items():
            results = []
            for model in several:
                phi = confidence(model.score_rows(asked.users, asked.items), asked.labels)
                scores = lira(phi, shadows.confidences[:count], shadows.trained_on[:count])
                results.append(attack_result(scores[:members], scores[members:]))
            figures[who] = {"auc": [one.auc for one in results], "tpr": [one.tpr for one in results]}
        yield _record(bench.setup, "lira", count, figures)


def _shadows(setup: Setup, count: int) -> Shadows:
    best = setup.params.best
    model, request = setup.build(best.init_std), setup.request
    return train_shadows(jax.random.key(7), model, setup.split, request, best.train.unrecorded, num_shadows=count)


def _judged(original: ModelView, unlearned: ModelView, retrained: Sequence[ModelView]) -> Verification:
    return Verification.of(measures_of(Compared(original, unlearned, retrained), k=K), {})


def _rates(found: Sequence[Verification]) -> dict[str, Any]:
    """Counts of verdicts, of all and of every measure that is judged."""
    measures: dict[str, Any] = {}
    for one in found:
        for name, measure in one.measures.items():
            if measure.verdict != "not judged":
                counts = measures.setdefault(name, Counter())
                counts.update([measure.verdict] + ["outside"] * measure.outside)
    return {"count": len(found), "verdicts": Counter(one.verdict for one in found), "measures": measures}


def _record(setup: Setup, kind: str, size: int, figures: dict[str, Any]) -> dict[str, Any]:
    names = {"dataset": setup.dataset, "model": setup.model, "forget": setup.forget, "method": kind, "seed": size}
    return {**names, "figures": figures, "config": {}, "environment": environment()}


if __name__ == "__main__":
    command(power, __doc__)
