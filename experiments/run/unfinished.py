"""A comparison that is not complete, in the folder `unfinished` of its results: another run with the same options goes on with it.

    run.json         what was asked, of which data, in which environment
    results.jsonl    the records so far
    verdicts.json    of the methods that are verified
    models/          trained models, unless another folder was named for them; they hold the training data

Results of an earlier run stay where they are until this one is complete; then the folder goes.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from experiments.reporting.json_files import as_json, read_json, write_json_atomic
from experiments.reporting.records import append_record, read_records
from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic

NAME = "unfinished"
Record = dict[str, Any]


@dataclass(frozen=True)
class Unfinished:
    """The folder of a run that is not complete.

    Attributes:
      folder: where it is.
      records: of methods that were done before.
    """

    folder: Path
    records: Sequence[Record]

    @classmethod
    def begin(cls, out: Path, asked: Mapping[str, Any], *, seeds: int) -> Self:
        """Of a run in this folder for results: a new one, or the one that was interrupted.

        Args:
          out: the folder.
          asked: what decides the results, as JSON.
          seeds: that each method has.

        Raises:
          DataError: the run that was interrupted was asked for something else; the message says what.
        """
        folder, asked = out / NAME, as_json(asked)
        facts, results = folder / "run.json", folder / "results.jsonl"
        if facts.exists():
            _check_same(folder, read_json(facts), asked)
        folder.mkdir(exist_ok=True)
        write_json_atomic(facts, asked)
        found = read_records(results)
        complete = [record for record in found if record["method"] in methods_done(found, seeds)]
        if len(complete) < len(found):
            # A method that was interrupted between seeds begins anew: some of its figures are over all of them.
            write_atomic(results, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in complete))
        return cls(folder, complete)

    @property
    def done(self) -> list[str]:
        """Methods that were done before."""
        return list(dict.fromkeys(record["method"] for record in self.records))

    @property
    def models(self) -> Path:
        """Folder for trained models."""
        return self.folder / "models"

    @property
    def verdicts(self) -> Path:
        """File of what `Verdicts` has found."""
        return self.folder / "verdicts.json"

    def add(self, record: Record) -> None:
        """Puts a record on disk."""
        append_record(self.folder / "results.jsonl", record)

    def complete(self, out: Path) -> list[Record]:
        """Puts the records in their place; all of them."""
        write_atomic(out / "results.jsonl", (self.folder / "results.jsonl").read_bytes())
        return read_records(out / "results.jsonl")

    def remove(self) -> None:
        """Once nothing of it is needed any more."""
        shutil.rmtree(self.folder)


def methods_done(records: Sequence[Mapping[str, Any]], seeds: int) -> list[str]:
    """Methods with a record of each of these seeds, or with one that says why there are none."""
    found: dict[str, set[int]] = {}
    for record in records:
        ended = {"failed", "not_applicable"} & record.keys()
        found.setdefault(record["method"], set()).update(range(seeds) if ended else [record["seed"]])
    # There are two retrained models even for one seed.
    return [name for name, those in found.items() if those >= set(range(max(seeds, 2) if name == "retrain" else seeds))]


def _check_same(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differs = [f"{name} was {then.get(name)} and is {now.get(name)}" for name in {**then, **now} if then.get(name) != now.get(name)]
    if differs:
        raise DataError(
            f"{folder} is of a run that was interrupted and is not this one: {'; '.join(differs)}. Run that one again to go on "
            "with it, give another --out, or delete the folder."
        )
