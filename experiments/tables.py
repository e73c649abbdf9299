"""Fills the marked blocks of README and docs, and their pictures, from the committed results.

    python -m experiments.tables            # rewrites the blocks of docs/ and README.md, docs/readme.svg and docs/paper
    python -m experiments.tables --check    # changes nothing; exit status 1 if a page is not what the results give

A few seconds, the pictures half a minute; trains nothing. Prose is written in the pages by hand, `experiments.pages` makes what
stands between <!-- results: NAME --> and <!-- /results -->.
"""

import sys

from experiments.pages import PAPER, README_PICTURE, ROOT, filled, pages
from experiments.pages.pictures import is_current, write_pictures, write_readme_picture
from experiments.run.command_line import command
from ifru_jax.files import write_atomic


def tables(check: bool = False) -> int:
    """Fills the blocks.

    Args:
      check: compare only.

    Returns:
      With `check` 1 if anything is not up to date, else 0.
    """
    made = {page: filled(page.read_text(), page=page.name) for page in pages()}
    stale = [page for page, text in made.items() if page.read_text() != text]
    current = is_current(README_PICTURE)
    if check:
        for page in [*stale, *([] if current else [README_PICTURE])]:
            sys.stderr.write(f"{page.relative_to(ROOT)} is not what the results give: run python -m experiments.tables\n")
        return int(bool(stale) or not current)
    for page in stale:
        write_atomic(page, made[page])
    if not current:
        write_readme_picture(README_PICTURE)
    write_pictures(PAPER)
    return 0


if __name__ == "__main__":
    command(tables, __doc__)
