"""Who of a group was observed, whatever was set right or is gone: against rows that are looked at one by one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, ForgetRequest, Interactions
from ifru_jax.data.groups import leads_group, observed, perhaps_observed
from ifru_jax.data.held_out import left_of
from ifru_jax.data.negatives import sample_negatives
from ifru_jax.data.numbering import in_order
from ifru_jax.data.saved import from_saved, saved
from ifru_jax.data.splits import random_split
from ifru_jax.graph import Change, build_training_set
from ifru_jax.store.verifying import difference_as_request
from ifru_jax.unlearning.in_parts import cut_request, named_plainly, split_request

USERS, ITEMS = 4, 9
COLUMNS = ("users", "items", "labels", "groups", "observed")


def of_rows(rows: list[list]) -> Interactions:
    users, items, labels, groups, known = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(users, items, labels, USERS, ITEMS, groups=groups, observed=known)


def rows_of(data: Interactions) -> list[tuple]:
    columns = data.users, data.items, data.labels, data.groups, observed(data)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def naively(rows: list[tuple], request: ForgetRequest) -> list[tuple]:
    """What is left of (user, item, label, group, observed)."""
    pairs = set(map(tuple, request.pairs.tolist()))
    new = dict(zip(map(tuple, request.corrected.tolist()), request.labels.tolist(), strict=True))
    gone, whole = set(), set()
    for place, (user, item, _, group, known) in enumerate(rows):
        if (user, item) in pairs or user in request.users or item in request.items:
            gone.add(place)
            if (user, item) in pairs and not known:
                whole.add(group)
    for group in {row[3] for row in rows}:
        told = {place for place, row in enumerate(rows) if row[3] == group and row[4]}
        if told and told <= gone:
            whole.add(group)
    left = []
    for place, (user, item, label, group, known) in enumerate(rows):
        if place not in gone and group not in whole:
            after = new.get((user, item), label)
            left.append((user, item, after, group, known or (after != label and after > 0.5)))
    return sorted(left)


@st.composite
def drawn(draw):
    """Positives with one to three negatives each, as they are sampled, of which label noise may have flipped some groups."""
    pairs = np.array(draw(st.lists(st.integers(0, USERS * ITEMS - 1), min_size=2, max_size=9, unique=True)))
    rng, size, flips = np.random.default_rng(draw(st.integers(0, 99))), draw(st.integers(1, 3)), draw(st.booleans())
    users, items = np.divmod(pairs, ITEMS)
    rows = []
    for group, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        flipped = flips and rng.random() < 0.3
        unseen = np.setdiff1d(np.arange(ITEMS), items[users == user])
        others = rng.choice(unseen, min(size, len(unseen)), replace=False).tolist()
        rows += [(user, which, float((which == item) != flipped), group, which == item) for which in (item, *others)]
    rng.shuffle(rows)
    return of_rows(rows)


def some(draw, data: Interactions) -> ForgetRequest:
    """Pairs, users and items that are there, and corrections of what stays."""
    pairs = np.stack([data.users, data.items], axis=1)
    few = lambda of, most: draw(st.lists(st.sampled_from(sorted(set(of))), max_size=most, unique=True))  # noqa: E731
    gone = ForgetRequest(
        np.array(few(map(tuple, pairs.tolist()), 2), np.int32).reshape(-1, 2),
        np.array(few(data.users.tolist(), 1), np.int32),
        np.array(few(data.items.tolist(), 2), np.int32),
    )
    try:
        stays = ~gone.select(data)
    except DataError:
        return ForgetRequest()
    # Of a pair that was sampled twice, one may go and another stay.
    often = Counter(map(tuple, pairs.tolist()))
    others = [pair for pair in map(tuple, pairs[stays].tolist()) if often[pair] == 1]
    corrected = few(others, 3) if others else []
    labels = [float(draw(st.integers(0, 1))) for _ in corrected]
    return replace(gone, corrected=np.array(corrected, np.int32).reshape(-1, 2), labels=np.array(labels))


@given(drawn(), st.data())
@settings(max_examples=120, deadline=None)
def test_requests_one_after_the_other_leave_what_rows_looked_at_one_by_one_do(data, more):
    for _ in range(4):
        request = some(more.draw, data)
        expected = naively(rows_of(data), request)
        if not expected:
            with pytest.raises(DataError, match="nothing is left"):
                request.applied(data)
            return
        found = request.applied(data)
        assert rows_of(found) == expected
        # The same on the way that an answer takes, of held-out data, and as the store tells it.
        after = Change.of(build_training_set(data), request).after.interactions
        assert rows_of(after) == expected
        lost = np.isin(data.users, np.setdiff1d(data.users, found.users)) | np.isin(
            data.items, np.setdiff1d(data.items, found.items)
        )
        assert rows_of(left_of(data, request, lost)) == expected
        assert rows_of(difference_as_request(data, found).applied(data)) == expected
        # In parts, each of the one before.
        plainly = named_plainly(Change.of(build_training_set(data), request))
        for parts in (cut_request(plainly, data, more.draw(st.integers(1, 8))), split_request(plainly, 3, data)):
            left = data
            for part in parts:
                now = part.still_in(left)
                left = now.applied(left) if len(now) else left
            assert rows_of(left) == expected
        # Who was observed goes wherever the interactions go.
        assert rows_of(from_saved(*saved(found))) == expected
        order = np.arange(found.num_users)[::-1], np.arange(found.num_items)[::-1]
        turned = in_order(found, order)
        renamed = {(user, item, known) for user, item, _, _, known in expected}
        assert set(zip(order[0][turned.users], order[1][turned.items], observed(turned), strict=True)) == renamed
        data = found


def test_a_positive_that_was_drawn_as_a_negative_is_an_interaction_of_its_own():
    """Without keeping who was observed, the one negative among positives would be taken for it."""
    data = Interactions(
        np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 4]), np.array([1.0, 0, 0, 1, 0]), 2, 5, groups=np.array([0, 0, 0, 1, 1])
    )
    told = ForgetRequest(corrected=np.array([[0, 1]]), labels=np.array([1.0])).applied(data)
    np.testing.assert_array_equal(observed(told), [True, True, False, True, False])
    np.testing.assert_array_equal(perhaps_observed(told), observed(told))
    np.testing.assert_array_equal(leads_group(told), observed(told))
    for gone, left in (([2], [0, 1]), ([0], [1, 2]), ([1], [0, 2]), ([0, 1], [])):
        after = ForgetRequest(items=np.array(gone)).applied(told)
        np.testing.assert_array_equal(after.items[after.users == 0], left)
    for item, left in ((0, [1, 2]), (1, [0, 2]), (2, [])):
        after = ForgetRequest(pairs=np.array([[0, item]])).applied(told)
        np.testing.assert_array_equal(after.items[after.users == 0], left)


def test_what_was_observed_and_set_right_to_a_negative_still_takes_what_was_drawn_for_it():
    data = Interactions(np.zeros(4, int), np.array([0, 1, 2, 3]), np.array([1.0, 0, 0, 1]), 1, 4, groups=np.array([0, 0, 0, 1]))
    told = ForgetRequest(corrected=np.array([[0, 0]]), labels=np.array([0.0])).applied(data)
    np.testing.assert_array_equal(ForgetRequest(items=np.array([0])).applied(told).items, [3])
    np.testing.assert_array_equal(ForgetRequest(items=np.array([1])).applied(told).items, [0, 2, 3])


def test_label_noise_does_not_change_who_was_observed():
    """Of a pair of labels nobody can tell which was flipped."""
    positives = Interactions.from_arrays([0, 0, 1, 2], [0, 1, 2, 3])
    data = sample_negatives(random_split(positives, shares=(1.0, 0.0, 0.0)), per_positive=1).train
    flipped = data.with_labels(1 - data.labels)
    np.testing.assert_array_equal(observed(flipped), data.labels > 0.5)
    np.testing.assert_array_equal(leads_group(flipped), data.labels > 0.5)


@pytest.mark.parametrize("known", [np.zeros(2), np.zeros(3, bool)])
def test_what_says_nothing_of_the_members_of_groups_is_refused(known):
    with pytest.raises(DataError, match=r"observed (is of float64|has shape)"):
        Interactions(np.zeros(2, int), np.arange(2), np.ones(2), 1, 2, groups=np.zeros(2, int), observed=known)


def test_who_takes_groups_away_takes_away_what_was_said_of_them():
    data = Interactions(np.zeros(2, int), np.arange(2), np.ones(2), 1, 2, groups=np.zeros(2, int), observed=np.ones(2, bool))
    assert replace(data, groups=None).observed is None
