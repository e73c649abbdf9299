"""Confined requests."""

from .fault import faults
from .tests import CONFINED_ALONG, END

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
            "curvature_product(config, objective.holding(fixed), local, after)",
            "curvature_product(config, objective.holding(fixed), local, Batch(after.examples, before.graph))",
        ),
        (
            "H of a confined problem is that of the data before",
            "curvature_product(config, objective.holding(fixed), local, after)",
            "curvature_product(config, objective.holding(fixed), local, before)",
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
    *faults(
        "unlearning/local/along.py",
        CONFINED_ALONG,
        ("b_1 of a confined problem has no spillover", "rhs = optax.tree.add(direct, spillover)", "rhs = direct"),
        ("every segment of a confined problem has the force of the first", "Force(rhs, number == 0)", "Force(rhs, number >= 0)"),
        (
            "H of a confined segment is taken at θ_k",
            "hessian_product(at(delta), sides.after)",
            "hessian_product(at(delta) | known.params, sides.after)",
        ),
        (
            "H of a confined segment is that of the data before",
            "hessian_product(at(delta), sides.after)",
            "hessian_product(at(delta), sides.before)",
        ),
        ("all of a confined problem is touched", "jnp.where(changed, of.examples.weights, 0)", "of.examples.weights"),
        (
            "a batch is drawn out of the confined problem",
            "(problem.counts[0], problem.counts[1])",
            "(jnp.sum(before.examples.weights), jnp.sum(after.examples.weights))",
        ),
        ("touched interactions stand alone", "if part.leaders is None:", "if True:"),
        ("P of the confined record stays", "optax.tree.sub(found.applied, known.applied)", "optax.tree.zeros_like(known.applied)"),
        ("the products of the last segment alone", "num_steps=jnp.sum(solutions.num_steps)", "num_steps=solutions.num_steps[-1]"),
    ),
    *faults(
        "unlearning/local/step.py",
        CONFINED_ALONG,
        ("a step that went astray is taken", "    if astray:\n", "    if False:\n"),
        ("the confined record forgets nothing", "state.record.without(change.after, moved.way.segments)", "state.record"),
        (
            "what flows in along the way is that of before",
            "zip(model.way.propagations, [of.params for of in segments], strict=True)",
            "zip(model.way.propagations, [of.params for of in model.way.segments], strict=True)",
        ),
        (
            "rows without data stay in the confined record",
            "return _without(tables, _added(tables, params, (steps.users, steps.items), by), lost)",
            "return _added(tables, params, (steps.users, steps.items), by)",
        ),
    ),
    *faults(
        "unlearning/prepare.py",
        CONFINED_ALONG,
        (
            "a budget follows the training",
            "everything = step.max_edges is None if confined else",
            "everything = True if confined else",
        ),
        (
            "what another record propagated is used",
            '        object.__setattr__(found, "on_the_way", ())\n        return found\n\n    def with_propagations',
            "        return found\n\n    def with_propagations",
        ),
    ),
]
