"""Blocks of docs/step.md: parts of the data sets, and other files, that nobody tuned for."""

from collections.abc import Callable

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import markdown, plain
from experiments.studies.parts import FILES, PATH


@block
def parts() -> str:
    """A row per part and model."""
    return _table("part", lambda name: name not in FILES)


@block
def other_files() -> str:
    """A row per file and model."""
    return _table("data", lambda name: name in FILES)


def _table(of: str, shown: Callable[[str], bool]) -> str:
    heads = [f"{of}, model", "interactions", "undone", "between", "slope", "undone, test pairs", "forget gap (ideal)"]
    heads += ["AUC: original", "unlearned", "retrained"]
    table = []
    for _, line in read_lines(PATH):
        if not shown(line["cell"].split("_")[0]):
            continue
        found = line["figures"]
        ends = [found[f"forget_undone_{end}"] for end in ("low", "high")]
        between = "–" if None in ends else " – ".join(plain(end, 2) for end in ends)
        gap = f"{plain(found['forget_gap.unlearned'], 2)} ({plain(found['ideal_forget_gap'], 2)})"
        auc = [plain(found[f"auc.{role}"], 4) for role in ("original", "unlearned", "retrained")]
        auc[-1] += f" ± {plain(found['auc_std.retrained'], 4)}"
        shares = plain(found["forget_undone"], 2), between, plain(found["slope"], 2), plain(found["undone"], 2)
        table.append([line["cell"].replace("_", ", "), f"{line['size']['interactions']:,}", *shares, gap, *auc])
    return markdown(heads, table) if table else "Not measured yet."
