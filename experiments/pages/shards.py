"""What the shards of SISA and RecEraser are trained with, as a table for docs/rivals.md."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from experiments.hyperparameters import CONFIGS, SHARD_CONFIGS
from experiments.reporting import read_records
from experiments.reporting.main_table import MISSING, markdown, plain, seconds
from experiments.tune_shards import RESULTS

TEXT = """\
## What shards are trained with

What is best for a model of the whole is not for a shard, which has a tenth of the interactions: the same L2 term would be ten times
too weak, and a small learning rate would take hundreds of epochs. So SISA and RecEraser have hyper-parameters of their own, chosen
by the validation AUC of all submodels together (`python -m experiments.tune_shards`, about ten settings each, the best confirmed
with three seeds). RecEraser's pre-training and aggregation see all data and are trained as the model of the whole; where its shards
were not searched, they are trained as SISA's. λ₂ of the model of the whole in brackets; seconds are of training all shards, and
for RecEraser of pre-training and aggregation too.
"""


def shard_table() -> str:
    """The section; without results of a search it says so."""
    chosen = json.loads(SHARD_CONFIGS.read_text()) if SHARD_CONFIGS.exists() else {}
    whole = json.loads(CONFIGS.read_text())
    records = read_records(RESULTS)
    rows = []
    for data, models in chosen.items():
        for model, methods in models.items():
            for method, config in methods.items():
                found = [r["figures"] for r in records if _is_of(r, data, model, method) and r["config"] == config]
                rows.append(
                    [
                        data,
                        model,
                        f"`{method}`",
                        f"{config['learning_rate']:g}",
                        f"{config['batch_size']:,}",
                        f"{config['reg']:g} ({whole[data][model]['best']['reg']:g})",
                        f"{config['init_std']:g}",
                        str(config["patience"]),
                        plain(_mean(found, "valid_auc"), 4),
                        seconds(_mean(found, "seconds.fit")),
                    ]
                )
    heads = ["data", "model", "method", "learning rate", "batch", "λ₂", "init std", "patience", "AUC on valid", "seconds"]
    return f"{TEXT}\n{markdown(heads, rows) if rows else MISSING}\n"


def _is_of(record: dict[str, Any], data: str, model: str, method: str) -> bool:
    return (record["dataset"], record["model"], record["method"]) == (data, model, method)


def _mean(found: list[dict[str, Any]], figure: str) -> float | None:
    return float(np.mean([figures[figure] for figures in found])) if found else None
