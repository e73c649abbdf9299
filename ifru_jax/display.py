"""How results look in a notebook: tables and pictures by themselves, all with the same colours.

Colours are of the palette of Okabe and Ito, which readers with a colour deficiency can tell apart; signs and words say the same
once more. A picture carries its content as a text, for those who don't see it, and is never wider than the page.

>>> print(table("Two numbers", ("", "value"), [("a < b", 1.5)]))
<table><caption>Two numbers</caption><thead><tr><th></th><th>value</th></tr></thead>
<tbody><tr><td>a &lt; b</td><td>1.5</td></tr></tbody></table>
"""

import base64
import importlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ifru_jax.errors import DataError
from ifru_jax.files import write_atomic

COLOURS = {
    **{"for": "#0072B2", "against": "#D55E00"},
    **{"original": "#E69F00", "unlearned": "#0072B2", "retrained": "#555555"},
    **{"pass": "#009E73", "fail": "#D55E00", "not judged": "#999999"},
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
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>{below}"


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
    picture = empty_picture(height=1.2 + 0.32 * max(len(names), 1))
    axes = picture.subplots()
    axes.barh(range(len(names)), values, color=[COLOURS[kind] for kind in kinds])
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.axvline(0, color=COLOURS["retrained"], linewidth=0.8)
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left", fontsize=10, wrap=True)
    told = "; ".join(f"{name} {value:.3g}" for name, value in zip(names, values, strict=True))
    return Picture(picture, f"{title}. {unit}: {told or 'nothing'}")


def empty_picture(*, height: float, width: float = 6.4) -> Any:
    """A figure of matplotlib, in inches, without a window or global state.

    Raises:
      DataError: matplotlib isn't installed.
    """
    try:
        mpl, module = importlib.import_module("matplotlib"), importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise DataError('pictures need matplotlib: pip install ".[plot]" in the folder of ifru_jax.') from error
    with mpl.rc_context(_STYLE):
        return module.Figure(figsize=(width, height), layout="constrained")


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
