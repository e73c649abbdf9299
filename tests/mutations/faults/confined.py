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
            "for of in (terms.labels, terms.new_labels, np.ones(len(order)), terms.retained)),",
            "for of in (terms.labels, terms.new_labels)),\n"
            "        *(of_pairs.filled(of, 1, dtype) for of in (np.ones(len(order)), terms.retained)),",
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
        (
            "degrees of a confined problem are those before",
            "of_users, of_items = changes.degrees_after(core)",
            "of_users, of_items = (of[rows.values] for of, rows in zip(changes.before.degrees, (core.users, core.items)))",
        ),
        (
            "the median is that of the rows in scope",
            "= 1 + median_degrees(changes), changes.counts",
            "= 1 + np.median(np.concatenate([of_users, of_items])), changes.counts",
        ),
    ),
    *faults(
        "graph/medians.py",
        "unlearning/test_together.py::test_what_a_problem_holds",
        ("the median is that before", "enough = below[middle] + came > middles", "enough = below[middle] > middles"),
        ("the median is the lower of the middle ones", "(low[:count] + low[count:]) / 2", "low[:count] / 1"),
    ),
    *faults(
        "graph/changes.py",
        "unlearning/test_together.py | graph/test_change.py",
        (
            "what another request of the batch takes is gone",
            "owners = self.before.interactions, self.forgotten.owners",
            "owners = self.before.interactions, 0 * self.forgotten.owners",
        ),
        (
            "a correction in one request gives the groups of all new leaders",
            "relabelled = np.isin(places.owners, self.places.owners[corrected])",
            "relabelled = np.isin(places.owners, self.places.owners)",
        ),
    ),
    *faults(
        "data/selection.py",
        "unlearning/test_together.py::test_of_several_the_first_that_is_wrong_is_named",
        (
            "what others miss is counted, too",
            "int(missing[wanted.owners == wanted.owners[number]].sum())",
            "int(missing.sum())",
        ),
    ),
    *faults(
        "sparse/stacked.py",
        "sparse/test_stacked.py",
        (
            "patterns side by side begin where the one before ended",
            "starts = np.concatenate([[0], ends[:-1, -1]])",
            "starts = np.zeros(len(ends), int)",
        ),
    ),
    *faults(
        "unlearning/local/batch.py",
        "unlearning/test_local_step.py::test_a_batch_is_the_requests_one_by_one",
        (
            "the steps of a batch stand in the order of their sizes",
            "out[(chunk, *(slice(size)",
            "out[(np.sort(np.concatenate(chunks))[: len(chunk)], *(slice(size)",
        ),
    ),
    *faults(
        "unlearning/local/along.py",
        "unlearning/test_along.py::test_the_segments_before_the_last_get_few_products",
        ("every confined segment passes for the last", "number == count - 1", "number >= 0"),
    ),
    *faults(
        "unlearning/local/along.py",
        CONFINED_ALONG,
        ("b_1 of a confined problem has no spillover", "rhs = optax.tree.add(direct, spillover)", "rhs = direct"),
        ("every segment of a confined problem has the force of the first", "Place(number == 0,", "Place(number >= 0,"),
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
        (
            "the confined record forgets nothing",
            "state.record.without(change.after, moved.way.segments, change.request)",
            "state.record",
        ),
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
