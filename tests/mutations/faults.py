"""Single faults, and the tests that have to catch each of them; see `tests.mutations.__main__`.

A fault is text of one file of the package, which occurs there once (`tests/test_mutations.py`), and what stands there instead.
"""

from dataclasses import dataclass

# For short.
ALONG, STOPPING, IFRU, LOCAL = (f"unlearning/test_{name}.py" for name in ("along", "stopping", "ifru", "local_step"))


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
      name: what is wrong, in words.
      file: of the package.
      text: of the file.
      replacement: of the text.
      tests: of the folder of tests.
    """

    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The tests for pytest."""
        return tuple(f"tests/{test}" for test in self.tests)


def planted(fault: Fault, source: str) -> str:
    """The source of the file with the fault in it.

    Raises:
      ValueError: the text isn't there, or more than once.
    """
    if (count := source.count(fault.text)) != 1:
        raise ValueError(f"{fault.name}: its text occurs {count} times in {fault.file}; bring it up to date:\n{fault.text}")
    return source.replace(fault.text, fault.replacement)


FAULTS = (
    # The step from the end of the training.
    Fault(
        "H is on the graph before the deletion",
        "unlearning/ifru.py",
        "state.params, rhs, after.batch, rows, state.floor",
        "state.params, rhs, replace(after.batch, graph=change.before.graph), rows, state.floor",
        (IFRU,),
    ),
    Fault(
        "H is divided by |D_r| instead of N",
        "unlearning/ifru.py",
        "StepProblem(objective, state.params, rhs",
        "StepProblem(replace(objective, total=float(len(after))), state.params, rhs",
        (IFRU,),
    ),
    Fault(
        "λ from |t_max| instead of |t_min|",
        "unlearning/prepare.py",
        "max(-lowest, CONVEX_SHARE * largest)",
        "max(largest, CONVEX_SHARE * largest)",
        (IFRU,),
    ),
    Fault("the spectrum from 3 products", "unlearning/prepare.py", "SPECTRUM_STEPS = 20", "SPECTRUM_STEPS = 3", (IFRU,)),
    Fault(
        "λ_floor is not divided by c",
        "unlearning/prepare.py",
        "return self.damping.scale / SPECTRUM_RATIO[self.step.filter]",
        "return self.damping.scale",
        (IFRU,),
    ),
    Fault("c is 2.4", "solvers/spectral.py", '"gradient-flow": 2.5', '"gradient-flow": 2.4', (IFRU,)),
    Fault("the exponent of the metric is .42", "unlearning/config.py", "metric_exponent: float = 0.4", "metric_exponent: float = 0.42", (IFRU,)),
    Fault("9 products", "unlearning/config.py", "    num_steps: int = 10", "    num_steps: int = 9", (IFRU,)),
    Fault(
        "the graph is not swapped",
        "unlearning/prepare.py",
        "replace(self, params=params, training_set=change.after)",
        "replace(self, params=params, training_set=replace(change.after, graph=change.before.graph))",
        (IFRU,),
    ),
    Fault(
        "rows without data stay",
        "unlearning/step.py",
        "return clear_rows(model.tables, values, without_data(retained))",
        "return values",
        (IFRU,),
    ),
    Fault(
        "a part of a large request has a λ of its own",
        "unlearning/ifru.py",
        "unlearned = prepare(unlearned, config=state.step)",
        "unlearned = prepare(replace(unlearned, damping=state.damping), config=replace(state.step, metric_exponent=0.0))",
        ("unlearning/test_in_parts.py",),
    ),
    # Confined requests.
    Fault(
        "padding of a confined problem counts as retained",
        "graph/subgraph.py",
        "for column in (terms.labels, terms.new_labels, np.ones(len(order)), terms.retained)),",
        "for column in (terms.labels, terms.new_labels)),\n"
        "        *(np.pad(w.astype(dtype), (0, bucket.pairs - len(order)), constant_values=1) for w in (np.ones(len(order)), terms.retained)),",
        (LOCAL,),
    ),
    Fault(
        "spillover=none is ignored in confined problems",
        "unlearning/local/step.py",
        'if config.spillover == "none":',
        "if False:",
        (LOCAL,),
    ),
    Fault(
        "H of a confined problem is on the graph before",
        "unlearning/local/step.py",
        "curvature_product(config, objective, local, after, fixed)",
        "curvature_product(config, objective, local, Batch(after.examples, before.graph), fixed)",
        (LOCAL,),
    ),
    Fault(
        "degrees of a confined problem are those before",
        "unlearning/local/problem.py",
        "(users, items), (core_users, core_items) = change.degrees_after, request.num_core",
        "(users, items), (core_users, core_items) = change.before.degrees, request.num_core",
        (LOCAL,),
    ),
    # The step along the training.
    Fault(
        "the gradient of the other training is taken at θ_k instead of θ_k + δ",
        "unlearning/along.py",
        "params = optax.tree.add(segment.params, course.delta)",
        "params = segment.params",
        (ALONG,),
    ),
    Fault(
        "H_k is taken at θ_k instead of θ_k + δ",
        "unlearning/along.py",
        "objective.hessian_product(optax.tree.add(segment.params, delta), after)",
        "objective.hessian_product(segment.params, after)",
        (ALONG,),
    ),
    Fault(
        "H_k is that of the data before",
        "unlearning/along.py",
        "part(solve, objective, parting, sides.after)",
        "part(solve, objective, parting, sides.before)",
        (ALONG,),
    ),
    Fault(
        "H_k is on the graph before",
        "unlearning/along.py",
        "part(solve, objective, parting, sides.after)",
        "part(solve, objective, parting, Batch(sides.after.examples, sides.before.graph))",
        (ALONG,),
    ),
    Fault(
        "H_k is divided by |D_r| instead of N",
        "unlearning/along.py",
        "part(solve, objective, parting, sides.after)",
        "part(solve, replace(objective, total=jnp.sum(sides.after.examples.weights)), parting, sides.after)",
        (ALONG,),
    ),
    Fault(
        "the gradient of the other training is on the graph before",
        "unlearning/along.py",
        "objective.gradient(params, sides.after)",
        "objective.gradient(params, Batch(sides.after.examples, sides.before.graph))",
        (ALONG,),
    ),
    Fault(
        "the gradient of the other training is divided by |D_r| instead of N",
        "unlearning/along.py",
        "objective.gradient(params, sides.after)",
        "replace(objective, total=jnp.sum(sides.after.examples.weights)).gradient(params, sides.after)",
        (ALONG,),
    ),
    Fault(
        "P is not corrected",
        "unlearning/along.py",
        "applied = jax.tree.map(jnp.divide, segment.applied, parting.ratio)",
        "applied = segment.applied",
        (ALONG,),
    ),
    Fault(
        "P is corrected the other way round",
        "unlearning/along.py",
        "applied = jax.tree.map(jnp.divide, segment.applied, parting.ratio)",
        "applied = jax.tree.map(jnp.multiply, segment.applied, parting.ratio)",
        (ALONG,),
    ),
    Fault("the force has no ρ", "unlearning/along.py", "return b - (1 - ratio) * g +", "return b +", (ALONG,)),
    Fault("δ brings the trainings together no more", "unlearning/along.py", "jnp.where(moved, g - b - ahead, 0)", "0 * ahead", (ALONG,)),
    Fault("b_k is taken at the end of the training", "unlearning/along.py", "right_hand_side(objective, segment.params, change", "right_hand_side(objective, record.segments[-1].params, change", (ALONG,)),
    Fault("b_k has no spillover", "unlearning/along.py", "change, spillover=solve.spillover)", 'change, spillover="none")', (ALONG,)),
    Fault(
        "a segment begins where the training did",
        "unlearning/along.py",
        "return optax.tree.add(delta, problem.to_params(solution.solution)), applied, solution",
        "return problem.to_params(solution.solution), applied, solution",
        (ALONG,),
    ),
    Fault("a segment takes one step", "unlearning/along.py", "jnp.sqrt(segment.steps * p), applied", "jnp.sqrt(p), applied", (ALONG,)),
    Fault("the segments in the wrong order", "unlearning/along.py", "in enumerate(record.segments)", "in enumerate(record.segments[::-1])", (ALONG,)),
    Fault("Adam remembers nothing", "unlearning/along.py", "middle = course.squares.then(now, segment.steps / 2)", "middle = now", (ALONG,)),
    Fault("Adam remembers half a segment", "unlearning/along.py", "Course(delta, middle.then(now, segment.steps / 2))", "Course(delta, middle)", (ALONG,)),
    Fault("the record is not moved by δ", "unlearning/along.py", "p + 0.5 * (a + b)", "p", (ALONG,)),
    Fault("the record is moved by δ at the end of the segment", "unlearning/along.py", "p + 0.5 * (a + b)", "p + b", (ALONG,)),
    Fault("rows without data stay in the record", "unlearning/along.py", "Segment(clear_rows(tables, middle, gone)", "Segment(middle", (ALONG,)),
    Fault("P of rows without data stays in the record", "unlearning/along.py", "clear_rows(tables, applied, gone)", "applied", (ALONG,)),
    Fault("the record keeps the old P", "unlearning/along.py", "course, applied, solution = _follow_segment(solve, objective, segment, course, rhs, sides, key)", "course, _, solution = _follow_segment(solve, objective, segment, course, rhs, sides, key)\n        applied = segment.applied", (ALONG,)),
    Fault("only the last solve has to be finite", "unlearning/along.py", "[check(solution) for solution in solutions]", "[check(solution) for solution in solutions[-1:]]", (ALONG,)),
    Fault("products of the last segment only", "unlearning/along.py", "sum(solution.num_steps for solution in solutions)", "solutions[-1].num_steps", (ALONG,)),
    Fault("one segment resolved too little and nobody says so", "unlearning/along.py", "statuses.index(Status.UNRESOLVED) if Status.UNRESOLVED in statuses else -1", "-1", (ALONG,)),
    Fault("no tolerance", "unlearning/along.py", "tolerance=solve.tolerance)", "tolerance=None)", (ALONG,)),
    Fault("the filter of the rule", "unlearning/along.py", 'filter="growing-flow"', 'filter="gradient-flow"', (ALONG,)),
    Fault("growth without a bound", "solvers/spectral.py", "jnp.clip(-values / damping, 0, 1)", "jnp.maximum(-values / damping, 0)", (ALONG,)),
    Fault("growth where the curvature is positive", "solvers/spectral.py", "jnp.clip(-values / damping, 0, 1)", "jnp.clip(values / damping, 0, 1)", (ALONG,)),
    Fault("growth up to e²", "solvers/spectral.py", "jnp.clip(-values / damping, 0, 1)", "jnp.clip(-values / damping, 0, 2)", (ALONG,)),
    Fault("12 products a segment", "unlearning/config.py", "segment_steps: int = 16", "segment_steps: int = 12", (ALONG,)),
    Fault("a tolerance of .15", "unlearning/config.py", "segment_tolerance: float = 0.2", "segment_tolerance: float = 0.15", (ALONG,)),
    Fault("two segments", "training/fit.py", "    record: int = 3", "    record: int = 2", (ALONG,)),
    # What Adam would have divided by.
    Fault("signs of its own on either side", "unlearning/preconditioner.py", "(energies(objective, at, sides.after, key) for at in (moved, params))", "(energies(objective, at, sides.after, jax.random.fold_in(key, n)) for n, at in enumerate((moved, params)))", (ALONG,)),
    Fault("v_r at θ_k", "unlearning/preconditioner.py", "for at in (moved, params))", "for at in (params, params))", (ALONG,)),
    Fault("what is forgotten was never in v", "unlearning/preconditioner.py", "e + jnp.maximum(g - n, (LEAST_RATIO - 1) * e)", "e", (ALONG,)),
    Fault("what takes the place of the forgotten is not in v_r", "unlearning/preconditioner.py", "jnp.maximum(g - n, (LEAST_RATIO - 1) * e)", "g", (ALONG,)),
    Fault("the scatter of minibatches as if they were all data", "unlearning/preconditioner.py", "e / (sides.batch_size * count)", "e / (count * count)", (ALONG,)),
    Fault("the mean gradient has no part in v", "unlearning/preconditioner.py", "+ (1 - 1 / sides.batch_size) * m", "+ 0 * m", (ALONG,)),
    Fault("the mean over N instead of |D_r| in v", "unlearning/preconditioner.py", "jnp.square(g * objective.total / count)", "jnp.square(g)", (ALONG,)),
    Fault("E over N instead of |D_r|", "unlearning/preconditioner.py", "e / (sides.batch_size * count)", "e / (sides.batch_size * objective.total)", (ALONG,)),
    Fault("v of the data before on the graph after", "unlearning/preconditioner.py", "(energies(objective, params, batch, key) for batch in (sides.touched, sides.replaced))", "(energies(objective, params, replace(batch, graph=sides.after.graph), key) for batch in (sides.touched, sides.replaced))", (ALONG,)),
    Fault("ρ is the share and not its root", "unlearning/preconditioner.py", "return jnp.sqrt(jnp.where(known, found, 1))", "return jnp.where(known, found, 1)", (ALONG,)),
    Fault("ρ without bounds", "unlearning/preconditioner.py", "jnp.clip(after / jnp.where(known, before, 1), LEAST_RATIO, MOST_RATIO)", "after / jnp.where(known, before, 1)", (ALONG,)),
    Fault("one draw of signs", "unlearning/preconditioner.py", "PROBES = 2", "PROBES = 1", (ALONG,)),
    Fault("one ρ for all rows", "unlearning/preconditioner.py", "if name not in tables:\n            return", "if True:\n            return", (ALONG,)),
    # Where training would have stopped.
    Fault("on to the peak itself", "unlearning/stopping.py", "found.share - record.peak - len", "found.share - len", (STOPPING,)),
    Fault("on by what validation can't tell", "unlearning/stopping.py", " - record.peak - len(record.valid) ** -0.5", " - record.peak", (STOPPING,)),
    Fault("in the wrong direction", "unlearning/stopping.py", "return found.flow.after(share), record.longer(share)", "return found.flow.after(-share), record.longer(share)", (STOPPING,)),
    Fault("against the force", "unlearning/stopping.py", "force = optax.tree.scale(-1, objective.gradient(params, batch))", "force = objective.gradient(params, batch)", (STOPPING,)),
    Fault("back where it should have stopped before", "unlearning/stopping.py", "or not share > 0:", "or share == 0:", (STOPPING,)),
    Fault("the record is no longer", "unlearning/stopping.py", "return found.flow.after(share), record.longer(share)", "return found.flow.after(share), record", (STOPPING,)),
    Fault("P of the first segment", "unlearning/stopping.py", "record.segments[-1].applied", "record.segments[0].applied", (STOPPING,)),
    Fault("the time of the last segment", "unlearning/stopping.py", ".applied, record.steps, data.batch", ".applied, record.segments[-1].steps, data.batch", (STOPPING,)),
    Fault("the pairs of whoever is gone have a say", "unlearning/stopping.py", "valid = surviving(record.valid, data.interactions)", "valid = record.valid", (STOPPING,)),
    Fault("nine hundred pairs have a say", "unlearning/stopping.py", "LEAST_PAIRS = 1000", "LEAST_PAIRS = 900", (STOPPING,)),
    Fault("one product", "unlearning/stopping.py", "PRODUCTS = 2", "PRODUCTS = 1", (STOPPING,)),
    Fault("no look beyond a tenth", "unlearning/stopping.py", "0.05, 0.1, 0.15, 0.2])", "0.05, 0.1])", (STOPPING,)),
    Fault("no parabola", "unlearning/stopping.py", "if not 0 < best < len(places) - 1:", "if True:", (STOPPING,)),
    Fault("going on is no part of δ", "unlearning/ifru.py", "return optax.tree.add(delta, further), solution, record", "return delta, solution, record", (ALONG,)),
    Fault("going on from where the training was", "unlearning/ifru.py", "gone_on(objective, params, record, change.after)", "gone_on(objective, state.params, record, change.after)", (ALONG,)),
    Fault("going on with the forgotten", "unlearning/ifru.py", "gone_on(objective, params, record, change.after)", "gone_on(objective, params, record, change.before)", (ALONG,)),
    Fault("the pairs of whoever is gone stay in the record", "training/record.py", "valid=surviving(self.valid, retained))", "valid=self.valid)", (ALONG,)),
    Fault("a longer record by a share of its last segment", "training/record.py", "last.steps + share * self.steps", "last.steps + share * last.steps", (STOPPING,)),
    # The record.
    Fault("one boundary fewer", "training/record.py", "for k in range(self.count + 1)))", "for k in range(self.count)))", (ALONG,)),
    Fault("θ_k is the beginning of its segment", "training/record.py", "nearest((low + high) / 2).params", "nearest(low).params", (ALONG,)),
    Fault("P is not weighted by |g|", "training/record.py", "applied + jnp.abs(g) * learning_rate / (", "applied + learning_rate / (", (ALONG,)),
    Fault("P without the correction of v", "training/record.py", "corrected = 1 - BETA_2**count", "corrected = 1.0", (ALONG,)),
    Fault("P of all steps since the beginning", "training/record.py", "optax.tree.sub(getattr(known[high], part), getattr(known[low], part))", "optax.tree.sub(getattr(known[high], part), getattr(self.early[0], part))", (ALONG,)),
    Fault("the record ends at the last epoch and not the best", "training/fit.py", "state.best_params, *state.best_sums))", "state.params, *state.sums))", (ALONG,)),
    Fault("P of the epochs after the best", "training/fit.py", "state.best_params, *state.best_sums))", "state.best_params, *state.sums))", (ALONG,)),
    # Files.
    Fault("the state of the optimiser is in the file", "checkpoint.py", 'arrays |= {f"data/{c}": getattr(data, c)', 'arrays |= {f"optimiser/{name}": np.asarray(leaf) for name, leaf in trained.params.items()}\n    arrays |= {f"data/{c}": getattr(data, c)', ("test_checkpoint.py",)),
    Fault("the file keeps all columns of the validation pairs", "checkpoint.py", '_VALID = ("users", "items", "labels", "groups")', "_VALID = _COLUMNS", ("test_checkpoint.py", ALONG)),
    Fault("the peak is lost with the file", "checkpoint.py", 'return Record(segments, described["batch_size"], valid, described["peak"])', 'return Record(segments, described["batch_size"], valid)', (ALONG,)),
    # Yardsticks.
    Fault("retraining starts from the initialisation of the original", "baselines/retrain.py", "return following, now", "return following, key", ("baselines/test_retrain.py",)),
    Fault("retraining by the mean over |D_r|", "baselines/retrain.py", "fit_params(fresh, before.objective, change.after", "fit_params(fresh, replace(before.objective, total=float(len(change.after))), change.after", ("baselines/test_retrain.py",)),
    Fault("retraining lets the pairs of whoever is gone stop it", "baselines/retrain.py", "valid, initial = surviving(state.valid, change.after.interactions), self", "valid, initial = state.valid, self", ("baselines/test_retrain.py",)),
    Fault("shadows halve only members", "evaluation/membership/shadows.py", "for group in np.split(np.arange(len(asked)), [len(candidates.members)]):", "for group in [np.arange(len(candidates.members))]:", ("evaluation/test_membership.py",)),
    Fault("shadows have what was forgotten", "evaluation/membership/shadows.py", "train=join(retained, asked.select(which))", "train=join(split.train, asked.select(which))", ("evaluation/test_membership.py",)),
    Fault("compared pairs are survivors of the training data", "evaluation/views.py", "test = split.test.select(survivors(retained, split.test))", "test = split.test.select(survivors(train, split.test))", ("evaluation/test_membership.py",)),
    Fault("forgotten pairs of rows without data are compared", "evaluation/views.py", "kept = survivors(retained, forgotten)", "kept = survivors(train, forgotten)", ("evaluation/test_membership.py",)),
    Fault("lists leave out only what is retained", "evaluation/views.py", "top_lists(model.score_grid, self.train, self.users", "top_lists(model.score_grid, self.retained, self.users", ("evaluation/test_membership.py",)),
    Fault("lists have items without data", "evaluation/views.py", "self.users, known=self.retained, k=self.k)", "self.users, known=self.train, k=self.k)", ("evaluation/test_membership.py",)),
    Fault("the oracle is told of all data instead of the retained", "evaluation/verification.py", "audit(model, candidates, views.unchanged, shadows=shadows)", "audit(model, candidates, views.train, shadows=shadows)", ("evaluation/test_membership.py",)),
    Fault("the oracle knows degrees of what is asked", "evaluation/membership/audit.py", "return features(model.score_rows(pairs.users, pairs.items), pairs, retained)", "return features(model.score_rows(pairs.users, pairs.items), pairs, pairs)", ("evaluation/test_membership.py",)),
    Fault("candidates remain in the training data only", "evaluation/membership/shadows.py", "members = members.select(survivors(retained, members))", "members = members.select(survivors(split.train, members))", ("evaluation/test_membership.py",)),
)
