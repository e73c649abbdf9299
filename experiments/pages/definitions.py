"""The block of docs/figures.md: what each figure means."""

from experiments.pages.blocks import block
from experiments.reporting.definitions import FIGURES


@block
def figures() -> str:
    """Name and meaning."""
    return "\n".join(["| figure | meaning |", "| --- | --- |", *(f"| `{name}` | {what} |" for name, what in FIGURES.items())])
