"""Block of docs/step.md: what Adam divided by."""

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import markdown, plain
from experiments.studies.batches import PATH


@block
def batches() -> str:
    """A row per cell."""
    heads = ["data, model", "batch, at the most", "before", "after", "P_r / P: retrained", "the step", "undone", "slope"]
    table = []
    for _, line in read_lines(PATH):
        found, sizes = line["figures"], [str(round(size)) for size in (line["batch_size"], *line["each"])]
        shares = (plain(found["retrained"], 3), plain(found["step"], 3))
        table.append([line["cell"], *sizes, *shares, plain(found["forget_undone"], 2), plain(found["slope"], 2)])
    return markdown(heads, table) if table else "Not measured yet."
