"""What is told of a quick answer."""

from .fault import faults
from .tests import REAL_DATA

ESTIMATED = [
    *faults(
        "unlearning/unsettled.py",
        "unlearning/test_unsettled.py",
        (
            "the residual is taken on the data before",
            "optax.tree.sub(origin.gradient, objective.gradient(params, retained))",
            "optax.tree.sub(origin.gradient, objective.gradient(origin.params, retained))",
        ),
        (
            "the residual is in half of the metric",
            "_norm(problem.to_params(problem.rhs)) / damping",
            "_norm(problem.rhs) / damping",
        ),
        (
            "the residual goes for a time of one",
            "_norm(problem.to_params(problem.rhs)) / damping",
            "_norm(problem.to_params(problem.rhs))",
        ),
        (
            "rows without data have moved",
            "clear_rows(objective.model.tables, optax.tree.sub(params, origin.params), lost)",
            "optax.tree.sub(params, origin.params)",
        ),
        (
            "the distance counts rows without data",
            "_norm(clear_rows(model.tables, optax.tree.sub(params, other), lost))",
            "_norm(optax.tree.sub(params, other))",
        ),
    ),
    *faults("unlearning/unsettled.py", REAL_DATA, ("half in place of .55", "FACTOR = 0.55", "FACTOR = 0.5")),
    *faults(
        "store/coverage.py",
        "store/test_coverage.py",
        ("an estimate learns from itself", 'line["distance"] / line["factor"] if', 'line["distance"] if'),
        ("what is to come scatters as little as its mean", "squares / nu * (1 + 1 / kappa)", "squares / nu / kappa"),
        ("the prior's mean is for nothing in the scatter", " + KAPPA * count / kappa * (mean - MEAN) ** 2", ""),
    ),
    *faults(
        "store/budget.py",
        "store/test_budget.py",
        ("what was undone counts", 'if one["number"] < line["undoes"]]', 'if one["number"] <= line["undoes"]]'),
        ("settling counts as a request", 'for line in steps if line["kind"] != "settle"]', "for line in steps]"),
        (
            "what nobody estimated is settled",
            "return self.distance is None or self.distance >",
            "return self.distance is not None and self.distance >",
        ),
    ),
]
