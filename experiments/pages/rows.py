"""Block of docs/step.md: Adam on the rows of a batch beside Adam on all."""

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import markdown, plain
from experiments.studies.rows import PATH

_MODELS = ("original", "retrained", "unlearned")


@block
def rows_of_a_batch() -> str:
    """A row per data set and optimiser."""
    table = []
    for _, line in read_lines(PATH):
        figures = line["figures"]
        auc = (
            f"{plain(figures[f'auc.{n}'], 4)} ± {plain(figures[f'auc_std.{n}'], 4)}" for n in ("original", "retrained", "unlearned")
        )
        moved = "of its batch" if line["sparse"] else "all"
        undone = plain(figures["forget_undone"], 2), plain(figures["slope"], 2)
        table.append([line["dataset"], moved, plain(figures["epochs"], 0), *auc, *undone])
    heads = ["data", "rows that a step moves", "epochs", "AUC: original", "retrained", "unlearned", "undone", "slope"]
    return markdown(heads, table) if table else "Not measured yet."
