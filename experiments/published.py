"""Do the models recommend? Trains them by the protocol of published benchmarks, beside whose figures the results stand.

    IFRU_JAX_DATA=DIR python -m experiments.published                  # what is missing, one seed
    IFRU_JAX_DATA=DIR python -m experiments.published --only lightgcn --seeds 3

The protocol is that of RecBole-GNN's results on ml-1m: ratings of at least 3 are positives; each user's are split 8:1:1 at random;
all items that the user has neither in train nor, when it is tested, in valid are ranked; embeddings of size 64; Recall, MRR, NDCG,
hit rate and precision at 10, each a mean over the users with test items. Mult-VAE's figures are of RecBole, whose data is the
10-core of the same positives.

Training follows the objectives of the library, with three liberties that unlearning doesn't have. Negatives and noise are drawn
anew for every step, so they define no objective that could be unlearned. The softmax over all items takes batches of users, with
all their positives, instead of batches of interactions: the same sum, and one row of scores serves a hundred positives. And
training stops by NDCG@10 on valid, which is the figure that is reported, instead of AUC. The entry `mf+bpr-fixed` takes none of
them: it is `ifru_jax.training.train` on negatives that are drawn once.

Each training is a line of experiments/results/published.jsonl and is not run again, unless time cut it off and now there is more
(`--max-seconds`); of several settings the one with the
best NDCG@10 on valid counts, and test chooses nothing. `python -m experiments.tables` makes docs/published.md from it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro
from rich.console import Console

from experiments.command_line import status_of
from experiments.compilation_cache import use_compilation_cache
from experiments.models import ModelName
from experiments.published_training import Recipe, train_anew
from experiments.reporting import append_record, environment, read_records
from experiments.suite import RESULTS
from ifru_jax.data import Interactions, Split, k_core, load_dataset, sample_negatives
from ifru_jax.evaluation.lists import top_lists
from ifru_jax.evaluation.ranking import averages, user_ranking, users_with_relevant
from ifru_jax.models import FlaxRecommender, lightgcn, mf, multvae, multvae_term, neumf, ngcf, simgcl, simgcl_contrast
from ifru_jax.training import FullSoftmax, Loss, TrainConfig, Trained, WithAuxiliary, bce, bpr, train

PATH = RESULTS / "published.jsonl"
K = 10
SIZE = 64
Objective = Literal["bpr", "bce", "full-softmax", "bpr-fixed"]


@dataclass(frozen=True)
class Entry:
    """A model with an objective.

    Attributes:
      model, objective: what is trained.
      recipes: settings that are tried.
      core: fewest interactions of a user or an item.
      eval_batch: users that are ranked at once.
    """

    model: ModelName
    objective: Objective
    recipes: tuple[Recipe, ...]
    core: int = 1
    eval_batch: int = 2048

    @property
    def name(self) -> str:
        return f"{self.model}+{self.objective}"


ENTRIES = (
    Entry("mf", "full-softmax", tuple(Recipe(1e-2, reg, init_std=0.1) for reg in (1e-5, 3e-5, 1e-4))),
    Entry("mf", "bpr", (Recipe(3e-3, 3e-6, batch_size=8192),)),
    Entry("lightgcn", "full-softmax", tuple(Recipe(2e-2, reg, init_std=0.1, layers=2) for reg in (1e-5, 2e-6))),
    Entry("multvae", "full-softmax", (Recipe(3e-3, 1e-6, dropout=0.5),), core=10),
    Entry(
        "neumf",
        "bce",
        (
            Recipe(3e-3, 1e-6, batch_size=8192, every=8, patience=2),
            Recipe(1e-3, 5e-6, batch_size=8192, every=6, patience=2),
        ),
        eval_batch=128,
    ),
    Entry(
        "ngcf",
        "full-softmax",
        (
            Recipe(1e-2, 1e-5, init_std=0.1, layers=2),
            Recipe(1e-2, 3e-6, init_std=0.1, layers=2),
            Recipe(5e-3, 1e-5, init_std=0.1, layers=2),
        ),
    ),
    Entry("simgcl", "full-softmax", tuple(Recipe(2e-2, 2e-6, init_std=0.1, layers=2, contrast=weight) for weight in (0.1, 0.01))),
    Entry("mf", "bpr-fixed", (Recipe(3e-3, 3e-6, batch_size=8192, negatives=4, epochs=40),)),
)


def positives(data: Interactions, *, core: int = 1, least: float = 3.0) -> Interactions:
    """The interactions rated at least this much, with label 1, of users and items with at least `core` of them."""
    chosen = data.select(data.labels >= least)
    return k_core(chosen.with_labels(np.ones(len(chosen))), core)


def split_by_user(data: Interactions, *, seed: int = 0) -> Split:
    """Each user's interactions at random, a tenth of them (rounded down, but one of 2 … 9) for test, another for valid.

    RecBole's "RS" split grouped by user. Items that train doesn't have stay in the tables, and count against the model.
    """
    draw = np.random.default_rng(seed).random(len(data))
    # The draw belongs to the place in the sorted data, so that the order of the rows decides nothing.
    canonical = np.lexsort((data.items, data.users))
    order = canonical[np.lexsort((draw, data.users[canonical]))]
    counts = data.user_degrees()
    test = np.where(counts > 1, np.maximum(counts // 10, 1), 0)
    valid = np.where(counts > 2, np.maximum(counts // 10, 1), 0)
    users = data.users[order]
    place = np.arange(len(data)) - (np.cumsum(counts) - counts)[users]
    in_test, in_valid = place < test[users], (place >= test[users]) & (place < (test + valid)[users])
    return Split(data.select(order[~in_test & ~in_valid]), data.select(order[in_valid]), data.select(order[in_test]))


def joined(first: Interactions, second: Interactions) -> Interactions:
    """Both in one, of the same tables."""
    users, items, labels = (
        np.concatenate([getattr(part, name) for part in (first, second)]) for name in ("users", "items", "labels")
    )
    return Interactions(users, items, labels, num_users=first.num_users, num_items=first.num_items)


def ranking(trained: Trained, seen: Interactions, wanted: Interactions, *, batch: int) -> dict[str, float]:
    """The figures at 10 over the items that are not in `seen`; precision is of ten, as in RecBole."""
    users = users_with_relevant(seen, wanted)
    lists = top_lists(trained.score_grid, seen, users, k=K, batch=batch)
    found = user_ranking(lists, users, seen, wanted)
    figures = {name: value for name, value in averages(found, k=K).items() if value is not None}
    return figures | {f"precision@{K}": float(found.hits.sum() / (K * len(users)))}


def build(entry: Entry, recipe: Recipe) -> FlaxRecommender:
    """The model in the size of the published one."""
    sizes: dict[str, Any] = {"embedding_size": SIZE, "init_std": recipe.init_std}
    layered = {"lightgcn": lightgcn, "ngcf": ngcf, "simgcl": simgcl}
    if entry.model in layered:
        return layered[entry.model](num_layers=recipe.layers, **sizes)
    if entry.model == "multvae":
        # Dropout keeps the model from copying.
        return multvae(code_size=SIZE, leave_one_out=not recipe.dropout, init_std=recipe.init_std)
    return {"mf": mf, "neumf": neumf}[entry.model](**sizes)


def loss_of(entry: Entry, recipe: Recipe, model: FlaxRecommender, total: int) -> Loss:
    """The objective, with the term that belongs to the model."""
    loss: Loss = {"bpr": bpr, "bpr-fixed": bpr, "bce": bce, "full-softmax": FullSoftmax()}[entry.objective]
    if entry.model == "multvae":
        return WithAuxiliary(loss, multvae_term(model, total=total))
    return WithAuxiliary(loss, simgcl_contrast(model, weight=recipe.contrast)) if recipe.contrast else loss


def run(
    entry: Entry, recipe: Recipe, split: Split, seed: int, *, max_seconds: float = 150.0, console: Console | None = None
) -> dict[str, float | str]:
    """Trains and tests; the figures.

    Args:
      entry, recipe: what and how.
      split: positives alone.
      seed: of initialisation, batches and negatives.
      max_seconds: of processor time, after which no epoch is begun; compilation counts.
      console: where to say how it goes.
    """
    began, began_work = time.perf_counter(), time.process_time()
    model = build(entry, recipe)
    on_valid = partial(ranking, seen=split.train, wanted=split.valid, batch=entry.eval_batch)
    if entry.objective == "bpr-fixed":
        trained, epochs, stopped = _train_fixed(model, recipe, split, seed)
    else:
        trained, epochs, stopped = train_anew(
            model,
            loss_of(entry, recipe, model, len(split.train)),
            recipe,
            split.train,
            seed,
            validate=lambda state: on_valid(state)[f"ndcg@{K}"],
            max_seconds=max_seconds,
            tell=(lambda line: None) if console is None else console.print,
        )
    figures: dict[str, float | str] = {"epochs": epochs, "stopped": stopped, **_named("valid", on_valid(trained))}
    figures |= {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - began_work}
    seen = joined(split.train, split.valid)
    return figures | _named("test", ranking(trained, seen, split.test, batch=entry.eval_batch))


def _named(part: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{part}.{name}": value for name, value in figures.items()}


def _train_fixed(model: FlaxRecommender, recipe: Recipe, split: Split, seed: int) -> tuple[Trained, int, str]:
    """As the rest of the experiments do: negatives are drawn once, and training stops by pairs of valid in the right order."""
    negatives = sample_negatives(split, per_positive=recipe.negatives)
    config = TrainConfig(
        recipe.learning_rate, recipe.batch_size * (1 + recipe.negatives), recipe.reg, recipe.epochs, recipe.patience
    )
    epochs: list[int] = []
    trained = train(jax.random.key(seed), model, negatives, config, loss=bpr, on_epoch=lambda epoch, metric: epochs.append(epoch))
    stopped = "epochs" if len(epochs) == recipe.epochs else "patience"
    return trained, len(epochs), stopped


@dataclass(frozen=True)
class Published:
    """Trains what is missing.

    Attributes:
      only: the entry of this name, or all whose name contains it.
      seeds: trainings of each entry; seeds after the first take the setting that is best by valid.
      max_seconds: of processor time for one training.
      data: name or path; its ratings are 1 … 5.
    """

    only: str = ""
    seeds: int = 1
    max_seconds: float = 150.0
    data: str = "ml-1m"


def best_by_valid(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The record with the best NDCG on valid; None of none."""
    return max(records, key=lambda r: r["figures"][f"valid.ndcg@{K}"], default=None)


