"""Single faults, and the tests that have to catch each of them; `python tests/mutations` plants them.

A fault is a text of one file of the package, which is there once, and what stands there instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
      name: what is wrong, in words.
      file: of the package.
      text: of the file.
      replacement: of the text.
      tests: any of which has to fail, in the folder of tests.
    """

    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]


def planted(fault: Fault, source: str) -> str:
    """The source of the file with the fault in it.

    Raises:
      ValueError: the text isn't there, or more than once.
    """
    if (count := source.count(fault.text)) != 1:
        raise ValueError(f"{fault.name}: the text is {count} times in {fault.file}, bring the fault up to date: {fault.text}")
    return source.replace(fault.text, fault.replacement)


def faults(file: str, test: str, *found: tuple[str, str, str]) -> list[Fault]:
    """Faults (name, text, replacement) of one file that one test has to catch, or one of several (a | b)."""
    return [Fault(name, file, text, new, tuple(test.split(" | "))) for name, text, new in found]


END = "unlearning/test_dense.py"
BACKWARDS = "unlearning/test_adjoint.py"
ALONG = "unlearning/test_dense_along.py"
REAL_DATA = "unlearning/test_constants.py"
RECORDED = "training/test_record.py"
BY_ROWS = "training/test_row_adam.py::test_each_row_takes_the_steps_of_the_twin"
COMPARED = "evaluation/test_views.py"
FILE = "test_checkpoint.py::test_the_file_has_nothing_but_what_it_says"
RETRAINED = "baselines/test_retrain.py"
MESH = "mesh/test_eight_devices.py"

