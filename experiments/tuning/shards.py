"""What the methods that train submodels on shards train them with, by the validation AUC of all submodels together.

What is best for a model of the whole is not for a shard: it has a tenth of the interactions, so that the same L2 term against the
mean loss is ten times weaker against their sum, and a tenth of the steps per epoch, so that a small learning rate takes hundreds of
epochs, each with its validation.

RecEraser's pre-training and aggregation see all data and take what is best for the whole; its shards are searched around those of
SISA, whose search comes first, and are trained as those where it was not searched.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import RESULTS
from experiments.reporting.json_files import write_json_atomic
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.hyperparameters import SHARD_CONFIGS, Choice, hyper_parameters, model_label
from experiments.run.methods import REGISTRY, Context
from experiments.run.models import ModelName, build_model
from experiments.tuning.search import Setting, Stage, Subject, Tried, choices, chosen, is_confirmed, scaled, top
from ifru_jax.data import load_dataset, protocol_split
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.metrics import auc
from ifru_jax.training import TrainConfig

TRAININGS = RESULTS / "tuning_shards.jsonl"
CONFIRMED = 2
EPOCHS = 600


def stages(whole: Setting, first: Setting | None) -> tuple[Stage, ...]:
    """From the L2 weight and the initialisation of the model of the whole; where shards of another kind were searched before, a few
    settings around the `first` are enough."""
    if first is not None:
        return (
            lambda best: scaled(first, "reg", 1.0, 0.4, 0.15),
            lambda best: [replace(best, patience=3)],
            lambda best: [replace(whole, patience=10)],
        )
    start = replace(whole, learning_rate=1e-2, batch_size=512, patience=10)
    pairs = ((3e-2, 512), (3e-3, 512), (1e-2, 2048), (1e-2, 128))
    return (
        lambda best: scaled(start, "reg", 10.0, 30.0, 3.0, 1.0),
        lambda best: [replace(best, learning_rate=rate, batch_size=size) for rate, size in pairs],
        lambda best: scaled(best, "reg", 0.6),
        lambda best: scaled(best, "reg", 1.6),
        lambda best: scaled(replace(best, init_std=whole.init_std), "init_std", 10.0, 0.1),
    )


def subject(data: str, model: ModelName, layers: int, method: str, *, path: Path = TRAININGS) -> Subject:
    """The search for one data set, model and method.

    Raises:
      DataError: a method without a model of its own.
    """
    entry = REGISTRY.get(method)
    if entry is None or entry.tuned_as != method:
        names = ", ".join(sorted({entry.tuned_as for entry in REGISTRY.values() if entry.tuned_as}))
        raise DataError(f"the method {method!r} has no hyper-parameters of its own: choose among {names}.")
    split = protocol_split(load_dataset(data))
    known = hyper_parameters(data, model, layers)
    whole, first = _setting(known.best), known.shards.get("sisa") if method != "sisa" else None

    def run(setting: Setting, seed: int) -> Tried:
        config = TrainConfig(setting.learning_rate, setting.batch_size, setting.reg, EPOCHS, setting.patience)
        built = build_model(model, layers=layers, init_std=setting.init_std, data=split.train)
        trained = entry.build(Context(built, config, split.valid, whole_config=known.best.train))
        began = time.perf_counter()
        try:
            state = trained.served(trained.fit(jax.random.key(seed), split))
            logits = np.asarray(state.score_rows(split.valid.users, split.valid.items))
            reached = float(auc(logits, split.valid.labels, np.ones(len(split.valid), bool)))
        except NumericsError:
            # It diverged: on record, so that a search that goes on doesn't stop here again, and behind all that did not.
            reached = 0.0
        figures = {"valid_auc": reached, "seconds.fit": time.perf_counter() - began}
        record = {"dataset": data, "model": model_label(model, layers), "forget": "nothing", "method": method, "seed": seed}
        record |= {"config": asdict(setting), "figures": figures, "environment": environment()}
        append_record(path, record)
        return _tried(record)

    return Subject(
        (data, model_label(model, layers), method),
        start=whole,
        stages=stages(whole, None if first is None else _setting(first)),
        confirmed=CONFIRMED,
        done=[_tried(record) for record in read_records(path)],
        train=run,
        last=lambda visited: [replace(top(visited), patience=3)] if first is None else [],
    )


def choose(tried: Sequence[Tried]) -> dict[str, Any] | None:
    """The configuration that all seeds confirm; None while there is none."""
    # Of the seconds the median: one of them compiled.
    return asdict(chosen(tried, np.median).setting) if is_confirmed(tried) else None


def write_configs(path: Path = TRAININGS, out: Path = SHARD_CONFIGS) -> None:
    """Chooses for every finished search and writes the table.

    Raises:
      DataError: no search is finished; the table stays as it is.
    """
    write_json_atomic(out, choices([_tried(record) for record in read_records(path)], choose, path))


def _setting(choice: Choice) -> Setting:
    config = choice.train
    return Setting(config.learning_rate, config.batch_size, config.reg, choice.init_std, config.patience)


def _tried(record: dict[str, Any]) -> Tried:
    figures, cell = record["figures"], (record["dataset"], record["model"], record["method"])
    return Tried(cell, Setting(**record["config"]), record["seed"], figures["valid_auc"], figures["seconds.fit"], record)
