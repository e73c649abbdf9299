"""Trained models kept on disk, so that a comparison that is run again, or was cut off, does not train again.

A model is found by everything that decides it: data, model, request, hyper-parameters, role and seed. The folder holds training
data and is no result: it is never committed.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.reporting.json_files import read_json, write_json_atomic
from ifru_jax.checkpoint import load, save
from ifru_jax.models import Recommender
from ifru_jax.training import Loss, Trained
from ifru_jax.unlearning import Report


@dataclass(frozen=True)
class ModelStore:
    """A folder of models, or none, which keeps nothing."""

    folder: Path | None = None

    def get(
        self, key: Mapping[str, Any], model: Recommender, loss: Loss, make: Callable[[], tuple[Trained, Report | None]]
    ) -> tuple[Trained, Report | None]:
        """The model of this key with the report of its training; made and kept if it is not there."""
        if self.folder is None:
            return make()
        text = json.dumps(dict(key), sort_keys=True, default=str)
        place = self.folder / hashlib.sha256(text.encode()).hexdigest()[:20]
        facts = place.with_suffix(".json")
        if facts.exists():
            found = read_json(facts)["report"]
            return load(place.with_suffix(".npz"), model=model, loss=loss), None if found is None else Report.from_dict(found)
        trained, report = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        save(trained, place.with_suffix(".npz"))
        # Last: with it the model counts as complete.
        write_json_atomic(facts, {"key": dict(key), "report": None if report is None else report.as_dict()})
        return trained, report


KEEP_NOTHING = ModelStore()
