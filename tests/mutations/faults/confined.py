"""Confined requests."""

from .fault import faults
from .tests import END

CONFINED = [
    *faults(
        "graph/subgraph.py",
        # Scores along edges are zero at padding whatever it weighs; a perceptron gathers its rows.
        "unlearning/test_shared_weights.py::test_a_confined_step_is_the_whole_one_in_scope",
        (
            "padding of a confined problem counts as retained",
            "for column in (terms.labels, terms.new_labels, np.ones(len(order)), terms.retained)),",
            "for column in (terms.labels, terms.new_labels)),\n"
            "        *(np.pad(weight.astype(dtype), (0, bucket.pairs - len(order)), constant_values=1)\n"
            "          for weight in (np.ones(len(order)), terms.retained)),",
        ),
    ),
    *faults(
        "unlearning/local/step.py",
        END,
        ("spillover=none is ignored in confined problems", 'if config.spillover == "none":', "if False:"),
        (
            "H of a confined problem is on the graph before",
            "curvature_product(config, objective, local, after, fixed)",
            "curvature_product(config, objective, local, Batch(after.examples, before.graph), fixed)",
        ),
        (
            "H of a confined problem is that of the data before",
            "curvature_product(config, objective, local, after, fixed)",
            "curvature_product(config, objective, local, before, fixed)",
        ),
    ),
    *faults(
        "unlearning/local/problem.py",
        END,
        ("degrees of a confined problem are those before", "= change.degrees_after, request", "= change.before.degrees, request"),
        (
            "the median is that of the rows in scope",
            "median = np.median(1 + np.concatenate([users, items]))",
            "median = np.median(1 + np.concatenate([users[part.users[:core_users]], items[part.items[:core_items]]]))",
        ),
    ),
]
