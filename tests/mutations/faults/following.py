"""The step along the training."""

from .fault import faults
from .tests import ALONG, REAL_DATA

FOLLOWING = [
    *faults(
        "unlearning/preconditioner.py",
        ALONG,
        (
            "the gradient of the other training is taken at θ_k instead of θ_k + δ",
            "return (recorded, ahead), MeanSquares",
            "return (recorded, objective.gradient(params, sides.after)), MeanSquares",
        ),
        (
            "the gradient of the other training is on the graph before",
            "optax.tree.add(params, delta), sides.after, key)",
            "optax.tree.add(params, delta), Batch(sides.after.examples, sides.before.graph), key)",
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
        ("the gradient of the recorded training is that of D_r", "gradient(params, sides.before)", "gradient(params, sides.after)"),
    ),
    *faults(
        "unlearning/along.py",
        ALONG,
        (
            "H_k is taken at θ_k instead of θ_k + δ",
            "optax.tree.add(parting.params, parting.delta), after)",
            "parting.params, after)",
        ),
        ("H_k is that of the data before", "past, total), sides.after)", "past, total), sides.before)"),
        (
            "H_k is on the graph before",
            "past, total), sides.after)",
            "past, total), Batch(sides.after.examples, sides.before.graph))",
        ),
        (
            "H_k is divided by |D_r| instead of N",
            "part(solve, objective, Parting(",
            "part(solve, replace(objective, total=jnp.sum(sides.after.examples.weights)), Parting(",
        ),
        ("P is not corrected", "jax.tree.map(jnp.divide, segment.applied, ratio)", "segment.applied"),
        (
            "P is corrected the other way round",
            "jax.tree.map(jnp.divide, segment.applied, ratio)",
            "jax.tree.map(jnp.multiply, segment.applied, ratio)",
        ),
        ("the first force has no ρ", "b - (1 - ratio) * recorded,", "b,"),
        ("the other forces have no ρ", "ratio * recorded - ahead)", "recorded - ahead)"),
        ("every segment has the force of the first", "jnp.where(number == 0, b", "jnp.where(number >= 0, b"),
        ("b_1 is taken at the end of the training", "start, change, spillover", "record.segments[-1].params, change, spillover"),
        ("b_1 has no spillover", "change, spillover=solve.spillover)", 'change, spillover="none")'),
        (
            "a segment starts at δ = 0",
            "optax.tree.add(parting.delta, problem.to_params(solution.solution))",
            "problem.to_params(solution.solution)",
        ),
        ("a segment is one step long", "jnp.sqrt(parting.steps * p)", "jnp.sqrt(p)"),
        ("the segments in the wrong order", "in enumerate(record.segments)", "in enumerate(record.segments[::-1])"),
        ("Adam remembers nothing", "middle = course.squares.then(now, segment.steps / 2)", "middle = now"),
        ("Adam remembers half a segment", "Course(delta, middle.then(now, segment.steps / 2))", "Course(delta, middle)"),
        ("ρ at the beginning of a segment", "ratio = middle.root_ratio", "ratio = course.squares.root_ratio"),
        ("the record is not moved by δ", "p + 0.5 * (a + b)", "p"),
        ("the record is moved by δ at the end of each segment", "p + 0.5 * (a + b)", "p + b"),
        (
            "rows without data stay in the record",
            "Segment(params, applied, segment.steps), solution",
            "Segment(moved, applied, segment.steps), solution",
        ),
        (
            "P of rows without data stays in the record",
            "for of in (moved, applied))",
            "for of in (moved, applied))\n    applied = jax.tree.map(jnp.divide, segment.applied, ratio)",
        ),
        ("the record keeps the old P", "for of in (moved, applied))", "for of in (moved, segment.applied))"),
        ("the filter doesn't grow", 'filter="growing-flow"', 'filter="gradient-flow"'),
    ),
    *faults(
        "unlearning/along.py",
        "unlearning/test_along.py::test_a_segment_that_is_not_finite_is_no_step",
        ("only the last segment has to be finite", "[check(solution) for solution in solutions]", "[check(solutions[-1])]"),
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
        "unlearning/test_along.py::test_a_segment_that_resolved_too_little_says_so",
        (
            "a segment that resolved too little is not told",
            "max(range(len(statuses)), key=lambda number: (statuses[number], number))",
            "-1",
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
        ("fifteen products a segment", "segment_steps: int = 16", "segment_steps: int = 15"),
        ("a tolerance of .18", "segment_tolerance: float = 0.2", "segment_tolerance: float = 0.18"),
        ("a tolerance of .22", "segment_tolerance: float = 0.2", "segment_tolerance: float = 0.22"),
    ),
]
