"""The folder of a comparison: summary.json, report.html with report.json, report.md, comparison.png and comparison.svg.

The reports say what was asked, what came out, and what each figure means; their words are in report.html.jinja and
report.md.jinja. They hold averages, counts and settings only: no user, item or interaction that was forgotten. The page needs
nothing beside it, no network, script or font: pictures are inline SVG, styles inline CSS. It reads at 360 pixels and at 1,200, in
a light or a dark browser.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from experiments.reporting import inline
from experiments.reporting.definitions import define
from experiments.reporting.json_files import as_json, write_json_atomic
from experiments.reporting.main_table import COLUMNS, cells, heading, markdown, markdown_table, number, plain, seconds, times
from experiments.reporting.plots import write_comparison
from experiments.reporting.privacy import without_data
from experiments.reporting.summary import summarise
from ifru_jax.files import write_atomic

Records = Sequence[Mapping[str, Any]]


def write_report(
    out_dir: str | os.PathLike[str],
    records: Records,
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
      verification: method ↦ what `ifru_jax.verify(…).as_dict()` gave, for methods that were verified.

    Raises:
      DataError: no records, or records of different comparisons; then nothing is written.
    """
    out_dir, summary, verified = Path(out_dir), summarise(records, seeds=seeds), dict(verification or {})
    evidence = [record["evidence"] for record in records if record.get("evidence")]
    asked = {name: summary[name] for name in ("dataset", "model", "forget", "seeds")}
    asked |= {name: next((found[name] for found in evidence if found.get(name)), None) for name in ("forgotten", "retained")}
    methods = summary["methods"]
    shown = [name for name in next(iter(methods.values())) if any(method[name]["mean"] is not None for method in methods.values())]
    common = {"title": title, "notes": notes, "summary": summary, "definitions": {name: define(name) for name in shown}}
    page = _rendered(
        "report.html.jinja",
        **common,
        asked=asked,
        mean=lambda method, figure: methods.get(method, {}).get(figure, {}).get("mean"),
        heading=heading,
        pictures=inline.pictures(methods),
        columns=[name for name, *_ in COLUMNS],
        cells=cells,
        verification=verified,
        verdicts=inline.verdicts(verified),
        configuration=_agreed([without_data(record["config"]) for record in records]),
        environment=_agreed([record["environment"] for record in records]),
    )
    report = _rendered(
        "report.md.jinja",
        **common,
        records=records,
        main_table=markdown_table(summary),
        time_table=_time_table(summary),
        configurations=_common_and_own([(record["method"], without_data(record["config"])) for record in records]),
        environments=_common_and_own([(record["method"], record["environment"]) for record in records]),
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    write_comparison(out_dir, summary)
    write_json_atomic(out_dir / "summary.json", summary)
    write_json_atomic(out_dir / "report.json", {"title": title, "asked": asked, "summary": summary, "verification": verified})
    write_atomic(out_dir / "report.html", page)
    # Last: whoever finds the report finds the files it links to.
    write_atomic(out_dir / "report.md", re.sub(r"\n{3,}", "\n\n", report).strip() + "\n")
    return summary


def _rendered(template: str, **content: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=".html" in template,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"plain": plain, "number": number, "seconds": seconds, "times": times}
    environment.filters["json"] = lambda value: json.dumps(as_json(value), ensure_ascii=False)
    return environment.get_template(template).render(**content)


def _time_table(summary: Mapping[str, Any]) -> str:
    """Parts of the time, speed-ups and cost as rows, methods as columns; only what applies to some method."""
    shows: dict[str, Callable[[float | None], str]] = {"seconds.": seconds, "speedup_": times, "gradient_evaluations": number}
    rows = []
    for figure in next(iter(summary["methods"].values())):
        means = [method[figure]["mean"] for method in summary["methods"].values()]
        for start, show in shows.items():
            if figure.startswith(start) and any(mean is not None for mean in means):
                rows.append([f"`{figure}`", *map(show, means)])
    return markdown(["mean over seeds", *summary["methods"]], rows) if rows else ""


def _common_and_own(options: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Under "" what all runs share; then what each method has of its own. What its seeds differ in is left out."""
    common = _agreed([entries for _, entries in options])
    found = {"": common} if common else {}
    for method in dict.fromkeys(method for method, _ in options):
        own = _agreed([entries for owner, entries in options if owner == method])
        if special := {name: value for name, value in own.items() if name not in common}:
            found[method] = special
    return found


def _agreed(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Options that all runs share; those within an option are called OPTION.NAME."""
    flat = [_flatten(run) for run in runs]
    return {name: value for name, value in flat[0].items() if all(name in run and run[name] == value for run in flat)}


def _flatten(entries: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in entries.items():
        found |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
