"""Shared weights, held along the record and settled after it."""

from .fault import faults

TWIN = "unlearning/test_settling.py::test_weights_settle_as_the_dense_twin_does"
PRODUCTS = "unlearning/test_settling.py::test_weights_take_half_the_products_of_the_last_segment"
WHOLE = "unlearning/test_settling.py::test_a_request_follows_the_record_whatever_becomes_of_the_weights"
HELD = "unlearning/test_settling.py::test_rows_follow_as_those_of_a_model_without_weights_do"

SETTLING = [
    *faults(
        "unlearning/settling.py",
        TWIN,
        (
            "the force is that at the end alone",
            "optax.tree.sub(of_past.gradient(past, trained_on), of_here",
            "optax.tree.scale(-1, of_here",
        ),
        ("both forces where the rows are now", "of_past.gradient(past, trained_on)", "of_here.gradient(past, trained_on)"),
        ("H of all that is retained is where the rows were", "of_here.hessian_product(here", "of_past.hessian_product(here"),
        (
            "the weights settle for the time of the last segment",
            "np.asarray(state.record.steps",
            "np.asarray(state.record.segments[-1].steps",
        ),
        (
            "P of the first segment for the weights",
            "state.record.segments[-1].applied[name]",
            "state.record.segments[0].applied[name]",
        ),
        ("longer than the training", "floor=1.0)", "floor=1e-6)"),
        ("the weights grow", "config.segment_steps + 1) // 2)", 'config.segment_steps + 1) // 2, filter="growing-flow")'),
    ),
    *faults(
        "unlearning/settling.py",
        PRODUCTS,
        ("weights take as many products as the last segment", "(config.segment_steps + 1) // 2)", "config.segment_steps)"),
    ),
    *faults(
        "unlearning/whole.py",
        WHOLE,
        ("weights don't settle", "delta | settled.delta", "delta"),
        ("the products of the weights are not told", "_worse_of(found.solution, settled.solution)", "found.solution"),
        (
            "weights settle before the rows move",
            "moved(model, state.params, delta, change.after.examples), change)",
            "state.params, change)",
        ),
    ),
    *faults(
        "unlearning/along.py",
        HELD,
        (
            "weights are those of the first segment's δ",
            "objective = objective.holding(held)",
            "objective = objective.holding(beside)",
        ),
    ),
]
