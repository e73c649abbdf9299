"""What report.html and report.md both tell: the figures that apply, and the settings that runs agree in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.reporting.definitions import define


def definitions(summary: Mapping[str, Any]) -> dict[str, str]:
    """What the figures mean that apply to some method."""
    methods = summary["methods"].values()
    shown = [name for name in next(iter(methods)) if any(method[name]["mean"] is not None for method in methods)]
    return {name: define(name) for name in shown}


def agreed(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Options that all runs share; those of an option are called OPTION.NAME."""
    flat = [_flatten(run) for run in runs]
    return {name: value for name, value in flat[0].items() if all(name in run and run[name] == value for run in flat)}


def _flatten(entries: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in entries.items():
        found |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
