"""What a request takes of what was held out, and of groups that nobody leads."""

from .fault import faults

_STORE = "store/test_held_out.py"
_LEFT = "data/test_held_out.py"

HELD_OUT = [
    *faults(
        "data/held_out.py",
        _LEFT,
        ("held-out copies of what is named stay", "gone[named_places(", "gone[:0][named_places("),
        ("what was drawn for a lost pair stays", "gone = with_groups(held, lost).copy()", "gone = lost.copy()"),
        ("labels of held-out pairs stay", "held = with_corrections(held, places.values, new)", "pass"),
    ),
    *faults(
        "data/groups.py",
        _LEFT + " | test_serving.py",
        ("the first of a mixed group leads it", "& ~self.mixed & ~self.alike", "& ~self.alike"),
        ("the first of a group of one label leads it", "& ~self.mixed & ~self.alike", "& ~self.mixed"),
        ("a group that nobody leads is recommended", "found.known | found.mixed | found.alike", "found.known"),
    ),
    *faults(
        "data/groups.py",
        "data/test_groups.py",
        ("what is set right is not observed", "known[places] |= changed[places] > 0.5", "pass"),
        ("what is set right to a negative is not observed", "known[places] |= changed", "known[places] = changed"),
        ("who loses one of two observed loses the group", "& ~_of_groups(data.groups, ~touched & known)", ""),
    ),
    *faults(
        "data/selection.py",
        "data/test_groups.py",
        ("one of two observed takes its group", "lost == had[found", "lost <= had[found"),
        ("what was sampled and named leaves its group", "keys[of_pairs & ~here]", "keys[:0]"),
    ),
    *faults(
        "training/record.py",
        _STORE,
        (
            "the record is stopped by what is forgotten",
            "left = left_of(self.valid, request, lost)",
            "left = self.valid.select(~lost)",
        ),
        ("the record of a store keeps what it lost", "found = left.select(contains(distinct(known), here))", "found = self.valid"),
    ),
    *faults(
        "store/answering.py",
        _STORE,
        ("the record keeps held-out pairs", 'models.stopped_by(model, parts.get("valid"))', "model"),
    ),
    *faults(
        "store/settling.py",
        _STORE,
        ("settled the record has what went meanwhile", "models.stopped_by(found, state.valid)", "found"),
    ),
    *faults(
        "store/creation.py",
        _STORE,
        ("a store without a split knows nothing of the record", "return {} if stopped is None else", "return {} if True else"),
        ("whoever was held out alone is kept", "part = part.select(known)", "pass"),
    ),
    *faults(
        "unlearning/compaction.py",
        _STORE,
        (
            "the id of somebody without data is kept",
            "without_idle_ids(in_order(trained.interactions, order))",
            "in_order(trained.interactions, order)",
        ),
    ),
    *faults(
        "store/resolve.py",
        _STORE,
        ("features of the erased are kept in the split", '"item_ids", "user_features", "item_features")', '"item_ids")'),
    ),
    *faults(
        "store/verifying.py",
        "store/test_requests.py | store/test_elsewhere.py",
        ("a copy with another label was set right", "~_with_its_label(before, after)", "(after.labels[place] != before.labels)"),
        (
            "rows in another order are those of before",
            "if not np.all((before == after)",
            "if 0 and not np.all((before == after)",
        ),
    ),
    *faults(
        "unlearning/unsettled.py",
        "store/test_requests.py::test_a_store_answers_by_steps_with_budgets",
        ("budgets are left without their scope", "scope=None, max_nodes=None, max_edges=None", "scope=None"),
    ),
    *faults(
        "unlearning/in_parts.py",
        "unlearning/test_in_parts.py",
        ("the corrections of a group are torn apart", "data.groups is None or data.share is not None", "True"),
    ),
    *faults(
        "training/losses.py",
        "unlearning/test_preconditioner.py",
        ("a negative whose sign is minus is none", "negative = ~positive & (weights != 0)", "negative = ~positive & (weights > 0)"),
        ("signs of negatives count", "jnp.abs(weights) * jnp.exp(", "weights * jnp.exp("),
    ),
    *faults(
        "data/column_checks.py",
        "data/test_column_checks.py",
        ("a short mark of the erased is an id", "found[ids == np.iinfo(ids.dtype).min]", "found[:0]"),
    ),
]