FROM_THE_END = [
    *faults(
        "unlearning/ifru.py",
        END,
        (
            "H is on the graph before the deletion",
            "state.params, rhs, after.batch, rows, on_device(state.floor)",
            "state.params, rhs, replace(after.batch, graph=change.before.graph), rows, state.floor",
        ),
        (
            "H is divided by |D_r| instead of N",
            "StepProblem(objective, state.params, rhs",
            "StepProblem(replace(objective, total=float(len(after))), state.params, rhs",
        ),
        ("b has no spillover", "change, spillover=step.spillover)", 'change, spillover="none")'),
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
            "return found.with_propagations(propagations)",
            "return replace(found, damping=_spectrum(found, self.step)).with_record(record).with_propagations(propagations)",
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

OVER_DEVICES = [
    *faults(
        "curvature/metric.py",
        MESH,
        ("rows that fill up a table count in the median", "jnp.where(jnp.arange(len(of)) < count, of, beyond)", "of"),
    ),
    *faults(
        "sparse/mesh_edges.py",
        MESH,
        (
            "numbers of the interactions start anew on every device",
            "(self.starts[:-1, None] + jnp",
            "(0 * self.starts[:-1, None] + jnp",
        ),
        ("places leave out where a device's begin", "+ numbers - self.starts[block]", "+ numbers"),
        (
            "sums into items stay where they were made",
            "sent.mask.astype(halo.dtype), _exchanged(halo), sent",
            "sent.mask.astype(halo.dtype), halo, sent",
        ),
    ),
    *faults(
        "evaluation/lists_over_mesh.py",
        MESH,
        ("items are numbered anew on every device", "return values, found + first", "return values, found"),
    ),
    *faults(
        "training/over_mesh.py",
        MESH,
        (
            "rows that fill up a table are drawn",
            "return jnp.where(there.reshape(-1, *[1] * (table.ndim - 1)), table, 0)",
            "return table",
        ),
        (
            "a file has the rows that fill up tables",
            "on_host(value)[: sizes[tables[name]] if name in tables else None]",
            "on_host(value)",
        ),
    ),
]

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

PRECONDITIONER = [
    *faults(
        "unlearning/preconditioner.py",
        ALONG,
        (
            "signs of its own on either side",
            "here, gone, new = (energy(objective, params, batch, key)",
            "here, gone, new = (energy(objective, params, batch, jax.random.fold_in(key, 1))",
        ),
        ("v_r is taken at θ_k", "of(there, ahead, sides.after))", "of(here, ahead, sides.after))"),
        ("what is forgotten has no part in v", "e + jnp.maximum(g - n, (LEAST_RATIO - 1) * e)", "e"),
        ("what takes the place of the forgotten counts in v", "jnp.maximum(g - n, (LEAST_RATIO - 1) * e)", "g"),
        ("the scatter of a minibatch of all data", "e / (sides.batch_size * count)", "e / (count * count)"),
        ("the mean gradient has no part in v", "+ (1 - 1 / sides.batch_size) * m", "+ 0 * m"),
        ("the mean gradient is divided by N instead of |D_r|", "jnp.square(g * objective.total / count)", "jnp.square(g)"),
        ("E is divided by N instead of |D_r|", "e / (sides.batch_size * count)", "e / (sides.batch_size * objective.total)"),
        (
            "what is forgotten is scored on the graph after",
            "(sides.after, sides.touched, sides.replaced))",
            "(sides.after, replace(sides.touched, graph=sides.after.graph), sides.replaced))",
        ),
        ("one draw is taken for two", "sum(values) / PROBES", "values[0] / PROBES"),
        ("ρ without its root", "return jnp.sqrt(jnp.where(known, found, 1))", "return jnp.where(known, found, 1)"),
        ("one draw of signs", "PROBES = 2", "PROBES = 1"),
        ("one ρ for all rows of a table", "if name not in tables:\n            return", "if True:\n            return"),
        ("a memory of one step", "kept = BETA_2**steps", "kept = BETA_2"),
    ),
    *faults(
        "unlearning/preconditioner.py",
        "unlearning/test_along.py::test_the_ratio_of_a_row_has_bounds_and_is_one_where_nothing_was_seen",
        (
            "ρ without bounds",
            "jnp.clip(after / jnp.where(known, before, 1), LEAST_RATIO, MOST_RATIO)",
            "after / jnp.where(known, before, 1)",
        ),
        ("ρ down to .1", "LEAST_RATIO, MOST_RATIO = 0.05, 20.0", "LEAST_RATIO, MOST_RATIO = 0.1, 20.0"),
    ),
    *faults(
        "unlearning/preconditioner.py",
        "unlearning/test_along.py::test_a_row_has_one_number_and_so_has_a_shared_parameter",
        ("a shared parameter has a ρ for each entry", "return jnp.mean(value)", "return value"),
    ),
]

GOING_ON = [
    *faults(
        "unlearning/stopping.py",
        ALONG,
        ("on to the peak itself instead of the difference", "found.share - record.peak - len", "found.share - len"),
        ("on by what validation can't tell", " - record.peak - len(record.valid) ** -0.5", " - record.peak"),
        (
            "on in the wrong direction",
            "return _after(found.flow, on_device(share)), record",
            "return _after(found.flow, on_device(-share)), record",
        ),
        ("uphill", "optax.tree.scale(-1, objective.gradient(params, batch))", "objective.gradient(params, batch)"),
        ("back, where training would have stopped before", "or not share > 0:", "or share == 0:"),
        (
            "the record is no longer",
            "_after(found.flow, on_device(share)), record.longer(share)",
            "_after(found.flow, on_device(share)), record",
        ),
        ("P of the first segment", "record.segments[-1].applied", "record.segments[0].applied"),
        ("the time of the last segment", ".applied, steps, data.batch", ".applied, record.segments[-1].steps, data.batch"),
        ("no look beyond a tenth", "0.05, 0.1, 0.15, 0.2])", "0.05, 0.1])"),
    ),
    *faults(
        "unlearning/stopping.py",
        "unlearning/test_stopping.py::test_the_top_is_that_of_the_parabola_and_stays_in_sight",
        ("no parabola", "if not 0 < best < len(places) - 1:", "if True:"),
    ),
    *faults(
        "unlearning/stopping.py",
        REAL_DATA,
        ("nine hundred pairs have a say", "LEAST_PAIRS = 1000", "LEAST_PAIRS = 900"),
        ("one product for the flow", "PRODUCTS = 2", "PRODUCTS = 1"),
    ),
    *faults(
        "unlearning/ifru.py",
        ALONG,
        ("going on is no part of the step", "_added(found.delta, further), found, record", "found.delta, found, record"),
        (
            "on from where the training was",
            "gone_on(objective, params, record, change.after)",
            "gone_on(objective, state.params, record, change.after)",
        ),
        (
            "on with what is forgotten",
            "gone_on(objective, params, record, change.after)",
            "gone_on(objective, params, record, change.before)",
        ),
    ),
    *faults(
        "training/record.py",
        ALONG,
        ("the pairs of whoever is gone stay in the record", "valid=self.valid.select(~lost))", "valid=self.valid)"),
        ("longer by a share of the last segment", "last.steps + share * self.steps", "last.steps + share * last.steps"),
    ),
]

RECORDING = [
    *faults(
        "training/row_adam.py",
        BY_ROWS,
        ("rows stay where they were left", "/ (1 - BETA_1**first) * path", "/ (1 - BETA_1**first) * 0"),
        ("v does not decay while a row waits", "BETA_2**missed * v", "v"),
        ("m does not decay while a row waits", "BETA_1**missed * m", "m"),
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
        ("rows that wait are shown as they are", "state._replace(params=settled)", "state"),
    ),
    *faults(
        "training/record.py",
        RECORDED,
        ("one boundary fewer", "for k in range(self.count + 1)))", "for k in range(self.count)))"),
        ("θ_k is the beginning of its segment", "nearest((low + high) / 2).params", "nearest(low).params"),
        ("P is not weighted by |g|", "jnp.abs(g) * learning_rate / (", "learning_rate / ("),
        ("P without the correction of v", "corrected = 1 - BETA_2**count", "corrected = 1.0"),
        ("P of all steps so far", "getattr(known[low], part))", "getattr(self.early[0], part))"),
        (
            "boundaries stay where the training was not the best",
            "self.early, self.late = self.early + self.late, []",
            "self.late = []",
        ),
    ),
    *faults(
        "training/fit.py",
        RECORDED,
        ("the record ends where training did", "state.best_params, *state.best_sums))", "state.params, *state.sums))"),
        ("P of the epochs after the best", "state.best_params, *state.best_sums))", "state.best_params, *state.sums))"),
    ),
    *faults("training/fit.py", REAL_DATA, ("two segments", "    record: int = 3", "    record: int = 2")),
    *faults(
        "checkpoint.py",
        FILE,
        (
            "the state of the optimiser is in the file",
            'arrays |= {f"data/{c}": getattr(data, c)',
            'arrays |= {f"optimiser/{name}": np.zeros_like(x) for name, x in trained.params.items()}\n'
            '    arrays |= {f"data/{c}": getattr(data, c)',
        ),
    ),
    *faults(
        "checkpoint.py",
        "unlearning/test_along.py::test_the_record_is_saved_and_left_out_for_serving",
        ("the peak is not in the file", '"peak": record.peak}, arrays', '"peak": None}, arrays'),
        ("a file for serving has the record", "if trained.record and not for_serving:", "if trained.record:"),
    ),
]

YARDSTICKS = [
    *faults(
        "baselines/retrain.py",
        RETRAINED,
        ("retraining starts from the initialisation of the original", "return following, now", "return following, key"),
        (
            "retraining by the mean over |D_r|",
            "fit_params(fresh, before.objective, change.after",
            "fit_params(fresh, replace(before.objective, total=float(len(change.after))), change.after",
        ),
        (
            "retraining of several seeds by the mean over |D_r|",
            "fit_params(fresh, trained.objective, data",
            "fit_params(fresh, replace(trained.objective, total=float(len(data))), data",
        ),
        (
            "who is gone stops the retraining of a method",
            "valid, initial = stopping_pairs(state.valid, change.after.interactions), self",
            "valid, initial = state.valid, self",
        ),
        (
            "who is gone stops a retraining",
            "if valid is None else stopping_pairs(valid, retained)",
            "if valid is None else valid",
        ),
    ),
    *faults(
        "evaluation/membership/shadows.py",
        COMPARED,
        (
            "shadows halve only members",
            "for group in np.split(np.arange(len(asked)), [len(candidates.members)]):",
            "for group in [np.arange(len(candidates.members))]:",
        ),
        ("shadows have what was forgotten", "train=join(retained, asked", "train=join(split.train, asked"),
        ("who is gone stops the shadows", "valid=split.valid.select(survivors(retained, split.valid))", "valid=split.valid"),
        (
            "members that have nothing left",
            "members.select(survivors(retained, members))",
            "members.select(survivors(split.train, members))",
        ),
    ),
    *faults(
        "evaluation/views.py",
        COMPARED,
        ("test pairs are survivors of the training data", "survivors(retained, split.test)", "survivors(train, split.test)"),
        ("forgotten pairs are survivors of the training data", "survivors(retained, forgotten)", "survivors(train, forgotten)"),
        (
            "lists leave out only the retained",
            "top_lists(model.score_grid, self.train,",
            "top_lists(model.score_grid, self.retained,",
        ),
        ("lists have items without data", "self.users, known=self.retained,", "self.users, known=self.train,"),
    ),
    *faults(
        "evaluation/verification.py",
        COMPARED,
        ("the oracle is told of all data", "audit(model, candidates, views.unchanged,", "audit(model, candidates, views.train,"),
        (
            "the oracle is told of corrected labels",
            "audit(model, candidates, views.unchanged,",
            "audit(model, candidates, views.retained,",
        ),
    ),
    *faults(
        "evaluation/membership/audit.py",
        COMPARED,
        (
            "the oracle counts degrees in what it is asked about",
            "features(model.score_rows(pairs.users, pairs.items), pairs, retained)",
            "features(model.score_rows(pairs.users, pairs.items), pairs, pairs)",
        ),
    ),
]

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
        "store/budget.py",
        "store/test_budget.py",
        ("an estimate learns from itself", 'line["distance"] / line["factor"] if', 'line["distance"] if'),
        ("what was undone counts", 'if one["number"] < line["undoes"]]', 'if one["number"] <= line["undoes"]]'),
        ("settling counts as a request", 'for line in steps if line["kind"] != "settle"]', "for line in steps]"),
        (
            "what nobody estimated is settled",
            "return self.distance is None or self.distance >",
            "return self.distance is not None and self.distance >",
        ),
    ),
]
EXACT = "exact/test_exact.py"
OVER_ALL_PAIRS = "training/test_all_pairs.py"
CAME_IN = "interop/test_implicit.py | interop/test_tensors.py | interop/test_containers.py"

