"""The step along the training."""

from .fault import faults
from .tests import ALONG, REAL_DATA

FOLLOWING = [
    *faults(
        "unlearning/preconditioner.py",
        ALONG,
        (
            "the gradient of the other training is on the graph before",
            "gradient_and_energy(objective, params, sides.after, key)",
            "gradient_and_energy(objective, params, Batch(sides.after.examples, sides.before.graph), key)",
        ),
        (
            "the gradient of the other training is divided by |D_r| instead of N",
            "back = _back(objective, params, batch)\n",
            "back = _back(objective, params, batch)\n    objective = replace(objective, total=jnp.sum(batch.examples.weights))\n",
        ),
        (
            "the gradient of the other training is without L2",
            "optax.tree.add_scale(beside, 1",
            "optax.tree.add_scale(optax.tree.zeros_like(beside), 1",
        ),
        (
            "the gradient of the recorded training is that of D_r",
            "gradient = objective.gradient(params, sides.before)",
            "gradient = objective.gradient(params, sides.after)",
        ),
    ),
    *faults(
        "unlearning/along.py",
        ALONG,
        (
            "the gradient of the other training is taken at θ_k instead of θ_k + δ",
            "slope_after(objective, there(delta), sides, key)",
            "slope_after(objective, segment.params, sides, key)",
        ),
        (
            "H_k is taken at θ_k instead of θ_k + δ",
            "objective.hessian_product(there(delta), sides.after)",
            "objective.hessian_product(segment.params, sides.after)",
        ),
        (
            "H_k is that of the data before",
            "there(delta), sides.after),\n",
            "there(delta), sides.before),\n",
        ),
        (
            "H_k is on the graph before",
            "there(delta), sides.after),\n",
            "there(delta), Batch(sides.after.examples, sides.before.graph)),\n",
        ),
        (
            "H_k is divided by |D_r| instead of N",
            "lambda delta: objective.hessian_product(",
            "lambda delta: replace(objective, total=jnp.sum(sides.after.examples.weights)).hessian_product(",
        ),
        ("H_k is that of the beginning of the segment", "product = ground.product(halfway)", "product = ground.product(past)"),
        (
            "the middle is where its beginning leads in all of the segment",
            "parting(v_past, half, ",
            "parting(v_past, segment.steps, ",
        ),
        ("two products to the middle", "HALFWAY_PRODUCTS = 1", "HALFWAY_PRODUCTS = 2"),
        (
            "the force is that of the beginning",
            "whole = parting(v_r, segment.steps, rest)",
            "whole = parting(v_r, segment.steps, optax.tree.scale(-1, ahead))",
        ),
        ("the way to the middle is not taken back", "lambda a, b, back: a - b + back", "lambda a, b, back: a - b"),
        ("the first force counts ∇L of D_r twice", "lambda a, b, back: a - b + back", "lambda a, b, back: back - b"),
        ("ρ is that of the beginning", "whole = parting(v_r, ", "whole = parting(v_past, "),
        ("Adam remembers what it doesn't know yet", "whole = parting(v_r, ", "whole = parting(v_half, "),
        (
            "the other way between",
            "jnp.where(sought, 1 - age(half) / half, 1)",
            "jnp.where(sought, age(half) / half, 1)",
        ),
        ("later segments wait for Adam, too", "jnp.where(sought, 1 - age(half) / half, 1)", "1 - age(half) / half"),
        ("every segment goes to its middle by a product", "jax.lax.cond(sought, begun, gone_on)", "begun()"),
        (
            "batches of everything don't seek",
            "or sides.batch_size >= objective.total",
            "or False",
        ),
        ("a middle that is sought has no force of its own", "jnp.where(place.first, 0, -leaf)", "jnp.where(True, 0, -leaf)"),
        ("the first stays where it began", "jax.lax.cond(sought, begun, gone_on)", "gone_on()"),
        ("as far again as before", "add_scale(past, half, course.pace)", "add_scale(past, segment.steps, course.pace)"),
        ("the middle is where the segment begins", "optax.tree.add_scale(past, half, course.pace)", "past"),
        (
            "as far again as in all segments together",
            "optax.tree.scale(1 / segment.steps, optax.tree.sub(delta, past))",
            "optax.tree.scale(1 / segment.steps, delta)",
        ),
        (
            "half as far again as before, however long that was",
            "1 / segment.steps, optax.tree.sub(delta, past)",
            "1 / 300.0, optax.tree.sub(delta, past)",
        ),
        ("P is not corrected", "jax.tree.map(jnp.divide, segment.applied, ratio)", "segment.applied"),
        (
            "P is corrected the other way round",
            "jax.tree.map(jnp.divide, segment.applied, ratio)",
            "jax.tree.map(jnp.multiply, segment.applied, ratio)",
        ),
        ("the first force has no ρ", "b - (1 - ratio) * recorded,", "b,"),
        ("the other forces have no ρ", "ratio * recorded) + rest", "recorded) + rest"),
        ("every segment has the force of the first", "jnp.where(place.first, b", "jnp.where(True, b"),
        ("b_1 is taken at the end of the training", "start, change, spillover", "record.segments[-1].params, change, spillover"),
        ("b_1 has no spillover", "change, spillover=solve.spillover)", 'change, spillover="none")'),
        (
            "a segment starts at δ = 0",
            "optax.tree.add(parting.delta, problem.to_params(solution.solution))",
            "problem.to_params(solution.solution)",
        ),
        ("every segment may take as many products as the last", "solve.most(place.last)", "solve.most(True)"),
        ("the last segment may take as few products as the others", "solve.most(place.last)", "solve.most(False)"),
        ("the first segment passes for the last", "number == len(record.segments) - 1", "number == 0"),
        ("a segment is one step long", "jnp.sqrt(parting.steps * p)", "jnp.sqrt(p)"),
        ("the segments in the wrong order", "in enumerate(record.segments)", "in enumerate(record.segments[::-1])"),
        (
            "Adam remembers nothing",
            "ratio = course.squares.then(MeanSquares(v, v_r), half).root_ratio",
            "ratio = MeanSquares(v, v_r).root_ratio",
        ),
        (
            "Adam remembers half a segment",
            "squares = course.squares.then(MeanSquares(v, v_half), segment.steps)",
            "squares = course.squares.then(MeanSquares(v, v_half), half)",
        ),
        (
            "ρ at the beginning of a segment",
            "course.squares.then(MeanSquares(v, v_r), half).root_ratio",
            "course.squares.root_ratio",
        ),
        ("the record is not moved by δ", "0.5 * (a + b)", "0 * (a + b)"),
        ("the record is moved by δ at the end of each segment", "0.5 * (a + b)", "b"),
        (
            "rows without data stay in the record",
            "return found.course, Segment(params | held, applied | beside,",
            "return found.course, Segment(there(found.middle) | held, applied | beside,",
        ),
        (
            "P of rows without data stays in the record",
            "return found.course, Segment(params | held, applied | beside,",
            "return found.course, Segment(params | held, found.applied | beside,",
        ),
        (
            "the record keeps the old P",
            "for of in (there(found.middle), found.applied))",
            "for of in (there(found.middle), applied))",
        ),
        ("the filter doesn't grow", 'filter="growing-flow"', 'filter="gradient-flow"'),
    ),
    *faults(
        "unlearning/along.py",
        "unlearning/test_along.py::test_the_pace_leads_to_the_middle_unless_rows_turn",
        ("bags of items go on at their pace", "turning = of_bags(objective.model.tables) or ", "turning = "),
        ("rows that turn go on at their pace", " or objective.model.turning", ""),
    ),
    *faults(
        "unlearning/along.py",
        "unlearning/test_along.py::test_where_rows_turn_p_is_taken_as_it_was",
        ("P changes where rows turn", "record.adaptive and not model.turning", "record.adaptive"),
        ("P never changes", "record.adaptive and not model.turning", "False"),
    ),
    *faults(
        "unlearning/along.py",
        "unlearning/test_along.py::test_a_segment_that_is_not_finite_is_no_step",
        ("only the last segment has to be finite", "for solution in solutions:", "for solution in solutions[-1:]:"),
    ),
    *faults(
        "unlearning/along.py",
        REAL_DATA,
        ("the tolerance is ignored", "tolerance=solve.tolerance)", "tolerance=None)"),
        (
            "products are those of the last segment",
            "sum(int(on_host(solution.num_steps)) for solution in solutions)",
            "int(solutions[-1].num_steps)",
        ),
    ),
    *faults(
        "unlearning/along.py",
        "unlearning/test_along.py::test_a_last_segment_that_resolved_too_little_says_so",
        ("how the first segment ended is told", "replace(solutions[-1]", "replace(solutions[0]"),
    ),
    *faults(
        "unlearning/local/along.py",
        "unlearning/test_along.py::test_a_segment_that_is_not_finite_is_no_step",
        (
            "a confined segment that is not finite is hidden by the last",
            "broken = jnp.any(solutions.status == Status.NOT_FINITE)",
            "broken = last.status == Status.NOT_FINITE",
        ),
    ),
    *faults(
        "solvers/spectral.py",
        "solvers/test_spectral.py::test_filters",
        ("growth without a bound", "jnp.clip(-values / damping, 0, 1)", "jnp.maximum(-values / damping, 0)"),
        ("growth where the curvature is positive", "jnp.clip(-values / damping, 0, 1)", "jnp.clip(values / damping, 0, 1)"),
        ("growth up to e²", "jnp.clip(-values / damping, 0, 1)", "jnp.clip(-values / damping, 0, 2)"),
    ),
    *faults(
        "solvers/spectral.py",
        f"{ALONG} | {REAL_DATA}",
        ("growth up to e^1.1", "jnp.clip(-values / damping, 0, 1)", "jnp.clip(-values / damping, 0, 1.1)"),
    ),
    *faults(
        "unlearning/config.py",
        REAL_DATA,
        ("fifteen products in the last segment", "segment_steps: int = 16", "segment_steps: int = 15"),
        ("seven products in the others", "early_steps: int = 8", "early_steps: int = 7"),
        ("a tolerance of .27", "segment_tolerance: float = 0.3", "segment_tolerance: float = 0.27"),
        ("a tolerance of .33", "segment_tolerance: float = 0.3", "segment_tolerance: float = 0.33"),
    ),
]
