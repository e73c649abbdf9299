"""Blocks of docs/budget.md: what streams of requests to a store came to, and how long answers took."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import MISSING, markdown, plain
from experiments.studies.stream import PATH
from experiments.studies.stream_seconds import PATH as SECONDS

Lines = Sequence[dict[str, Any]]


@block
def stream_of_requests() -> str:
    """A row per figure, a column per stream."""
    return _table(PATH, _FIGURES)


@block
def seconds_of_answers() -> str:
    """The same of the seconds that answers took."""
    return _table(SECONDS, _SECONDS)


def _table(path: Path, figures: Mapping[str, Callable[[Lines], str]]) -> str:
    cells: dict[str, list[dict[str, Any]]] = {}
    for _, line in read_lines(path):
        cells.setdefault(line["cell"], []).append(line)
    rows = [[name, *(figure(lines) for lines in cells.values())] for name, figure in figures.items()]
    return markdown(["", *(cell.replace("_", ", ") for cell in cells)], rows) if cells else MISSING


def _requests(lines: Lines) -> Lines:
    return [line for line in lines if "request" in line]


def _measured(lines: Lines) -> Lines:
    """Quick answers whose distance is known."""
    return [line for line in lines if line.get("distance") is not None and line.get("estimate") is not None]


def _share(found: Sequence[bool]) -> str:
    return f"{np.mean(found):.1%}" if len(found) else MISSING


def _middle(values: Sequence[float]) -> str:
    """Median, and the 5th and 95th percentile."""
    if not len(values):
        return MISSING
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"{middle:.2f} ({low:.2f} – {high:.2f})"


def _end(lines: Lines) -> dict[str, Any] | None:
    return next((line["end"] for line in reversed(lines) if "end" in line), None)


def _against_one(lines: Lines) -> str:
    end = _end(lines)
    return MISSING if end is None else plain(end["settled"] / end["in one"], 3)


def _against_original(lines: Lines) -> str:
    end = _end(lines)
    return MISSING if end is None else plain(end["settled"] / end["original"], 3)


def _last(name: str) -> Callable[[Lines], str]:
    def found(lines: Lines) -> str:
        values = [line[name] for line in lines if line.get(name) is not None]
        return plain(values[-1], 2) if values else MISSING

    return found


_FIGURES: dict[str, Callable[[Lines], str]] = {
    "requests": lambda lines: f"{len(_requests(lines)):,}",
    "of them repeated, unknown or lists with such": lambda lines: (
        f"{sum(line['kind'] in ('again', 'unknown', 'list') for line in _requests(lines)):,}"
    ),
    "answered as they have to be": lambda lines: _share([line["as_expected"] for line in _requests(lines)]),
    "distances measured": lambda lines: f"{len(_measured(lines)):,}",
    "estimate covers the distance": lambda lines: _share([line["distance"] <= line["estimate"] for line in _measured(lines)]),
    "distance over estimate, median (5 – 95 %)": lambda lines: _middle(
        [line["distance"] / line["estimate"] for line in _measured(lines) if line["estimate"]]
    ),
    "distance as a share of the whole step": lambda lines: _middle(
        [line["error"] for line in _measured(lines) if line["error"] is not None]
    ),
    "requests that were settled at once": lambda lines: _share([line["triggered"] for line in _requests(lines)]),
    "settled model from one whole request, as a share of its step": _last("from_one"),
    "share of the interactions that changed": _last("share"),
    "gradient, in times of that of the beginning": _last("growth"),
    "distance to retrained models: settled over one request": _against_one,
    "distance to retrained models: settled over doing nothing": _against_original,
}


def _seconds(share: float, *, settled: bool | None = None) -> Callable[[Lines], str]:
    """A percentile of the answers, of those that were settled at once, or of the others."""

    def found(lines: Lines) -> str:
        chosen = [line["seconds"] for line in lines if settled is None or line["settled"] is settled]
        return plain(float(np.percentile(chosen, share)), 3) if chosen else MISSING

    return found


_SECONDS: dict[str, Callable[[Lines], str]] = {
    "requests": lambda lines: f"{len(lines):,}",
    "seconds, median": _seconds(50),
    "seconds, 99 of 100 take less than": _seconds(99),
    "of those that were not settled at once, median": _seconds(50, settled=False),
    "99 of 100 take less than": _seconds(99, settled=False),
    "of those that were, with their settling, median": _seconds(50, settled=True),
    "requests that were settled at once": lambda lines: _share([line["settled"] for line in lines]),
}
