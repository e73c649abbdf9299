"""Links from the pages to files of the repository, which lie outside the site: a module leads to its place in the reference.

On a code host the links work as they stand; here `[scope.py](../ifru_jax/influence/scope.py)` becomes a reference to the module,
and any other file of the repository its name. A file that isn't there is reported as it would be for a page.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")
log = logging.getLogger("mkdocs.plugins.hooks")


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Called by MkDocs for every page."""
    folder = posixpath.dirname(page.file.src_uri)

    def resolved(link: re.Match[str]) -> str:
        text, target = link[1], posixpath.normpath(posixpath.join("docs", folder, link[2]))
        if target.startswith("docs/"):
            return link[0]
        if not (ROOT / target).exists():
            log.warning(f"{page.file.src_uri} links to {target}, which is not in the repository.")
        module = target.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        public = not any(part.startswith("_") for part in module.split("."))
        return f"[{text}][{module}]" if target.startswith("ifru_jax/") and target.endswith(".py") and public else text

    return LINK.sub(resolved, markdown)
