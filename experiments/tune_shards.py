"""Chooses the hyper-parameters of the methods that train submodels on shards, by the validation AUC of all submodels together.

    python -m experiments.tune_shards --data ml-100k --model mf --method sisa    # train, append to results/tuning_shards.jsonl
    python -m experiments.tune_shards --write                                    # choose, write configs/shards.json

What is best for a model of the whole is not for a shard: it has a tenth of the interactions, so that the same L2 term against the
mean loss is ten times weaker against their sum, and a tenth of the steps per epoch, so that a small learning rate takes hundreds of
epochs, each with its validation. As for the models of the whole, a few candidates are confirmed with two more seeds, only training
and validation data are read, and of configurations that three seeds can't tell apart the one that trains fastest is taken.

RecEraser's pre-training and aggregation see all data and take what is best for the whole; its shards are searched around those of
SISA, whose search comes first, and are trained as those where it was not searched.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from experiments.command_line import status_of
from experiments.compilation_cache import use_compilation_cache
from experiments.hyperparameters import SHARD_CONFIGS, Choice, hyper_parameters, model_label
from experiments.methods import REGISTRY, Context
from experiments.models import LAYERED, ModelName, build_model
from experiments.reporting import append_record, environment, read_records, write_json_atomic
from experiments.tune import SEEDS, TIE
from ifru_jax.data import Split, load_dataset, protocol_split
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.metrics import auc
from ifru_jax.training import TrainConfig

RESULTS = Path(__file__).parent / "results" / "tuning_shards.jsonl"
# Trained with all seeds.
CONFIRMED = 2
EPOCHS = 600


@dataclass(frozen=True)
class Setting:
    """How to train every shard."""

    learning_rate: float
    batch_size: int
    reg: float
    init_std: float
    patience: int = 10


def settings(found: list[dict[str, Any]], *, whole: Choice, first: Setting | None) -> Iterator[Setting]:
    """Coordinate search from the L2 weight and the initialisation of the model of the whole.

    `found` is the growing list of results; the generator looks at it between stages. Where shards of another kind were searched
    before, a few settings around the `first` are enough.
    """
    reg, init_std = whole.train.reg, whole.init_std

    def best() -> Setting:
        return Setting(**max(found, key=_reached)["config"])

    def rounded(value: float) -> float:
        return float(f"{value:.2g}")

    if first is not None:
        yield from (replace(first, reg=rounded(first.reg * factor)) for factor in (1.0, 0.4, 0.15))
        yield replace(best(), patience=3)
        yield Setting(whole.train.learning_rate, whole.train.batch_size, reg, init_std)
        return
    for factor in (10.0, 30.0, 3.0, 1.0):
        yield Setting(1e-2, 512, rounded(reg * factor), init_std)
    for learning_rate, batch_size in ((3e-2, 512), (3e-3, 512), (1e-2, 2048), (1e-2, 128)):
        yield replace(best(), learning_rate=learning_rate, batch_size=batch_size)
    for factor in (0.6, 1.6):
        yield replace(best(), reg=rounded(best().reg * factor))
    for factor in (10.0, 0.1):
        yield replace(best(), init_std=rounded(init_std * factor))


def search(data: str, model: ModelName, layers: int, method: str, *, results: Path = RESULTS) -> None:
    """Trains every setting with one seed, and the best `CONFIRMED` with more.

    Raises:
      DataError: a method without a model of its own.
    """
    entry = REGISTRY.get(method)
    if entry is None or entry.tuned_as != method:
        names = ", ".join(sorted({entry.tuned_as for entry in REGISTRY.values() if entry.tuned_as}))
        raise DataError(f"the method {method!r} has no hyper-parameters of its own: choose among {names}.")
    split = protocol_split(load_dataset(data))
    known = hyper_parameters(data, model, layers)
    whole = known.best
    cell = {"dataset": data, "model": model_label(model, layers), "forget": "nothing", "method": method}
    done = [r for r in read_records(results) if all(r[k] == v for k, v in cell.items())]

    def run(setting: Setting, seed: int) -> dict[str, Any]:
        for result in done:
            if result["config"] == asdict(setting) and result["seed"] == seed:
                return result
        config = TrainConfig(setting.learning_rate, setting.batch_size, setting.reg, EPOCHS, setting.patience)
        built = build_model(model, layers=layers, init_std=setting.init_std, data=split.train)
        trained = entry.build(Context(built, config, split.valid, whole_config=whole.train))
        began = time.perf_counter()
        try:
            state = trained.fit(jax.random.key(seed), split)
            reached = valid_auc(split, trained.score(state, split.valid.users, split.valid.items))
        except NumericsError:
            # It diverged: on record, so that a search that goes on doesn't stop here again, and behind all that did not.
            reached = 0.0
        taken = time.perf_counter() - began
        figures = {"valid_auc": reached, "seconds.fit": taken}
        record = cell | {"seed": seed, "config": asdict(setting), "figures": figures, "environment": environment()}
        done.append(record)
        append_record(results, record)
        print(f"{data} {cell['model']} {method} {setting} seed {seed}: {reached:.4f}, {taken:.0f} s", flush=True)
        return record

    # Only results the search has come to: one that was cut off then takes the same way again.
    visited: list[dict[str, Any]] = []
    first = known.shards.get("sisa") if method != "sisa" else None
    for setting in settings(visited, whole=whole, first=None if first is None else _setting(first)):
        visited.append(run(setting, SEEDS[0]))
    for result in sorted(visited, key=_reached, reverse=True)[:CONFIRMED]:
        for seed in SEEDS[1:]:
            run(Setting(**result["config"]), seed)
    if first is None:
        top = Setting(**max(visited, key=_reached)["config"])
        for seed in SEEDS:
            run(replace(top, patience=3), seed)


def valid_auc(split: Split, logits: np.ndarray) -> float:
    """AUC on all validation interactions."""
    return float(auc(np.asarray(logits), split.valid.labels, np.ones(len(split.valid), bool)))


def _setting(choice: Choice) -> Setting:
    config = choice.train
    return Setting(config.learning_rate, config.batch_size, config.reg, choice.init_std, config.patience)


def _reached(result: dict[str, Any]) -> float:
    return result["figures"]["valid_auc"]


def choose(results: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The setting with the best mean of those trained with all seeds, of equals the fastest; None while there is none."""
    by_setting: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        by_setting.setdefault(json.dumps(result["config"]), []).append(result)
    confirmed = [rows for rows in by_setting.values() if len(rows) == len(SEEDS)]
    if not confirmed:
        return None

    def mean(rows: list[dict[str, Any]], figure: str) -> float:
        return float(np.mean([row["figures"][figure] for row in rows]))

    def usual(rows: list[dict[str, Any]]) -> float:
        # One of them compiled.
        return float(np.median([row["figures"]["seconds.fit"] for row in rows]))

    highest = max(mean(rows, "valid_auc") for rows in confirmed)
    tied = [rows for rows in confirmed if mean(rows, "valid_auc") >= highest - TIE]
    return min(tied, key=usual)[0]["config"]


