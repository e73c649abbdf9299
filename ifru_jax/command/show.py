"""Answers as tables for people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ifru_jax.store import Answer, Preview, Spent, Verdict

WIDTH = 120  # of a file or a pipe, which has none of its own
SHOWN = 20  # rows of a table of ids


def console() -> Console:
    """On stdout."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(width=WIDTH, highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table of values as they are."""
    shown = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(escape("" if value is None else str(value)) for value in row))
    console().print(shown)


def say(text: str) -> None:
    """A line as it is."""
    console().print(escape(text), soft_wrap=True)


def answers(found: Sequence[Any]) -> None:
    """What became of every id, the first of many."""
    table(("asked for", "found"), [(str(one), one.found) for one in found[:SHOWN]])
    if len(found) > SHOWN:
        say(f"… and {len(found) - SHOWN} more (all of them with --json)")


def answer(found: Answer) -> None:
    """A request that was answered."""
    answers(found.answers)
    if found.report is None:
        say("Nothing was left to do; the request is on record.")
    else:
        report = found.report
        parts = [f"{report.forgotten} interactions forgotten", f"{report.corrected} corrected"]
        parts = [part for part in parts if not part.startswith("0 ")] or ["the model is the same"]
        held = f", and {found.held_out} of those held out of training" if found.held_out else ""
        say(f"{', '.join(parts)}{held}, in {report.seconds['total']:.2f} s. {report.status.name}: {report.status.message}")
        along = [f"{report.users_taken_along} users"] * bool(report.users_taken_along)
        along += [f"{report.items_taken_along} items"] * bool(report.items_taken_along)
        if along:
            say(f"{' and '.join(along)} lost their last interaction and went along.")
    if found.settled is not None:
        say(f"The budget of errors was spent, so all quick answers were settled at once (line {found.settled} of the record).")
    if found.spent is not None:
        budget(found.spent)
    say(f"Line {found.number} of the record." + (f" It can be undone until {found.undo_until}." if found.undo_until else ""))
    for path in found.elsewhere:
        say(f"Outside of the store: {path} may still hold it.")


def preview(found: Preview) -> None:
    """What a request would do."""
    answers(found.answers)
    rows: list[tuple[str, Any]] = [
        ("interactions", f"{found.interactions} of those learned from ({found.share:.2%}), {found.held_out} held out"),
        *((f"within {hop} hops" if hop else "named or at its ends", _both(ball)) for hop, ball in enumerate(found.hops)),
    ]
    for side, ids in found.along.items():
        if ids:
            rows.append((f"{side} that go along", ", ".join(map(str, ids[:SHOWN])) + (" …" if len(ids) > SHOWN else "")))
    if found.score_change:
        rows.append(("their scores change by", "{mean:.3g} on average, {largest:.3g} at the most".format(**found.score_change)))
    if found.overlap:
        rows.append(("top lists keep", "{mean:.1%} on average, {smallest:.1%} at the least".format(**found.overlap)))
    if found.seconds is not None:
        rows.append(("seconds, about", f"{found.seconds:.2f}"))
    if found.spent is not None and found.spent.distance != 0:
        rows.append(("quick answers so far", _distance(found.spent)))
    table(("", ""), rows)
    if found.advice:
        say(f"Advice: {found.advice}")
    say("Nothing was written.")


def budget(found: Spent) -> None:
    """What is spent, where anything is, and what to do about it."""
    if found.distance != 0:
        say(f"Quick answers: {_distance(found)}.")
    if found.advice:
        say(f"Advice: {found.advice}")


def _distance(found: Spent) -> str:
    """Of quick answers to what settles them."""
    if found.distance is None:
        return "nobody knows how far they are from what settles them"
    allowed = "" if found.budget.settle_at is None else f", of {found.budget.settle_at:.2%} allowed"
    return f"about {found.distance:.2%} of the model from what settles them{allowed}"


def _both(ball: Mapping[str, int]) -> str:
    return f"{ball['users']} users, {ball['items']} items"


def history(lines: Sequence[Mapping[str, Any]]) -> None:
    """The lines of the journal."""
    rows = []
    for line in lines:
        asked = ", ".join(f"{count} {name}" for name, count in line.get("asked", {}).items())
        what = (asked or _what(line)) + (", quick" if line.get("quick") else "")
        undo = "undone" if line.get("undone") else f"until {until}" if (until := line.get("can_be_undone_until")) else ""
        left = line.get("counts", {}).get("interactions")
        off = "" if line.get("distance") is None else f"{line['distance']:.2%}"
        rows.append((line["number"], line["time"], line["kind"], what, left, line.get("status"), off, undo))
    table(("line", "time", "kind", "what", "interactions left", "status", "off by", "undo"), rows)


def _what(line: Mapping[str, Any]) -> str:
    if line["kind"] == "undo":
        return f"line {line['undoes']}"
    if line["kind"] == "destroyed":
        return f"the states before lines {', '.join(map(str, line['steps']))}"
    if line["kind"] == "settle":
        return "the budget was spent" if line.get("triggered") else ""
    if line["kind"] == "migrate":
        return f"from format {line['from']} to {line['to']}"
    return str(line.get("file") or line.get("verdict") or "")


def verdict(found: Verdict) -> None:
    """Of a record."""
    say(f"{'The record holds' if found.holds else 'The record was changed'}: {found.why}.")
    say(f"{found.lines} lines; the digest of the last is {found.head}: note it elsewhere, and give it as --head next time.")
    if not found.sealed:
        say("The seals were not looked at: give the key to find out whether all lines were written anew.")
