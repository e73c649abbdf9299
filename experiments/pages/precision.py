"""Block of docs/scale.md: tables read in bfloat16 beside float32."""

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import MISSING, markdown, plain
from experiments.studies.precision import PATH


@block
def precision() -> str:
    """A row per model and precision."""
    table = []
    for _, line in read_lines(PATH):
        figures = line["figures"]
        auc = (
            f"{plain(figures[f'auc.{n}'], 4)} ± {plain(figures[f'auc_std.{n}'], 4)}" for n in ("original", "retrained", "unlearned")
        )
        undone = plain(figures["forget_undone"], 2), plain(figures["slope"], 2)
        apart = f"{100 * figures['apart']:.2f}" if "apart" in figures else MISSING
        table.append([line["model"], line["precision"], *auc, *undone, apart])
    heads = ["model", "tables are read in", "AUC: original", "retrained", "unlearned", "undone", "slope"]
    return markdown([*heads, "bfloat16 takes its step elsewhere by, % of its length"], table) if table else "Not measured yet."
