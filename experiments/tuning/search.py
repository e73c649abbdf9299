"""Coordinate search by validation AUC: stage by stage around the best so far, then the best few again with other seeds.

Every training is a line of a file before the next one starts, and is not run again: a search that was cut off takes the same way
and goes on where it stopped. Only training and validation data are read. Of settings that three seeds can't tell apart the one that
trains fastest is chosen.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.errors import DataError

# The first trains every setting, the others the best few.
SEEDS = (1000, 1001, 1002)
# Means that differ by less are equal as far as three seeds can tell.
TIE = 5e-4


@dataclass(frozen=True)
class Setting:
    """One configuration to train."""

    learning_rate: float
    batch_size: int
    reg: float
    init_std: float
    patience: int = 10


@dataclass(frozen=True)
class Tried:
    """What a training gave: validation AUC and seconds, of which data, model (and method), and the record it stands in."""

    cell: tuple[str, ...]
    setting: Setting
    seed: int
    valid_auc: float
    seconds: float
    record: Mapping[str, Any]


# From the best so far to the settings that are tried next.
Stage = Callable[[Setting], Iterable[Setting]]
# From the seconds of a setting with each seed to those that count.
Usual = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Subject:
    """What is searched.

    Attributes:
      cell: data, model and, of shards, method.
      start: what the first stage starts from.
      stages: of the search.
      confirmed: how many of the best are trained with all seeds.
      done: trainings of earlier runs, of this cell or others.
      train: setting and seed ↦ what came out, which it writes down.
      last: from all that was tried to what is trained at the end, with these seeds.
    """

    cell: tuple[str, ...]
    start: Setting
    stages: Sequence[Stage]
    confirmed: int
    done: list[Tried]
    train: Callable[[Setting, int], Tried]
    last: Callable[[Sequence[Tried]], Iterable[Setting]]
    last_seeds: Sequence[int] = SEEDS


def search(subject: Subject) -> None:
    """Trains every setting with the first seed, the best with the others, and what comes last."""

    def run(setting: Setting, seed: int) -> Tried:
        for tried in subject.done:
            if (tried.cell, tried.setting, tried.seed) == (subject.cell, setting, seed):
                return tried
        tried = subject.train(setting, seed)
        subject.done.append(tried)
        print(f"{', '.join(subject.cell)}: {setting}, seed {seed}: {tried.valid_auc:.4f}, {tried.seconds:.0f} s", flush=True)
        return tried

    # Only what this search has come to: one that was cut off then takes the same way again.
    visited: list[Tried] = []
    for setting in explore(subject.start, subject.stages, visited):
        visited.append(run(setting, SEEDS[0]))
    best = sorted(visited, key=lambda tried: -tried.valid_auc)[: subject.confirmed]
    visited += [run(tried.setting, seed) for tried in best for seed in SEEDS[1:]]
    for setting in subject.last(visited):
        for seed in subject.last_seeds:
            run(setting, seed)


def explore(start: Setting, stages: Sequence[Stage], visited: Sequence[Tried]) -> Iterator[Setting]:
    """Settings to try, each once; `visited` grows by what they gave, and is looked at between stages."""
    for stage in stages:
        for setting in stage(top(visited) if visited else start):
            if all(setting != tried.setting for tried in visited):
                yield setting


def top(visited: Sequence[Tried]) -> Setting:
    """The best with the first seed."""
    return max((tried for tried in visited if tried.seed == SEEDS[0]), key=lambda tried: tried.valid_auc).setting


def chosen(tried: Sequence[Tried], usual: Usual) -> Tried:
    """The setting with the best mean of those with the most seeds, of equals the fastest: its first training."""
    by_setting: dict[Setting, dict[int, Tried]] = {}
    for one in tried:
        by_setting.setdefault(one.setting, {})[one.seed] = one
    most = max(map(len, by_setting.values()))
    runs = [list(by_seed.values()) for by_seed in by_setting.values() if len(by_seed) == most]
    means = [float(np.mean([one.valid_auc for one in of_setting])) for of_setting in runs]
    tied = [of_setting for of_setting, mean in zip(runs, means, strict=True) if mean >= max(means) - TIE]
    return min(tied, key=lambda of_setting: usual([one.seconds for one in of_setting]))[0]


def is_confirmed(tried: Sequence[Tried]) -> bool:
    """Whether some setting was trained with all seeds."""
    return any({one.seed for one in tried if one.setting == first.setting} >= set(SEEDS) for first in tried)


def choices(tried: Sequence[Tried], choose: Callable[[list[Tried]], dict[str, Any] | None], path: Path) -> dict[str, Any]:
    """What is chosen in every cell, in a table by data, model (and method); a cell without a choice is told and left out.

    Raises:
      DataError: nothing is chosen.
    """
    table: dict[str, Any] = {}
    for cell in sorted({one.cell for one in tried}):
        choice = choose([one for one in tried if one.cell == cell])
        if choice is None:
            print(f"{', '.join(cell)}: the search is not finished; run it again, it goes on where it stopped.")
            continue
        place = table
        for name in cell[:-1]:
            place = place.setdefault(name, {})
        place[cell[-1]] = choice
    if not table:
        raise DataError(f"no search in {path.name} is finished: run one with --data, --model and --method.")
    return table


def grid(base: Setting, **values: Sequence[float]) -> list[Setting]:
    """Every combination of these values, the last name fastest."""
    return [replace(base, **dict(zip(values, combination, strict=True))) for combination in itertools.product(*values.values())]


def scaled(base: Setting, name: str, *factors: float) -> list[Setting]:
    """One value times each factor, to two digits."""
    return [replace(base, **{name: float(f"{getattr(base, name) * factor:.2g}")}) for factor in factors]