def write_configs(results: Path = RESULTS, out: Path = SHARD_CONFIGS) -> None:
    """Chooses for every finished search and writes the table.

    Raises:
      DataError: no search is finished; the table stays as it is.
    """
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for result in read_records(results):
        cells.setdefault((result["dataset"], result["model"], result["method"]), []).append(result)
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for (data, model, method), found in sorted(cells.items()):
        chosen = choose(found)
        if chosen is None:
            print(f"{data}, {model}, {method}: the search is not finished; run it again, it goes on where it stopped.")
        else:
            table.setdefault(data, {}).setdefault(model, {})[method] = chosen
    if not table:
        raise DataError(f"no search in {results.name} is finished: run one with --data, --model and --method.")
    write_json_atomic(out, table)


def main(data: str = "", model: ModelName = "mf", layers: int = 1, method: str = "sisa", write: bool = False) -> int:
    """Entry point; returns the exit status.

    Args:
      data: data set to search on.
      model: one of `experiments.models`.
      layers: of the models that propagate.
      method: sisa or receraser.
      write: choose from all results and write configs/shards.json.
    """

    def run() -> None:
        if data:
            use_compilation_cache()
            search(data, model, layers if model in LAYERED else 0, method)
        if write:
            write_configs()

    return status_of(run)


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
