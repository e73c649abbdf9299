"""Trainings that are missing, each a line of results/published.jsonl."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from experiments import RESULTS
from experiments.published.contestants import Contestant, build, loss_of
from experiments.published.protocol import K, positives, ranking, split_by_user
from experiments.published.training import Recipe, train_anew
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.progress import Tell, telling
from ifru_jax.data import Split, load_dataset, sample_negatives
from ifru_jax.evaluation.membership.shadows import join
from ifru_jax.models import FlaxRecommender
from ifru_jax.training import TrainConfig, Trained, bpr, train

PATH = RESULTS / "published.jsonl"


def best_by_valid(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The record with the best NDCG on valid; None of none."""
    return max(records, key=lambda r: r["figures"][f"valid.ndcg@{K}"], default=None)


def train_missing(
    data: str, contestants: Sequence[Contestant], *, seeds: int = 1, max_seconds: float = 150.0, path: Path = PATH
) -> int:
    """Trains all settings with the first seed, and the best by valid with the others; the number of trainings that were run."""
    console = Console()
    ratings = load_dataset(data)
    trained = 0

    def is_done(record: dict[str, Any], seed: int, recipe: Recipe) -> bool:
        cut_off = record["figures"]["stopped"] == "time" and record["config"]["max_seconds"] < max_seconds
        return (record["seed"], record["config"]["recipe"]) == (seed, asdict(recipe)) and not cut_off

    for one in contestants:
        split = split_by_user(positives(ratings.interactions, core=one.core))
        console.print(f"{one.name}: {split}")
        sizes = {f"num_{name}": len(part) for name, part in zip(("train", "valid", "test"), split.parts, strict=True)}
        sizes |= {"num_users": split.train.num_users, "num_items": split.train.num_items}
        for seed in range(seeds):
            known = [r for r in read_records(path) if r["dataset"] == ratings.name and r["method"] == one.name]
            first = best_by_valid([r for r in known if r["seed"] == 0])
            recipes = one.recipes
            if seed:
                assert first is not None
                recipes = (Recipe(**first["config"]["recipe"]),)
            for recipe in recipes:
                if any(is_done(record, seed, recipe) for record in known):
                    continue
                console.print(f"seed {seed}, {recipe}")
                with telling(console) as tell:
                    figures = run(one, recipe, split, seed, max_seconds=max_seconds, tell=tell)
                console.print(figures)
                names = {"dataset": ratings.name, "model": one.model, "forget": "none", "method": one.name, "seed": seed}
                config = {"recipe": asdict(recipe), "core": one.core, **sizes, "max_seconds": max_seconds}
                append_record(path, names | {"figures": figures, "config": config, "environment": environment()})
                trained += 1
    return trained


def run(
    contestant: Contestant,
    recipe: Recipe,
    split: Split,
    seed: int,
    *,
    max_seconds: float = 150.0,
    tell: Tell = lambda line: None,
) -> dict[str, float | str]:
    """Trains and tests; the figures.

    Args:
      contestant, recipe: what and how.
      split: positives alone.
      seed: of initialisation, batches and negatives.
      max_seconds: of processor time, after which no epoch is begun; compilation counts.
      tell: called with how it goes.
    """
    began, began_work = time.perf_counter(), time.process_time()
    model = build(contestant, recipe)
    on_valid = partial(ranking, seen=split.train, wanted=split.valid, batch=contestant.eval_batch)
    if contestant.objective == "bpr-fixed":
        trained, epochs, stopped = _train_fixed(model, recipe, split, seed)
    else:
        trained, epochs, stopped = train_anew(
            model,
            loss_of(contestant, recipe, model, len(split.train)),
            recipe,
            split.train,
            seed,
            validate=lambda state: on_valid(state)[f"ndcg@{K}"],
            max_seconds=max_seconds,
            tell=tell,
        )
    figures: dict[str, float | str] = {"epochs": epochs, "stopped": stopped, **_named("valid", on_valid(trained))}
    figures |= {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - began_work}
    seen = join(split.train, split.valid)
    return figures | _named("test", ranking(trained, seen, split.test, batch=contestant.eval_batch))


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
