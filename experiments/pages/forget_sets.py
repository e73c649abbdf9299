"""Blocks of docs/forget_sets.md: requests of all sizes and kinds, and large ones in parts."""

from experiments.pages.blocks import block
from experiments.pages.columns import CELL, CLOSENESS, FROM_ORIGINAL, METHOD, RETRAINED, STEP, UNDONE, arrow, mean, of, table
from experiments.pages.comparisons import Comparison, comparisons
from experiments.reporting.main_table import MISSING, plain
from experiments.suite.cell import NOISE, QUICK_RIVALS
from experiments.suite.corrections import CELLS as CORRECTIONS
from experiments.suite.sizes import KINDS, SHARES

DATA = "ml-100k"
SIZES = tuple(sorted((*SHARES, NOISE), key=lambda spec: float(spec.split(":")[1])))
FORGOTTEN = {"forgotten": lambda one, _: one.forget}
RETRAINED_AUC = of("retrain", mean("auc", 4))


def of_model(model: str, forgets: tuple[str, ...]) -> list[Comparison]:
    """Comparisons of a model with these requests, in their order."""
    found = {one.forget: one for one in comparisons() if (one.dataset, one.model) == (DATA, model)}
    return [found[spec] for spec in forgets if spec in found]


@block
def sizes_and_kinds(model: str) -> str:
    """IFRU on every request, beside the closest of its quick rivals."""
    found = of_model(model, (*SIZES, "user:0.01", "user:0.05", *KINDS))
    auc = {heading: lambda one, method: f"{arrow('auc', 4)(one, method)} ({RETRAINED_AUC(one, '')})" for heading in RETRAINED}
    closest = {"closest other": lambda one, _: _closest(one)[0], "its figure": lambda one, _: _closest(one)[1]}
    return table(found, FORGOTTEN, STEP, auc, UNDONE, FROM_ORIGINAL, closest)


@block
def in_parts() -> str:
    """Large requests at once, in as many parts as IFRU takes, in ten, and fine-tuning."""
    found = [one for model in ("mf", "lightgcn-1") for one in of_model(model, SIZES) if "ifru-one-step" in one.methods]
    auc = {"AUC (retrained)": lambda one, method: f"{mean('auc', 4)(one, method)} ({RETRAINED_AUC(one, '')})"}
    methods = ("ifru-one-step", "ifru", "ifru-stream", "finetune-10x")
    return table(found, CELL, FORGOTTEN, METHOD, STEP, auc, UNDONE, CLOSENESS, methods=methods)


@block
def corrections() -> str:
    """Flipped labels set right instead of forgotten."""
    stems = [cell.name for cell in CORRECTIONS]
    auc = {"AUC (retrained)": lambda one, method: f"{mean('auc', 4)(one, method)} ({RETRAINED_AUC(one, '')})"}
    methods = ("original", "ifru", "warm-retrain", "finetune")
    return table([one for one in comparisons() if one.stem in stems], CELL, STEP, METHOD, auc, UNDONE, CLOSENESS, methods=methods)


def _closest(one: Comparison) -> tuple[str, str]:
    """The quick rival that is closest by forget gap, or by gap where the forgotten pairs have no retrained score."""
    figure = "gap" if one.mean("ifru", "forget_gap") is None else "forget_gap"
    known = {name: value for name in QUICK_RIVALS.split(",") if (value := one.mean(name, figure)) is not None}
    if not known:
        return MISSING, MISSING
    name = min(known, key=lambda name: abs(known[name] - 1))
    return f"`{name}`", f"{figure.replace('_', ' ')} {plain(known[name], 2)}"