FROM_ELSEWHERE = [
    *faults(
        "exact/als.py",
        EXACT,
        ("a confidence is taken on top of that of all pairs", "others * (confidence - 1)[:, None]", "others * confidence[:, None]"),
        ("rows are folded out on all data", "matrix(change.after.interactions)", "matrix(change.before.interactions)"),
        ("a row without data stays", "first[row] = 0", "pass"),
    ),
    *faults(
        "exact/ease.py",
        EXACT,
        (
            "what is left of a user is not put in again",
            "np.concatenate([old, new[new.any(axis=1)]])",
            "np.concatenate([old, new[:0]])",
        ),
    ),
    *faults(
        "exact/item_knn.py",
        EXACT,
        ("what is left of a user is not counted again", "- old.T @ old + new.T @ new", "- old.T @ old"),
        ("equally similar items in any order", "np.lexsort((columns, -similar, rows))", "np.lexsort((-columns, -similar, rows))"),
    ),
    *faults(
        "training/all_pairs.py",
        OVER_ALL_PAIRS,
        ("interactions count among all pairs, too", " - jnp.square(logits)", ""),
        ("Gauss–Newton without its mixed part", "return own + 2 * jnp.sum(", "return own + 0 * jnp.sum("),
    ),
    *faults(
        "training/decay.py",
        OVER_ALL_PAIRS,
        ("the positive of a pair is not held back", ", (pairs.items[lead], pairs_of)]", "]"),
    ),
    *faults(
        "interop/export.py",
        CAME_IN,
        ("rows of nobody are left out", "np.concatenate([source.pad[name], found])", "found"),
        ("rows of the erased stay", 'found[~gone[side]] if erased == "compact"', 'found if erased == "compact"'),
    ),
    *faults(
        "interop/evidence.py",
        CAME_IN,
        ("scores of another model are let in", "if not len(apart) or apart.max() <= TOLERANCE:", "if True:"),
    ),
    *faults(
        "interop/containers.py",
        CAME_IN,
        ("the size of an archive is not looked at", "if unpacked > max(_LARGE, _RATIO * packed):", "if False:"),
    ),
]

