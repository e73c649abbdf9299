"""What Adam would have multiplied gradients by."""

from .fault import faults
from .tests import ALONG

PRECONDITIONER = [
    *faults(
        "unlearning/preconditioner.py",
        ALONG,
        (
            "signs of its own on either side",
            "here, gone, new = (energy(objective, params, batch, key)",
            "here, gone, new = (energy(objective, params, batch, jax.random.fold_in(key, 1))",
        ),
        (
            "v_r is that of the graph before",
            "return gradient, mean_square(objective, there,",
            "there = energy(objective, params, replace(sides.after, graph=sides.before.graph), key)\n"
            "    return gradient, mean_square(objective, there,",
        ),
        ("what is forgotten has no part in v", "e + jnp.maximum(g - n, (LEAST_RATIO - 1) * e)", "e"),
        ("what takes the place of the forgotten counts in v", "jnp.maximum(g - n, (LEAST_RATIO - 1) * e)", "g"),
        ("the scatter of a minibatch of all data", "scatter = (1 - whole) / size", "scatter = (1 - whole) / count"),
        ("the mean gradient has no part in v", "+ (1 - scatter) * (whole", "+ 0 * (whole"),
        ("the mean gradient is divided by N instead of |D_r|", "jnp.square(g * objective.total / count)", "jnp.square(g)"),
        ("E is divided by N instead of |D_r|", "scatter * energy / count", "scatter * energy / objective.total"),
        (
            "what is forgotten is scored on the graph after",
            "(sides.after, sides.touched, sides.replaced))",
            "(sides.after, replace(sides.touched, graph=sides.after.graph), sides.replaced))",
        ),
        ("minibatches are drawn with replacement", "scatter = (1 - whole) / size", "scatter = 1 / size"),
        (
            "a last batch of what is left over, as any other",
            "count / jnp.maximum(jnp.ceil(count / batch_size * (1 - 1e-6)), 1)",
            "batch_size",
        ),
        ("every element by its own gradient", "(whole * each + (1 - whole) * row)", "each"),
        ("every element by its row", "(whole * each + (1 - whole) * row)", "row"),
        ("the age of what is remembered is half the steps", "return memory - steps", "return steps / 2 + 0 * memory - 0 * steps"),
        (
            "one draw is taken for two",
            "optax.tree.scale(1 / len(probes), total)",
            "optax.tree.scale(1 / 2, added(nothing, probes[0])[0])",
        ),
        ("ρ without its root", "return jnp.sqrt(jnp.where(known, found, 1))", "return jnp.where(known, found, 1)"),
        ("one draw of signs", "PROBES_OF_BAGS = 2, 8", "PROBES_OF_BAGS = 1, 8"),
        ("one ρ for all rows of a table", "if name not in tables:\n            return", "if True:\n            return"),
        ("a memory of one step", "kept = BETA_2**steps", "kept = BETA_2"),
    ),
    *faults(
        "unlearning/preconditioner.py",
        "unlearning/test_preconditioner.py::test_the_ratio_of_a_row_has_bounds_and_is_one_where_nothing_was_seen",
        (
            "ρ without bounds",
            "jnp.clip(after / jnp.where(known, before, 1), LEAST_RATIO, MOST_RATIO)",
            "after / jnp.where(known, before, 1)",
        ),
        ("ρ down to .1", "LEAST_RATIO, MOST_RATIO = 0.05, 20.0", "LEAST_RATIO, MOST_RATIO = 0.1, 20.0"),
    ),
    *faults(
        "unlearning/preconditioner.py",
        "unlearning/test_preconditioner.py::test_a_row_has_one_number_and_so_has_a_shared_parameter",
        ("a shared parameter has a ρ for each entry", "return jnp.mean(value)", "return value"),
    ),
]
