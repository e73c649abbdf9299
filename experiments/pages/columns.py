"""Columns of tables of comparisons: a heading, and what it shows of a method in a comparison."""

from collections.abc import Callable, Iterable, Mapping

from experiments.pages.comparisons import Comparison
from experiments.reporting.main_table import markdown, seconds, times

Show = Callable[[Comparison, str], str]
Columns = Mapping[str, Show]
FIDELITY = ("gap", "forget_gap", "forget_slope")


def table(found: Iterable[Comparison], *columns: Columns, methods: Iterable[str] = ("ifru",)) -> str:
    """A row for each of these methods in each comparison."""
    shown = {heading: show for some in columns for heading, show in some.items()}
    methods = tuple(methods)
    return markdown([*shown], [[show(one, method) for show in shown.values()] for one in found for method in methods])


def mean(figure: str, show: Callable[[float | None], str] | int = 2) -> Show:
    """The mean over seeds: with so many digits, or as `show` writes it."""
    return lambda one, method: (
        one.digits(method, figure, digits=show)[0] if isinstance(show, int) else show(one.mean(method, figure))
    )


def of(method: str, show: Show) -> Show:
    """The same of this method."""
    return lambda one, _: show(one, method)


def arrow(figure: str, digits: int = 2) -> Show:
    """Original → the method."""
    return joined(" → ", of("original", mean(figure, digits)), mean(figure, digits))


def joined(between: str, *shows: Show) -> Show:
    """Several in a cell."""
    return lambda one, method: between.join(show(one, method) for show in shows)


spread: Show = Comparison.spread
CELL: Columns = {"data, model": lambda one, _: one.cell}
NAME: Columns = {"data, model, request": lambda one, _: one.name}
STEP: Columns = {"step": lambda one, _: one.step}
MODEL: Columns = {"model": lambda one, _: one.model, "request": lambda one, _: one.forget}
METHOD: Columns = {"method": lambda _, method: f"`{method}`"}
RETRAINED: Columns = {
    "AUC original → IFRU (retrained)": lambda one, method: f"{arrow('auc', 4)(one, method)} ({one.spread('retrain')})"
}
THREE_AUC: Columns = {"AUC original": of("original", spread), "AUC retrained": of("retrain", spread), "AUC IFRU": spread}
UNDONE: Columns = {"undone, forgotten pairs": mean("forget_undone"), "slope": mean("slope"), "undone, test pairs": mean("undone")}
CLOSENESS: Columns = {figure.replace("_", " "): mean(figure) for figure in FIDELITY}
FROM_ORIGINAL: Columns = {**CLOSENESS, "gap": arrow("gap"), "forget gap": arrow("forget_gap")}
SECONDS: Columns = {"seconds": mean("seconds.total", seconds)}
SPEEDUP: Columns = {"against retraining": mean("speedup_vs_retrain", times)}
BASELINES = joined(" / ", *(mean(f"speedup_vs_{role}", times) for role in ("protocol", "fastest")))
