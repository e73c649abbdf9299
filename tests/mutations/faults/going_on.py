"""Where training would have stopped."""

from .fault import faults
from .tests import ALONG, REAL_DATA

ASTRAY = "unlearning/test_astray.py"

GOING_ON = [
    *faults(
        "unlearning/astray.py",
        ASTRAY,
        ("the objective before counts nothing", "return after - before <= jnp", "return after <= jnp"),
        ("any fall of the ranking is allowed", "LEAST_FALL = 0.01", "LEAST_FALL = 1.0"),
        ("the ranking may rise no more than it may fall", "return not before - after <=", "return not abs(before - after) <="),
    ),
    *faults(
        "unlearning/whole.py",
        ASTRAY,
        ("what went astray is taken", "if not _is_astray(objective, state, step, change):", "if True:"),
        ("nothing is tried at once", "(state.record, state.record.in_one())", "(state.record, state.record)"),
        ("products in vain are not told", "_with_products_of(step.solution, *tried.in_vain)", "step.solution"),
    ),
    *faults(
        "unlearning/ifru.py",
        ASTRAY,
        ("what went astray is not told", "max(status, Status.UNRESOLVED) if update.unresolved else status", "status"),
    ),
    *faults(
        "unlearning/stopping.py",
        ALONG,
        (
            "on to the peak itself instead of the difference",
            "found.share - record.peak - record.valid",
            "found.share - record.valid",
        ),
        ("on by what validation can't tell", " - record.peak - record.valid.total**-0.5", " - record.peak"),
        (
            "on in the wrong direction",
            "return there.at(share), record",
            "return there.at(-share), record",
        ),
        ("uphill", "optax.tree.scale(-1, objective.gradient(here, batch))", "objective.gradient(here, batch)"),
        ("back, where training would have stopped before", "or not share > 0:", "or share == 0:"),
        (
            "the record is no longer",
            "there.at(share), record.longer(share)",
            "there.at(share), record",
        ),
        ("P of the first segment", "record.segments[-1].applied", "record.segments[0].applied"),
        ("the time of the last segment", ".applied, steps, data.batch", ".applied, record.segments[-1].steps, data.batch"),
        ("no look beyond a tenth", "0.05, 0.1, 0.15, 0.2, 0.3, 0.4])", "0.05, 0.1])"),
    ),
    *faults(
        "unlearning/stopping.py",
        "unlearning/test_stopping.py::test_the_top_is_that_of_the_parabola_and_stays_in_sight",
        ("no parabola", "if not 0 < best < len(places) - 1:", "if True:"),
    ),
    *faults(
        "unlearning/stopping.py",
        "unlearning/test_stopping.py",
        ("every model goes on in one stage", "LONGEST_TURNING if objective.model.turning else", ""),
        ("every model goes on in short stages", "LONGEST_TURNING if objective.model.turning else", "LONGEST_TURNING if True else"),
        ("the longest way in stages of two fifths", "LONGEST if last > SHARES[-1] else SHARES[-1]", "SHARES[-1]"),
        ("a large request is followed no further", "if last and record.pending > LARGE:", "if False:"),
        ("every part of a large request is followed further", "if last and record.pending", "if record.pending"),
        ("what was followed stays pending", "FURTHER, record.followed_far()", "FURTHER, record"),
        (
            "on in the stages of a small request",
            "stages(objective, params, record, data, looks))",
            "stages(objective, params, record, data))",
        ),
        ("a stage begins where training ended", "\n        moved = stage.at(ends)", ""),
        (
            "H of where training ended",
            "objective.hessian_product(here, batch), force",
            "objective.hessian_product(free, batch), force",
        ),
        (
            "the metric of a stage is of where training ended",
            "here, known = optax.tree.add(free, moved), valid",
            "here, known = free, valid",
        ),
        ("a stage is as long as the way to it", "on_device(share - self.begins)", "on_device(share)"),
        ("looks are as far from each beginning", "(stage.looks - stage.begins).astype", "stage.looks.astype"),
        ("on in the first stage", "while share > stage.ends and", "while False and"),
        ("what few pairs turn over counts", "jnp.abs(value - known) - chance, 0)", "jnp.abs(value - known), 0)"),
        ("of equals the first", "key=lambda place: abs(places[place])", "key=lambda place: place"),
        ("a stage goes without what came before", "return optax.tree.add(moved, flow.after(share))", "return flow.after(share)"),
    ),
    *faults(
        "unlearning/stopping.py",
        REAL_DATA,
        ("nine hundred pairs have a say", "LEAST_PAIRS = 1000", "LEAST_PAIRS = 900"),
        ("one product for the flow", "PRODUCTS = 6", "PRODUCTS = 1"),
    ),
    *faults(
        "unlearning/whole.py",
        ALONG,
        ("going on is no part of the step", "delta = _added(found.delta, further) | still", "delta = found.delta | still"),
        (
            "on from where the training was",
            "gone_on(objective, params, record, change.after, ",
            "gone_on(objective, state.params, record, change.after, ",
        ),
        (
            "on with what is forgotten",
            "gone_on(objective, params, record, change.after, ",
            "gone_on(objective, params, record, change.before, ",
        ),
    ),
    *faults(
        "unlearning/whole.py",
        "unlearning/test_stopping.py",
        ("no part is the last", "change.after, last=last)", "change.after, last=False)"),
        ("nothing is pending", ".requested(change.share)", ""),
    ),
    *faults(
        "unlearning/ifru.py",
        "unlearning/test_stopping.py",
        ("the last part is a part like others", ", last=_forget)", ")"),
    ),
    *faults(
        "training/record.py",
        "unlearning/test_stopping.py",
        ("what is pending is a share of what is left", "self.pending + (1 - self.pending) * share", "self.pending + share"),
        ("what was pending is forgotten", "self.pending + (1 - self.pending) * share", "share"),
    ),
    *faults(
        "unlearning/local/step.py",
        "unlearning/test_stopping.py",
        ("a confined request is not pending", ".requested(change.share)", ""),
    ),
    *faults(
        "training/record.py",
        ALONG,
        (
            "the pairs of whoever is gone stay in the record",
            "left_of(self.valid, request, lost)",
            "left_of(self.valid, request, lost & False)",
        ),
        ("longer by a share of the last segment", "last.steps + share * self.steps", "last.steps + share * last.steps"),
    ),
]
