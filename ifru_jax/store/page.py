"""A page of a store for people: what was asked and when, what came of it, and what still lies elsewhere. One file, no network.

It is made of the journal alone, so it names nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from ifru_jax.store.budget import Spent
from ifru_jax.store.record import Verdict

Lines = Sequence[Mapping[str, Any]]
GENERATOR = "ifru_jax.store"
_WIDTH, _HEIGHT, _MARGIN = 720, 160, 6
_STYLE = """
:root { color-scheme: light dark;
  --ink: #1c2733; --paper: #fff; --faint: #68788a; --line: #d5dde5; --blue: #2b6cb0; --red: #b03a2e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dde5ec; --paper: #14191f; --faint: #93a1b0; --line: #33404d; --blue: #7db3ea; --red: #ec8a7e; }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; }
body { color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.numbers { display: flex; flex-wrap: wrap; gap: .5rem 2rem; padding: 0; list-style: none; }
.numbers b, .numbers span { display: block; } .numbers b { font-size: 1.3rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; min-width: 100%; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.faint, figcaption { color: var(--faint); } .bad { color: var(--red); }
figure { margin: 1rem 0; } figure > span { display: block; font-size: .75rem; } figcaption { font-size: .875rem; }
.ends { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; font-size: .75rem; }
svg { display: block; width: 100%; height: 10rem; overflow: visible; } svg path { vector-effect: non-scaling-stroke; fill: none; }
svg .axis { stroke: var(--line); } svg .limit { stroke: var(--red); stroke-dasharray: 6 4; }
svg .drawn { stroke: var(--blue); stroke-width: 2; }
svg .dot { stroke: var(--blue); stroke-width: 6; stroke-linecap: round; }
code { overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Told:
    """What a page tells.

    Attributes:
      name: of the store.
      history: `Store.history`.
      record: whether it holds.
      spent: of the budget of errors.
      elsewhere: files outside of the store that a request doesn't reach.
    """

    name: str
    history: Lines
    record: Verdict
    spent: Spent
    elsewhere: Sequence[str] = ()


def is_page(file: Path) -> bool:
    """Whether a file is such a page."""
    with open(file, "rb") as content:
        return f'name="generator" content="{GENERATOR}"'.encode() in content.read(1000)


def page(told: Told) -> str:
    """The page as HTML."""
    steps = [line for line in told.history if "interactions" in line.get("counts", {})]
    asked = [line for line in told.history if line["kind"] in ("forget", "correct")]
    left = [(line["time"], line["counts"]["interactions"]) for line in steps]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{GENERATOR}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(told.name)}: what was erased</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(told.name)}: what was erased</h1>
{_numbers(steps[-1]["counts"], asked)}
{_record(told.record)}
<h2>What is left</h2>
{_drawing(left, "interactions that the model stands for", joined=True)}
<h2>How long answers took</h2>
{_drawing([(line["time"], line["seconds"]) for line in asked if line.get("seconds")], "seconds of a step")}
{_budget(told.spent, told.history)}
{_verified([line for line in told.history if line["kind"] == "verify"])}
<h2>Line by line</h2>
{_table(("line", "time (UTC)", "kind", "asked", "found", "forgotten", "status", "undo"), map(_row, told.history))}
{_elsewhere(told.elsewhere)}
</body>
</html>
"""


def _numbers(counts: Mapping[str, int], asked: Lines) -> str:
    found = [(len(asked), "requests"), *((counts[name], f"{name} left") for name in ("interactions", "users", "items"))]
    cells = "".join(f"<li><b>{number:,}</b><span>{escape(name)}</span></li>" for number, name in found)
    return f'<ul class="numbers">{cells}</ul>'


def _record(record: Verdict) -> str:
    mark = "" if record.holds else ' class="bad"'
    seals = "" if record.sealed else " The seals were not looked at, which takes the key."
    return (
        f"<p{mark}>The record {'holds' if record.holds else 'was changed'}: {escape(record.why)}.{seals}</p>"
        f'<p class="faint">{record.lines} lines, the last with the digest <code>{record.head}</code></p>'
    )


def _budget(spent: Spent, history: Lines) -> str:
    """What of it is spent now, how estimates went up and down, and how far quick answers really were from what settled them."""
    budget = spent.budget
    limit = "any" if budget.settle_at is None else _share(budget.settle_at)
    rows = [
        ("quick answers, estimated distance to the settled model", _share(spent.distance), limit),
        ("interactions that changed since the beginning", _share(spent.share), _share(budget.retrain_at)),
        ("the gradient, in times of that of the beginning", _times(spent.growth), _times(budget.growth)),
        ("decrease of the objective by the last step, in times of what was promised", _times(spent.linearity), "0.5 to 2"),
    ]
    todo = f'<p class="bad">Now: {escape(spent.advice)}</p>' if spent.advice else ""
    steps = [line for line in history if line.get("quick") or line["kind"] == "settle"]
    over = [(line["time"], 100 * (line.get("distance") or 0.0) * bool(line.get("quick"))) for line in steps]
    found = [(line["time"], line["error"]) for line in steps if line["kind"] == "settle" and line.get("error") is not None]
    allowed = None if budget.settle_at is None else 100 * budget.settle_at
    caption = "estimated distance to the settled model, in % of its size" + ("; dashed: what is allowed" if allowed else "")
    drawn = _drawing(over, caption, joined=True, limit=allowed) if over else ""
    drawn += _drawing(found, "distance that settling found, as a share of the whole step") if found else ""
    return f"<h2>The budget of errors</h2>{todo}{_table(('what', 'is', 'allowed'), rows)}{drawn}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"


def _times(value: float | None) -> str:
    return "not measured yet" if value is None else f"{value:.2f}"


def _verified(lines: Lines) -> str:
    if not lines:
        return ""
    rows = [(line["number"], _moment(line["time"]), line["step"], line["verdict"], line["why"], line["seeds"]) for line in lines]
    return f"<h2>Compared with retraining</h2>{_table(('line', 'time (UTC)', 'of line', 'verdict', 'why', 'retrained'), rows)}"


def _elsewhere(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    found = "".join(f"<li><code>{escape(path)}</code></li>" for path in paths)
    return f"<h2>What lies elsewhere</h2><p>These files are there, and no request changes them.</p><ul>{found}</ul>"


def _row(line: Mapping[str, Any]) -> tuple[Any, ...]:
    asked = ", ".join(_counted(count, name) for name, count in line.get("asked", {}).items())
    answers = ", ".join(f"{count:,} {found}" for found, count in line.get("answers", {}).items() if count)
    kind = f"{line['kind']}, quick" if line.get("quick") else line["kind"]
    until = line.get("can_be_undone_until")
    undo = "undone" if line.get("undone") else f"until {_moment(until)}" if until else ""
    what = asked or (f"line {line['undoes']}" if "undoes" in line else "")
    return (
        line["number"],
        _moment(line["time"]),
        kind,
        what,
        answers,
        line.get("evidence", {}).get("forgotten"),
        line.get("status"),
        undo,
    )


def _counted(count: int, name: str) -> str:
    """ "1 user", "2 users"."""
    return f"{count:,} {name.removesuffix('s') if count == 1 else name}"


def _moment(time: str) -> str:
    """To the second, in one piece; all are in UTC."""
    return escape(time.replace("T", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}").removesuffix("Z"))


def _table(columns: Sequence[str], rows: Any) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{escape('' if value is None else str(value))}</td>"


def _drawing(points: Sequence[tuple[str, float]], caption: str, *, joined: bool = False, limit: float | None = None) -> str:
    """Values over time, from 0 up; joined by steps or as dots, with a line where the limit is."""
    if not points:
        return '<p class="faint">Nothing yet.</p>'
    times = [datetime.fromisoformat(time).timestamp() for time, _ in points]
    first, span, top = times[0], times[-1] - times[0] or 1.0, max(limit or 0.0, *(value for _, value in points), 0.0) or 1.0
    places = [
        ((time - first) / span * _WIDTH, _MARGIN + (1 - value / top) * (_HEIGHT - 2 * _MARGIN))
        for time, (_, value) in zip(times, points, strict=True)
    ]
    if joined:
        path = f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
        drawn = f'<path class="drawn" d="{path}H{_WIDTH}"/>'
    else:
        drawn = "".join(f'<path class="dot" d="M{x:.1f} {y:.1f}h0"/>' for x, y in places)
    if limit:
        height = _MARGIN + (1 - limit / top) * (_HEIGHT - 2 * _MARGIN)
        drawn += f'<path class="limit" d="M0 {height:.1f}H{_WIDTH}"/>'
    # What is written is beside the drawing, which is as wide as the page, so that it is never smaller than the rest.
    return (
        f'<figure><span class="faint">{top:,.4g}</span>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(caption)}">'
        f'<path class="axis" d="M0 0V{_HEIGHT}H{_WIDTH}"/>{drawn}</svg>'
        f'<div class="ends faint"><span>{_moment(points[0][0])}</span><span>{_moment(points[-1][0])}</span></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
