"""Marked blocks of Markdown pages, and the functions that fill them.

    <!-- results: NAME ARGUMENTS -->
    what the function NAME gives, called with these arguments
    <!-- /results -->

A mark at the start of a line makes a block of its own, one within a line a number in a sentence. Prose is in the pages and never
here; functions give tables, numbers, and lists of names.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from ifru_jax.errors import DataError

_BLOCK = re.compile(r"(^)?<!-- results: ([^>]+?) -->.*?<!-- /results -->", re.DOTALL | re.MULTILINE)
MAKERS: dict[str, Callable[..., str]] = {}
Maker = TypeVar("Maker", bound=Callable[..., str])


def block(make: Maker) -> Maker:
    """Registers a function by its name, with hyphens; no two have one name."""
    if MAKERS.setdefault(make.__name__.replace("_", "-"), make) is not make:
        raise DataError(f"two functions make the block {make.__name__}: give one another name.")
    return make


def filled(text: str, *, page: str) -> str:
    """The page with every block made anew.

    Raises:
      DataError: a block that nobody makes; the message names page and block.
    """

    def fill(found: re.Match[str]) -> str:
        name, *arguments = found[2].split()
        if name not in MAKERS:
            raise DataError(f"{page} has a block {name!r} that nobody makes: choose among {', '.join(sorted(MAKERS))}.")
        gap = "\n\n" if found[1] is not None else ""
        return f"<!-- results: {found[2]} -->{gap}{MAKERS[name](*arguments).strip()}{gap}<!-- /results -->"

    return _BLOCK.sub(fill, text)


def blocks_of(text: str) -> list[str]:
    """Names of the blocks of a page, with their arguments."""
    return [found[2] for found in _BLOCK.finditer(text)]
