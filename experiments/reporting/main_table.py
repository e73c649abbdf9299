"""The main table of a comparison: methods are rows, and the same cells go to the terminal and into Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

MISSING = "–"


def plain(value: float | None, digits: int = 3) -> str:
    """Fixed digits, or an exponent where they would be too many."""
    if value is None:
        return MISSING
    if abs(value) >= 1e5:
        return f"{value:.1e}"
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before a zero


def number(value: float | None) -> str:
    """A count that may be a fraction: 3.5, 1,234."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Seconds with three significant digits: 0.0123, 1.23, 123, 12,345."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def times(value: float | None) -> str:
    """A speed-up: 0.52×, 8.4×, 312×."""
    if value is None:
        return MISSING
    return f"{value:,.0f}×" if value >= 100 else f"{value:.1f}×" if value >= 1 else f"{value:.2f}×"


# Heading, figure, how to show a number, and whether its standard deviation is shown.
COLUMNS: tuple[tuple[str, str, Callable[[float | None], str], bool], ...] = (
    ("AUC", "auc", lambda value: plain(value, 4), True),
    ("AUC-or", "auc_or", lambda value: plain(value, 4), False),
    ("AUC-and", "auc_and", lambda value: plain(value, 4), False),
    ("undone", "forget_undone", lambda value: plain(value, 2), False),
    ("slope", "slope", lambda value: plain(value, 2), False),
    ("gap", "gap", lambda value: plain(value, 2), False),
    ("forget gap", "forget_gap", lambda value: plain(value, 2), False),
    ("forget loss", "forget_loss", plain, False),
    ("seconds", "seconds.total", seconds, False),
    ("speed-up", "speedup_vs_retrain", times, False),
)


def cells(figures: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """The row of one method, without its name."""
    row = []
    for _, figure, show, with_std in COLUMNS:
        value = figures.get(figure, {})
        text = show(value.get("mean"))
        if with_std and value.get("std") is not None:
            text += f" ± {show(value['std'])}"
        row.append(text)
    return row


def caption(summary: Mapping[str, Any]) -> str:
    """Which comparison it is, and what the speed-up is against."""
    return f"{heading(summary)}; ± is over seeds, speed-up against retraining in this comparison"


def heading(summary: Mapping[str, Any]) -> str:
    """Data set, model, what was forgotten, and how many seeds."""
    seeds = f"{summary['seeds']} seed" + ("" if summary["seeds"] == 1 else "s")
    return f"{summary['dataset']}, {summary['model']}, forget {summary['forget']}, {seeds}"


# Columns that a terminal of fewer than `FULL_WIDTH` columns goes without.
FULL_WIDTH = 110
DISPENSABLE = ("AUC-or", "AUC-and", "forget loss")


def rich_table(summary: Mapping[str, Any], *, width: int = FULL_WIDTH) -> Table:
    """A table for a terminal of `width` columns, 80 at least; headings of two words are broken."""
    table = Table(title=Text(caption(summary)), box=box.SIMPLE_HEAD, title_justify="left", collapse_padding=True)
    table.add_column("method", overflow="fold")
    shown = [width >= FULL_WIDTH or name not in DISPENSABLE for name, *_ in COLUMNS]
    for (name, *_), keep in zip(COLUMNS, shown, strict=True):
        if keep:
            table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    for method, figures in summary["methods"].items():
        row = [cell for cell, keep in zip(cells(figures), shown, strict=True) if keep]
        table.add_row(Text(method), *row)  # Text: a name is no markup
    return table


def markdown_table(summary: Mapping[str, Any]) -> str:
    """The same table as Markdown, without caption."""
    rows = [[method, *cells(figures)] for method, figures in summary["methods"].items()]
    return markdown(["method", *(name for name, *_ in COLUMNS)], rows)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, first column left-aligned, the others right; a bar inside a cell is escaped."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
