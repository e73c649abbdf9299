"""The figures: their names in the order of reports, and what each means, in a line of figures.json."""

import json
from collections.abc import Iterable
from pathlib import Path

FIGURES: dict[str, str] = json.loads(Path(__file__).with_name("figures.json").read_text(encoding="utf-8"))


def define(figure: str) -> str:
    """What a figure means; a part of the time explains itself, an unknown figure is passed through."""
    if figure in FIGURES:
        return FIGURES[figure]
    if figure.startswith("seconds."):
        return f"seconds of the part “{figure.removeprefix('seconds.').replace('_', ' ')}”"
    return "not defined here; see the configuration of the run"


def in_order(figures: Iterable[str]) -> list[str]:
    """Distinct names: in the order of `FIGURES`, parts of the time after its other figures, then the unknown ones."""
    place = {name: float(position) for position, name in enumerate(FIGURES)}

    def position(name: str) -> float:
        return place.get(name, place["seconds.prepare"] + 0.5 if name.startswith("seconds.") else len(place))

    return sorted(dict.fromkeys(figures), key=position)
