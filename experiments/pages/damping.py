"""The block of docs/damping_table.md: every variant of the study of the damping."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from experiments.pages.blocks import block
from experiments.reporting.main_table import markdown, plain
from experiments.reporting.records import read_records
from experiments.studies.damping import PATH


@block
def damping() -> str:
    """Means over the cells, and gap / forget gap / forget slope of each."""
    records = read_records(PATH)
    variants: dict[tuple, dict[str, dict[str, float]]] = defaultdict(dict)
    for r in records:
        variant = tuple(r["config"][name] for name in ("filter", "exponent", "num_steps", "ratio"))
        variants[variant][f"{r['dataset']}, {r['model']}"] = r["figures"]
    cells = list(dict.fromkeys(f"{r['dataset']}, {r['model']}" for r in records))
    rows = []
    for (name, exponent, steps, ratio), by_cell in sorted(variants.items()):
        slopes = [figures["forget_slope"] for figures in by_cell.values()]
        rows.append(
            [
                *(name, f"{exponent:g}", str(steps), f"{ratio:g}"),
                *(plain(float(np.mean([figures[f] for figures in by_cell.values()])), 3) for f in ("gap", "forget_gap")),
                f"{min(slopes):.2f} – {max(slopes):.2f}",
                *("/".join(f"{by_cell[cell][f]:.2f}" for f in ("gap", "forget_gap", "forget_slope")) for cell in cells),
            ]
        )
    return markdown(["filter", "exponent", "steps", "c", "mean gap", "mean forget gap", "slopes", *cells], rows)
