"""What a model of the comparison is trained with, and the two baselines of speed.

Three configurations come out for each data set and model (docs: "Honest figures"):
  best      the highest validation AUC of all settings: what the comparison trains;
  protocol  Adam, batch 2,048, patience 10, the best learning rate of 1e-2, 1e-3, 1e-4, as the IFRU paper does;
  fastest   the least training time among those whose validation AUC is within .001 of the best.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import RESULTS
from experiments.reporting.json_lines import append_line, read_lines
from experiments.run.hyperparameters import MODEL_CONFIGS, model_label
from experiments.run.models import ModelName, build_model
from experiments.tuning.search import SEEDS, Setting, Stage, Subject, Tried, choices, chosen, grid
from ifru_jax.data import load_dataset, protocol_split
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic
from ifru_jax.graph import build_training_set
from ifru_jax.training import Objective, TrainConfig, bce, fit_params

TRAININGS = RESULTS / "tuning.jsonl"
EPOCHS = 600
RATES = (1e-2, 3e-3, 1e-3)
# Learning rate and batch size of settings for the two baselines, trained to the objective of the best configuration.
PROTOCOL = ((1e-2, 2048), (1e-3, 2048), (1e-4, 2048))
BASELINES = (*PROTOCOL, (1e-2, 8192), (3e-3, 2048), (3e-3, 512), (3e-4, 2048), (1e-3, 8192), (1e-3, 512))
# The same where a training takes minutes: those that the protocol asks for, and the two that stop soonest elsewhere.
FEW_BASELINES = (*PROTOCOL, (3e-3, 8192), (3e-3, 2048))
# Interactions beyond which only a few settings are trained.
LARGE = 300_000
# Margin in validation AUC within which a faster configuration counts as equally good.
MARGIN = 1e-3


def _rates(pairs: Iterable[tuple[float, int]]) -> Stage:
    return lambda best: [replace(best, learning_rate=rate, batch_size=size) for rate, size in pairs]


def _times(name: str, factor: float) -> Stage:
    return lambda best: [replace(best, **{name: getattr(best, name) * factor})]


# From the L2 weight and learning rate to the initialisation, the batch, and around the best.
STAGES: tuple[Stage, ...] = (
    lambda best: grid(best, reg=(1e-6, 3e-6, 1e-5, 3e-5, 1e-4), learning_rate=RATES),
    lambda best: grid(replace(best, batch_size=2048), init_std=(1e-3, 1e-1), learning_rate=RATES),
    lambda best: grid(best, batch_size=(512, 1024, 4096, 8192, 16384), learning_rate=(3e-2, *RATES)),
    lambda best: grid(best, reg=(best.reg * 0.5, best.reg * 2)),
    _rates(PROTOCOL[2:]),
    *(_times("reg", factor) for factor in (0.5, 0.5, 2.0)),
    *(_times("init_std", factor) for factor in (0.3, 3.0)),
    *(_rates(PROTOCOL[2:]), _rates(PROTOCOL[:2])),
)
# The same for data on which a single training takes minutes: fast settings first, then around the best. They start from
# init_std 1e-3, which won on most smaller data sets.
FEW_STAGES: tuple[Stage, ...] = (
    lambda best: grid(best, reg=(1e-5, 3e-6, 1e-6)),
    *(_times("reg", factor) for factor in (0.5, 2.0)),
    _rates(((3e-2, 16384), (1e-2, 2048), (3e-3, 2048), (1e-3, 2048), (3e-3, 8192))),
    *(_times("reg", factor) for factor in (0.5, 2.0)),
    lambda best: [replace(best, init_std=1e-2)],
)


def subject(data: str, model: ModelName, layers: int, *, path: Path = TRAININGS) -> Subject:
    """The search for one data set and model."""
    split = protocol_split(load_dataset(data))
    train = build_training_set(split.train, with_history=model == "sasrec")
    large = len(split.train) > LARGE

    def run(setting: Setting, seed: int) -> Tried:
        config = TrainConfig(setting.learning_rate, setting.batch_size, setting.reg, epochs=EPOCHS, patience=setting.patience)
        built = build_model(model, layers=layers, init_std=setting.init_std, data=split.train)
        objective = Objective(built, bce, float(len(train)), config.reg)
        _, history = fit_params(jax.random.key(seed), objective, train, split.valid, config.unrecorded)
        candidate = {name: value for name, value in asdict(setting).items() if name != "patience"}
        record = {
            **{"data": data, "model": model, "layers": layers},
            "candidate": candidate,
            "seed": seed,
            "valid_auc": max(history.valid_metric),
            "curve": [round(v, 5) for v in history.valid_metric],
            "seconds_per_epoch": float(np.median(history.seconds[1:])),
        }
        append_line(path, record)
        return _tried(record)

    return Subject(
        (data, model_label(model, layers)),
        start=Setting(1e-2, 8192 if large else 2048, 1e-5, 1e-3 if large else 1e-2),
        stages=FEW_STAGES if large else STAGES,
        confirmed=3,
        done=read(path),
        train=run,
        last=lambda visited: _rates(FEW_BASELINES if large else BASELINES)(chosen(visited, _first).setting),
        last_seeds=SEEDS[:1],
    )


def read(path: Path) -> list[Tried]:
    """All trainings so far; none if there is no file."""
    return [_tried(record) for _, record in read_lines(path)]


def write_configs(path: Path = TRAININGS, out: Path = MODEL_CONFIGS) -> None:
    """Chooses for every cell with results and writes the table of hyper-parameters.

    Raises:
      DataError: there is no result, or a search is not finished; the table stays as it is.
    """
    write_atomic(out, json.dumps(choices(read(path), choose, path), indent=1) + "\n")


def choose(tried: Sequence[Tried]) -> dict[str, dict[str, Any]]:
    """The three configurations of one cell."""
    best = chosen(tried, _first)
    firsts = [t for t in tried if t.seed == SEEDS[0]]
    same_objective = [t for t in firsts if (t.setting.reg, t.setting.init_std) == (best.setting.reg, best.setting.init_std)]
    of_protocol = [t for t in same_objective if (t.setting.learning_rate, t.setting.batch_size) in PROTOCOL]
    if not of_protocol:
        raise DataError(
            f"the search of {', '.join(best.cell)} is not finished: run it again, it goes on where it stopped, then write."
        )
    options = []
    for one in same_objective:
        for patience in (1, 2, 3, 5, 10):
            reached, epochs = stopped_at(one.record["curve"], patience)
            if reached >= best.valid_auc - MARGIN:
                options.append((epochs * one.record["seconds_per_epoch"], replace(one.setting, patience=patience)))
    return {
        # With a small learning rate ten epochs go nowhere: on BookCrossing one seed in three stopped where the model knows
        # popularity and nothing else.
        "best": asdict(replace(best.setting, patience=10 if best.setting.learning_rate > 3e-4 else 50)),
        "protocol": asdict(max(of_protocol, key=lambda t: t.valid_auc).setting),
        "fastest": asdict(min(options, key=lambda option: option[0])[1]),
    }


def stopped_at(curve: list[float], patience: int) -> tuple[float, int]:
    """Best AUC and epochs run if training with this curve had stopped with a smaller patience."""
    best = 0
    for epoch, value in enumerate(curve):
        if value > curve[best]:
            best = epoch
        if epoch - best >= patience:
            return curve[best], epoch + 1
    return curve[best], len(curve)


def _first(seconds: Sequence[float]) -> float:
    # None of them compiled.
    return seconds[0]


def _tried(record: dict[str, Any]) -> Tried:
    # The first runs did not write their seed down.
    seconds = len(record["curve"]) * record["seconds_per_epoch"]
    cell = (record["data"], model_label(record["model"], record["layers"]))
    return Tried(cell, Setting(**record["candidate"]), record.get("seed", SEEDS[0]), record["valid_auc"], seconds, record)
