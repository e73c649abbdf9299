"""The folder of a comparison: summary.json, report.html with report.json, report.md, comparison.png and comparison.svg.

The report says what was asked, what came out, and what each figure means. It holds averages and settings only: no user,
item or interaction that was forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.reporting.contents import agreed, definitions
from experiments.reporting.html import write_html
from experiments.reporting.json_files import as_json, write_atomic, write_json_atomic
from experiments.reporting.main_table import markdown, markdown_table, number, seconds, times
from experiments.reporting.plots import write_comparison
from experiments.reporting.privacy import without_data
from experiments.reporting.summary import summarise


def write_report(
    out_dir: str | os.PathLike[str],
    records: Sequence[Mapping[str, Any]],
    *,
    title: str,
    notes: Sequence[str] = (),
    seeds: int | None = None,
    verification: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Writes these files into `out_dir`, making it if need be, and returns the summary.

    Args:
      out_dir: folder; files of the same names are replaced, each atomically.
      records: of one comparison (see `experiments.reporting`).
      title: heading of the report.
      notes: sentences a reader must know, one bullet each, such as choices made for unknown data.
      seeds: as for `summarise`.
      verification: method ↦ answer of `ifru_jax.verify`, as for `write_html`.

    Raises:
      DataError: no records, or records of different comparisons; then nothing is written.
    """
    out_dir = Path(out_dir)
    summary = summarise(records, seeds=seeds)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_comparison(out_dir, summary)
    write_json_atomic(out_dir / "summary.json", summary)
    write_html(out_dir, records, title=title, notes=notes, seeds=seeds, verification=verification)
    # Last: whoever finds the report finds the files it links to.
    write_atomic(out_dir / "report.md", _report(summary, records, title, notes))
    return summary


def _report(summary: Mapping[str, Any], records: Sequence[Mapping[str, Any]], title: str, notes: Sequence[str]) -> str:
    sections = [
        f"# {title}",
        _introduction(summary),
        "\n".join(f"- {note}" for note in notes),
        "## Result",
        markdown_table(summary),
        "± is the standard deviation over seeds; – means that a figure does not apply. "
        "The speed-up is against retraining in this comparison.",
        _without_figures(records),
        "![AUC, closeness to retraining and time of each method](comparison.png)",
        "## Time and cost",
        _time_table(summary),
        "## What the figures mean",
        "\n".join(f"- `{name}`: {meaning}." for name, meaning in definitions(summary).items()),
        "## Configuration",
        _common_and_own([(record["method"], without_data(record["config"])) for record in records]),
        "## Environment",
        _common_and_own([(record["method"], dict(record["environment"])) for record in records]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _introduction(summary: Mapping[str, Any]) -> str:
    count = summary["seeds"]
    return (
        f"A `{summary['model']}` recommender was trained on `{summary['dataset']}` and then asked to forget "
        f"`{summary['forget']}`. The methods below did so with {count} seed{'' if count == 1 else 's'}; data split and "
        "forgotten interactions are the same in all of them, seeds change initialisation and batch order only. The "
        "yardstick is a model retrained without the forgotten interactions."
    )


def _without_figures(records: Sequence[Mapping[str, Any]]) -> str:
    """Why a method has no figures."""
    told = {"not_applicable": "does not apply here", "failed": "failed"}
    return "\n".join(
        f"- `{record['method']}` {what}: {record[key]}" for record in records for key, what in told.items() if key in record
    )


def _time_table(summary: Mapping[str, Any]) -> str:
    """Parts of the time, speed-ups and cost as rows, methods as columns; only what applies to some method."""
    methods = summary["methods"]
    figures = next(iter(methods.values()))
    rows = []
    for figure in figures:
        means = [method[figure]["mean"] for method in methods.values()]
        show = _how_to_show(figure)
        if show and any(mean is not None for mean in means):
            rows.append([f"`{figure}`", *map(show, means)])
    return markdown(["mean over seeds", *methods], rows) if rows else "No times were taken."


def _how_to_show(figure: str) -> Callable[[float | None], str] | None:
    if figure.startswith("seconds."):
        return seconds
    if figure.startswith("speedup_"):
        return times
    return number if figure == "gradient_evaluations" else None


def _common_and_own(options: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Options that all runs share, once; then what each method has of its own. What its seeds differ in is left out."""
    common = agreed([entries for _, entries in options])
    lines = [_bullet(name, value) for name, value in common.items()]
    for method in dict.fromkeys(method for method, _ in options):
        own = agreed([entries for owner, entries in options if owner == method])
        special = {name: value for name, value in own.items() if name not in common}
        if special:
            lines += [f"- {method}", *("  " + _bullet(name, value) for name, value in special.items())]
    return "\n".join(lines) or "Not recorded."


def _bullet(name: str, value: Any) -> str:
    return f"- `{name}`: {json.dumps(as_json(value), ensure_ascii=False)}"