EXPLAINING = [
    *faults(
        "unlearning/adjoint.py",
        BACKWARDS,
        ("the adjoint goes from the first segment to the last", "reversed(state.record.segments)", "state.record.segments"),
        ("what a segment leaves is not pulled back", "earlier = optax.tree.sub(pull, product(direction))", "earlier = pull"),
        (
            "an influence along the record has its sign turned",
            "found, statuses = found - learned, [*",
            "found, statuses = found + learned, [*",
        ),
        (
            "b of every segment is taken at the end",
            "contributions(of.objective, segment.params, direction",
            "contributions(of.objective, segment.applied, direction",
        ),
        ("H of a segment is that of all data", "segment.params, of.retained)", "segment.params, of.data.batch)"),
    ),
    *faults(
        "influence/attribution.py",
        BACKWARDS,
        (
            "the graph has all of every edge",
            "WeightedGraph.of(graph, counts[self.places])",
            "WeightedGraph.of(graph, self.counts[self.places])",
        ),
        ("the loss has all of every interaction", "replace(self.batch.examples, weights=counts)", "self.batch.examples"),
        ("what is served from is left out", "if data.places is None:", "if True:"),
    ),
    *faults(
        "graph/bipartite.py",
        BACKWARDS,
        ("a degree of one has half a slope", "jnp.where(d > 0, d, 1)), 0)", "jnp.maximum(d, 1)), 0)"),
    ),
]

FAULTS = (
    *ESTIMATED,
    *FROM_ELSEWHERE,
    *FROM_THE_END,
    *OVER_DEVICES,
    *CONFINED,
    *FOLLOWING,
    *PRECONDITIONER,
    *GOING_ON,
    *RECORDING,
    *YARDSTICKS,
    *EXPLAINING,
)
