"""Blocks of docs/forget_sets.md: requests of all sizes and kinds, and large ones in parts."""

from __future__ import annotations

from experiments.pages.blocks import block
from experiments.pages.comparisons import Comparison, comparisons
from experiments.pages.results import FIDELITY
from experiments.reporting.main_table import MISSING, markdown, plain, seconds, times
from experiments.suite.cell import NOISE, QUICK_RIVALS
from experiments.suite.sizes import KINDS, SHARES

DATA = "ml-100k"
SIZES = tuple(sorted((*SHARES, NOISE), key=lambda spec: float(spec.split(":")[1])))
IN_PARTS = ("ifru-one-step", "ifru", "ifru-stream", "finetune-10x")


def of_model(model: str, forgets: tuple[str, ...]) -> list[Comparison]:
    """Comparisons of a model with these requests, in their order."""
    found = {one.forget: one for one in comparisons() if (one.dataset, one.model) == (DATA, model)}
    return [found[spec] for spec in forgets if spec in found]


@block
def sizes_and_kinds(model: str) -> str:
    """IFRU on every request, beside the closest of its quick rivals."""
    heads = ["forgotten", "AUC original → IFRU (retrained)", "gap", "forget gap", "forget slope", "closest other", "its figure"]
    rows = []
    for one in of_model(model, (*SIZES, "user:0.01", "user:0.05", *KINDS)):
        figure = "gap" if one.mean("ifru", "forget_gap") is None else "forget_gap"
        known = {name: value for name in QUICK_RIVALS.split(",") if (value := one.mean(name, figure)) is not None}
        closest = min(known, key=lambda name: abs(known[name] - 1)) if known else None
        rows.append(
            [
                one.forget,
                f"{one.arrow('auc', 4)} ({plain(one.mean('retrain', 'auc'), 4)})",
                one.arrow("gap"),
                one.arrow("forget_gap"),
                plain(one.mean("ifru", "forget_slope"), 2),
                MISSING if closest is None else f"`{closest}`",
                MISSING if closest is None else f"{figure.replace('_', ' ')} {plain(known[closest], 2)}",
                seconds(one.mean("ifru", "seconds.total")),
                times(one.mean("ifru", "speedup_vs_retrain")),
            ]
        )
    return markdown([*heads, "seconds", "against retraining"], rows)


@block
def in_parts() -> str:
    """Large requests at once, in as many parts as IFRU takes, in ten, and fine-tuning."""
    heads = ["data, model", "forgotten", "method", "AUC (retrained)", "gap", "forget gap", "forget slope", "seconds"]
    rows = [
        [
            one.cell,
            one.forget,
            f"`{method}`",
            f"{plain(one.mean(method, 'auc'), 4)} ({plain(one.mean('retrain', 'auc'), 4)})",
            *one.digits(method, *FIDELITY),
            seconds(one.mean(method, "seconds.total")),
        ]
        for model in ("mf", "lightgcn-1")
        for one in of_model(model, SIZES)
        if IN_PARTS[0] in one.methods
        for method in IN_PARTS
    ]
    return markdown(heads, rows)
