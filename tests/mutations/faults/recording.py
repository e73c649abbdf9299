"""What is recorded of a training."""

from .fault import faults
from .tests import BY_ROWS, FILE, REAL_DATA, RECORDED

RECORDING = [
    *faults(
        "training/row_adam.py",
        BY_ROWS,
        ("rows stay where they were left", "params[name] - path * mu[name]", "params[name]"),
        ("nothing comes of rows that wait", "applied[name] + path * lately[name]", "applied[name]"),
        ("what comes of rows that wait does not end", "BETA_1**missed * lately[name]", "lately[name]"),
        ("v does not decay while a row waits", "BETA_2**missed * nu[name]", "nu[name]"),
        ("m does not decay while a row waits", "BETA_1**missed * mu[name]", "mu[name]"),
        (
            "L2 of one step for all that were missed",
            "jnp.maximum(pull, jnp.minimum(pull * turns, 1 / r)), rate",
            "pull + 0 * r, rate",
        ),
        ("bias corrections of the last turn", "moments.count - seen, seen + 1", "moments.count - seen, seen"),
        ("what is recorded is of the last turn alone", "return (place.add if add else place.set)", "return place.set"),
    ),
    *faults(
        "training/row_adam.py",
        "training/test_row_adam.py",
        ("a long wait throws a row far beyond zero", "jnp.maximum(pull, jnp.minimum(pull * turns, 1 / r))", "pull * turns + 0 * r"),
    ),
    *faults(
        "training/batch_rows.py",
        "training/test_row_adam.py",
        ("padding has a turn", "jnp.where(counted, named, size))", "named)"),
    ),
    *faults(
        "training/fit.py",
        "training/test_row_adam.py",
        ("rows that wait are shown as they are", "state._replace(params=settled[0], ", "state._replace("),
        ("what comes of rows that wait is not recorded", "params=settled[0], opt_state=settled[1])", "params=settled[0])"),
    ),
    *faults(
        "training/record.py",
        RECORDED,
        ("all segments have one length", "FIRST = 1 / 2", "FIRST = 1.0"),
        ("θ_k is the beginning of its segment", '_at((low + high) / 2, known, "params")', '_at(low, known, "params")'),
        ("P is not weighted by |g|", "a / (1 - BETA_1**count) * learning_rate / (", "learning_rate / ("),
        (
            "a gradient moves nothing after its own step",
            "lambda a, g: BETA_1 * a + (1 - BETA_1) * jnp.abs(g), state.lately",
            "lambda a, g: jnp.abs(g) * (1 - BETA_1**count), state.lately",
        ),
        ("ā is biased", "a / (1 - BETA_1**count) * learning_rate", "a * learning_rate"),
        (
            "P without the correction of v",
            "jnp.sqrt(v / (1 - BETA_2**count)) + EPSILON)\n\n        applied",
            "jnp.sqrt(v) + EPSILON)\n\n        applied",
        ),
        ("P of all steps so far", "_at(low, known, part))", "_at(0, known, part))"),
        ("what lies between boundaries is that of the one before", "lambda a, b: a + share * (b - a)", "lambda a, b: a"),
        (
            "boundaries stay where the training was not the best",
            "self.early, self.late = self.early + self.late, []",
            "self.late = []",
        ),
    ),
    *faults(
        "training/record.py",
        "training/test_boundaries.py",
        ("P is the rounding of two sums", "there = size > 0", "there = size >= 0"),
    ),
    *faults(
        "training/fit.py",
        RECORDED,
        ("the record ends where training did", "state.best_params, *state.best_sums))", "state.params, *state.sums))"),
        ("P of the epochs after the best", "state.best_params, *state.best_sums))", "state.best_params, *state.sums))"),
    ),
    *faults(
        "training/fit.py",
        "training/test_row_adam.py::test_a_training_ends_and_is_recorded_as_the_twin_says",
        ("batches overlap", "i * least + jnp.minimum(i, more)", "i * least"),
        ("no batch has one interaction more", "least + jnp.where(i < more, 1, 0)", "least"),
        ("the last batch has what is left over", "jnp.divmod(passes.size, passes.per_epoch)", "(units, 0)"),
    ),
    *faults(
        "training/fit.py",
        "training/test_boundaries.py::test_a_training_is_recorded_in_three_segments_unless_asked_for_otherwise",
        ("every training is recorded alike", "config.optimiser, config.record", "config.optimiser, NUM_SEGMENTS"),
    ),
    *faults("training/record.py", REAL_DATA, ("two segments", "NUM_SEGMENTS = 3", "NUM_SEGMENTS = 2")),
    *faults(
        "checkpoint/contents.py",
        FILE,
        (
            "the state of the optimiser is in the file",
            "description |= of_data",
            'arrays |= {f"optimiser/{name}": np.zeros_like(x) for name, x in trained.params.items()}\n    description |= of_data',
        ),
    ),
    *faults(
        "checkpoint/contents.py",
        "unlearning/test_along.py::test_the_record_is_saved_and_left_out_for_serving",
        ("the peak is not in the file", '"peak": record.peak,', '"peak": None,'),
        ("what is pending is not in the file", '"pending": record.pending,', '"pending": 0.0,'),
        ("a file for serving has the record", "if trained.record and with_record:", "if trained.record:"),
    ),
]