def main(options: Published, *, path: Path = PATH, entries: tuple[Entry, ...] = ENTRIES) -> int:
    """Returns the number of trainings that were run."""
    console = Console()
    ratings = load_dataset(options.data)
    trained = 0

    def cut_off(record: dict[str, Any]) -> bool:
        """Whether it would have gone on, and may now."""
        return record["figures"]["stopped"] == "time" and record["config"]["max_seconds"] < options.max_seconds

    named = [entry for entry in entries if entry.name == options.only]
    for entry in named or [entry for entry in entries if options.only in entry.name]:
        split = split_by_user(positives(ratings.interactions, core=entry.core))
        console.print(f"{entry.name}: {split}")
        for seed in range(options.seeds):
            known = [r for r in read_records(path) if r["dataset"] == ratings.name and r["method"] == entry.name]
            first = best_by_valid([r for r in known if r["seed"] == 0])
            recipes = entry.recipes
            if seed:
                assert first is not None
                recipes = (Recipe(**first["config"]["recipe"]),)
            for recipe in recipes:
                if any(r["seed"] == seed and r["config"]["recipe"] == asdict(recipe) and not cut_off(r) for r in known):
                    continue
                console.print(f"seed {seed}, {recipe}")
                figures = run(entry, recipe, split, seed, max_seconds=options.max_seconds, console=console)
                console.print(figures)
                record = {
                    "dataset": ratings.name,
                    "model": entry.model,
                    "forget": "none",
                    "method": entry.name,
                    "seed": seed,
                    "figures": figures,
                    "config": {
                        "recipe": asdict(recipe),
                        "core": entry.core,
                        **{f"num_{name}": len(part) for name, part in zip(("train", "valid", "test"), split.parts, strict=True)},
                        "num_users": split.train.num_users,
                        "num_items": split.train.num_items,
                        "max_seconds": options.max_seconds,
                    },
                    "environment": environment(),
                }
                append_record(path, record)
                trained += 1
    return trained


def command(options: Published) -> int:
    """Runs `main` and turns an error of ours into one line on stderr and exit status 2."""
    use_compilation_cache()
    return status_of(lambda: main(options))


if __name__ == "__main__":
    sys.exit(command(tyro.cli(Published)))
