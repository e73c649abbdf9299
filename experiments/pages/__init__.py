"""From committed results to the marked blocks and pictures of docs/.

blocks          marked blocks of Markdown, and the registry of functions that fill them
comparisons     the committed comparisons, with their means
columns         what a table shows of a comparison
overview        docs/index.md
results         docs/results.md and docs/index.md
rivals          docs/rivals.md
any_model       docs/any_model.md
forget_sets     docs/forget_sets.md
published       docs/published.md
attribution     docs/attribution.md
audits          docs/verification.md
device, scale   docs/scale.md
precision       docs/scale.md
rows, frontier  docs/step.md
batches, parts  docs/step.md
sharding        docs/devices.md
stream          docs/budget.md
interop         docs/how-to/import.md
single_tables   docs/benchmark.md, docs/reliability.md, docs/damping_table.md, docs/step.md, docs/figures.md
pictures        docs/readme.svg and docs/paper
"""

from pathlib import Path

from experiments.pages import (
    any_model,
    attribution,
    audits,
    batches,
    confined,
    device,
    forget_sets,
    frontier,
    interop,
    no_record,
    overview,
    parts,
    precision,
    published,
    results,
    rivals,
    rows,
    scale,
    sharding,
    single_tables,
    stream,
)
from experiments.pages.blocks import MAKERS, blocks_of, filled

# Importing them registers what they make.
SOURCES = (
    *(overview, results, rivals, attribution, audits, any_model, forget_sets, published),
    *(batches, parts, confined, no_record, device, precision, scale, sharding, rows, frontier, stream, interop, single_tables),
)
ROOT = Path(__file__).parents[2]
README_PICTURE, PAPER = ROOT / "docs" / "readme.svg", ROOT / "docs" / "paper"

__all__ = ["MAKERS", "PAPER", "README_PICTURE", "ROOT", "SOURCES", "blocks_of", "filled", "pages"]


def pages() -> list[Path]:
    """Pages with marked blocks."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in every if blocks_of(page.read_text())]
