"""The step from the end of a training."""

from .fault import faults
from .tests import END, REAL_DATA

FROM_THE_END = [
    *faults(
        "unlearning/whole.py",
        END,
        (
            "H is on the graph before the deletion",
            "state.params, rhs, change.after.batch, rows, on_device(state.floor)",
            "state.params, rhs, replace(change.after.batch, graph=change.before.graph), rows, state.floor",
        ),
        (
            "H is divided by |D_r| instead of N",
            "StepProblem(objective, state.params, rhs",
            "StepProblem(replace(objective, total=float(len(change.after))), state.params, rhs",
        ),
        ("b has no spillover", "change, spillover=state.step.spillover)", 'change, spillover="none")'),
    ),
    *faults(
        "unlearning/prepare.py",
        END,
        ("λ from |t_max| instead of |t_min|", "max(-lowest, CONVEX_SHARE * largest)", "largest"),
        ("the spectrum from three products", "SPECTRUM_STEPS = 20", "SPECTRUM_STEPS = 3"),
        (
            "the scale of the spectrum is not divided by c",
            "return self.damping.scale / SPECTRUM_RATIO[self.step.filter]",
            "return self.damping.scale",
        ),
        (
            "the graph is not swapped",
            "params=params, training_set=change.after)",
            "params=params, training_set=replace(change.after, graph=change.before.graph))",
        ),
    ),
    *faults(
        "unlearning/prepare.py",
        END,
        (
            "the next request has a λ of its own",
            "return found.with_propagations(propagations, on_the_way)",
            "found = replace(found, damping=_spectrum(found, self.step)).with_record(record)\n"
            "        return found.with_propagations(propagations, on_the_way)",
        ),
        (
            "the next request is divided by |D_r| instead of N",
            "replace(self, params=params, training_set=change.after)",
            "replace(self, params=params, training_set=change.after, objective=replace(self.objective, total=len(change.after)))",
        ),
    ),
    *faults(
        "unlearning/prepare.py",
        REAL_DATA,
        ("nineteen products to the spectrum", "SPECTRUM_STEPS = 20", "SPECTRUM_STEPS = 19"),
    ),
    *faults("solvers/spectral.py", f"{END} | {REAL_DATA}", ("c is 2.4", '"gradient-flow": 2.5', '"gradient-flow": 2.4')),
    *faults(
        "unlearning/config.py",
        f"{END} | {REAL_DATA}",
        ("the exponent of the metric is .42", "metric_exponent: float = 0.4", "metric_exponent: float = 0.42"),
        ("nine products", "    num_steps: int = 10", "    num_steps: int = 9"),
    ),
    *faults(
        "curvature/metric.py",
        END,
        ("degrees without the 1", "of_users, of_items = 1 + users, 1 + items", "of_users, of_items = users, items"),
        (
            "the median is that of the users",
            "median((of_users, of_items), examples.pairs.edges.real_sizes)",
            "median((of_users,), examples.pairs.edges.real_sizes[:1])",
        ),
    ),
    *faults(
        "unlearning/step.py",
        END,
        ("rows without data stay", "clear_rows(model.tables, values, without_data(retained))", "values"),
    ),
]
