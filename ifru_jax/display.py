"""How results look in a notebook: tables and pictures by themselves, all with the same colours.

Colours are of the palette of Okabe and Ito, which readers with a colour deficiency can tell apart; signs and words say the same
once more. A picture carries its content as a text, for those who don't see it. On a phone it is as wide as the page, and its words
are still large enough to be read; a table that is wider is moved by a finger.

>>> print(table("Two numbers", ("", "value"), [("a < b", 1.5)]))
<div style="overflow-x:auto"><table><caption>Two numbers</caption><thead><tr><th></th><th>value</th></tr></thead>
<tbody><tr><td>a &lt; b</td><td>1.5</td></tr></tbody></table></div>
"""

import base64
import importlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic

COLOURS = {
    **{"for": "#0072B2", "against": "#D55E00"},
    **{"original": "#E69F00", "unlearned": "#0072B2", "retrained": "#555555"},
    **{"pass": "#009E73", "fail": "#D55E00", "cannot tell": "#999999", "not judged": "#999999"},
}
"""By what is shown."""

_STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}


@dataclass(frozen=True)
class Mark:
    """A word of a table in a colour.

    Attributes:
      text: what it says, also without the colour.
      kind: among COLOURS.
    """

    text: str
    kind: str


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = "") -> str:
    """A table of HTML; whatever it is given is text and no markup, floats are rounded, None is a dash."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    below = f"<p>{escape(note)}</p>" if note else ""
    content = f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{content}</div>{below}'


def _cell(value: Any) -> str:
    if isinstance(value, Mark):
        return f'<span style="color:{COLOURS[value.kind]}">{escape(value.text)}</span>'
    return escape(shown(value))


def shown(value: Any) -> str:
    """A value for people."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that a notebook shows by itself.

    Attributes:
      figure: of matplotlib, to be changed or saved.
      alt: what is to be seen, in words.
    """

    figure: Any
    alt: str

    def __repr__(self) -> str:
        return f"Picture({self.alt})"

    def _repr_html_(self) -> str:
        image = base64.b64encode(self._written("png")).decode()
        return f'<img alt="{escape(self.alt)}" style="max-width:100%;height:auto" src="data:image/png;base64,{image}">'

    def save(self, path: str | Path) -> None:
        """Writes the file whole or not at all; its ending says the kind, such as .png, .svg or .pdf."""
        path = Path(path)
        write_atomic(path, self._written(path.suffix.removeprefix(".") or "png"))

    def _written(self, kind: str) -> bytes:
        content = io.BytesIO()
        self.figure.savefig(content, format=kind, dpi=130)
        return content.getvalue()


def bars(title: str, names: Sequence[str], values: Sequence[float], kinds: Sequence[str], *, unit: str) -> Picture:
    """Horizontal bars, the first on top, and the same in words.

    Args:
      title: above.
      names, values: of each.
      kinds: whose colour each takes, among COLOURS.
      unit: below the axis.
    """
    picture, axes = _empty(height=1.2 + 0.32 * max(len(names), 1))
    axes.barh(range(len(names)), values, color=[COLOURS[kind] for kind in kinds])
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.axvline(0, color=COLOURS["retrained"], linewidth=0.8)
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left", fontsize=10, wrap=True)
    told = "; ".join(f"{name} {value:.3g}" for name, value in zip(names, values, strict=True))
    return Picture(picture, f"{title}. {unit}: {told or 'nothing'}")


@dataclass(frozen=True)
class Within:
    """A figure of two models beside retrained ones.

    Attributes:
      name: of the figure.
      original, unlearned, retrained: its values.
      low, high: between which it passes; None is no limit on that side, and one side has one.
    """

    name: str
    original: float
    unlearned: float
    retrained: float
    low: float | None
    high: float | None

    def place(self, value: float) -> float:
        """0 where retrained models are, −1 and 1 at the limits, from the retrained to the limit on either side."""
        limit = self.high if self.low is None or (self.high is not None and value >= self.retrained) else self.low
        width = abs((self.retrained if limit is None else limit) - self.retrained)
        # Where the limit is the value of the retrained models itself, whatever differs is beyond.
        return (value - self.retrained) / max(width, 1e-12)


def limits(title: str, rows: Sequence[Within]) -> Picture:
    """Every figure of the original and of the unlearned model, by how far it is from retrained ones, in units of the limit."""
    picture, axes = _empty(height=1.4 + 0.3 * max(len(rows), 1))
    for who, marker in (("original", "o"), ("unlearned", "D")):
        places = [row.place(row.original if who == "original" else row.unlearned) for row in rows]
        axes.scatter(places, range(len(rows)), color=COLOURS[who], marker=marker, label=who, zorder=3)
    axes.set_xscale("symlog", linthresh=1)
    edge = 2 * max([1.0, *(abs(place) for row in rows for place in (row.place(row.original), row.place(row.unlearned)))])
    for number, row in enumerate(rows):
        left, right = -edge if row.low is None else -1, edge if row.high is None else 1
        axes.barh(number, right - left, left=left, height=0.8, color=COLOURS["pass"], alpha=0.15)
    axes.set_xlim(-edge, edge)
    # Few, so that they stand apart on a narrow picture.
    far = 10 ** np.floor(np.log10(edge))
    ticks = sorted({-far, -1.0, 0.0, 1.0, far})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(0, color=COLOURS["retrained"], linewidth=0.8)
    axes.set_yticks(range(len(rows)), [_short(row.name, 22) for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.set_xlabel("retrained models 0, limit 1")
    axes.set_title(title, loc="left", fontsize=10, wrap=True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12 - 0.6 / (1 + len(rows))), ncols=2, frameon=False)
    told = "; ".join(
        f"{row.name}: original {row.place(row.original):.2f}, unlearned {row.place(row.unlearned):.2f}" for row in rows
    )
    return Picture(picture, f"{title}. Distance from retrained models, 1 at the limit. {told or 'Nothing is judged'}")


def curves(title: str, lines: Mapping[str, Sequence[float]], *, across: str, up: str) -> Picture:
    """Lines by their place, both axes logarithmic.

    Args:
      title: above.
      lines: values of each, positive.
      across, up: what the axes are.
    """
    picture, axes = _empty(height=3.2)
    for (name, values), colour in zip(lines.items(), (COLOURS["unlearned"], COLOURS["original"]), strict=False):
        axes.plot(range(1, len(values) + 1), values, color=colour, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title, loc="left", fontsize=10, wrap=True)
    axes.legend(frameon=False)
    told = "; ".join(f"{name} from {values[0]:g} down to {values[-1]:g}" for name, values in lines.items() if len(values))
    return Picture(picture, f"{title}. {up}, by {across}: {told or 'nothing'}")


def _empty(*, height: float, width: float = 4.6) -> tuple[Any, Any]:
    """A figure of matplotlib, in inches, and its axes, without a window or global state.

    Raises:
      DataError: matplotlib isn't installed.
    """
    try:
        mpl, module = importlib.import_module("matplotlib"), importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise DataError('pictures need matplotlib: pip install ".[plot]" in the folder of ifru_jax.') from error
    with mpl.rc_context(_STYLE):
        figure = module.Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
