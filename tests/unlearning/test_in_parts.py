"""Large requests in parts: nothing is lost or asked twice, the result is that of the parts, and it is all or nothing."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ifru_jax import (
    DataError,
    ForgetRequest,
    IFRUConfig,
    Interactions,
    Report,
    Status,
    Trained,
    drop_duplicates,
    lightgcn,
    mf,
    random_split,
    unlearn,
)
from ifru_jax.data import sample_negatives
from ifru_jax.data.forget_sets import label_correction
from ifru_jax.data.groups import leads_group
from ifru_jax.evaluation.facts import difference
from ifru_jax.graph import Change, build_training_set
from ifru_jax.training import bpr, train
from ifru_jax.unlearning import forget, linearity, prepare
from ifru_jax.unlearning.in_parts import cut_request, forget_in_parts, in_all, most_at_once, named_plainly, split_request
from ifru_jax.unlearning.linearity import beyond
from ifru_jax.unlearning.report import Linearity, Scope, Solve
from tests.unlearning.conftest import CONFIG, tastes

ONE_STEP = IFRUConfig(max_share=None)


def third_of(data: Interactions) -> ForgetRequest:
    pairs = np.stack([data.users, data.items], axis=1)[np.random.default_rng(1).permutation(len(data))[: len(data) // 3]]
    return ForgetRequest(pairs=pairs)


@pytest.mark.parametrize("most", [3, 10, 25])
def test_what_goes_does_not_depend_on_the_cut_where_a_correction_changes_what_a_group_is_about(most):
    """Set right, a sampled negative is one of two positives, and an item no longer takes along what it took before."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        users, items = np.divmod(rng.choice(120, 25, replace=False), 12)
        data = Interactions(users, items, np.ones(25, np.float32), 10, 12)
        data = sample_negatives(random_split(data, shares=(1.0, 0.0, 0.0)), per_positive=2).train
        first = ForgetRequest(items=rng.choice(np.unique(data.items), 2, replace=False), users=rng.choice(np.unique(data.users), 1))
        keys, hit = data.users * 12 + data.items, first.select(data)
        left = np.flatnonzero(~np.isin(keys, keys[hit]) & (data.labels < 0.5))
        changed = rng.choice(left, 4, replace=False)
        corrected = np.stack([data.users[changed], data.items[changed]], axis=1)
        request = first | ForgetRequest(corrected=corrected, labels=np.ones(4, np.float32))
        expected, found = request.applied(data), data
        for part in cut_request(request, data, most):
            found = part.still_in(found).applied(found)
        for name in ("users", "items", "labels", "groups"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=f"{name}, seed {seed}")


def mixed(data, seed, kinds):
    """Pairs, users, items and corrections, none of them of another's."""
    rng = np.random.default_rng(seed)
    users, items = rng.choice(40, 3, replace=False), rng.choice(50, 2, replace=False)
    free = np.flatnonzero(~np.isin(data.users, users) & ~np.isin(data.items, items) & leads_group(data))
    places = rng.choice(free, 60, replace=False)
    pairs = np.stack([data.users, data.items], axis=1)
    corrected = places[40:] if data.groups is None else places[:0]
    return ForgetRequest(
        pairs=pairs[places[:40]],
        users=users if "users" in kinds else users[:0],
        items=items if "items" in kinds else items[:0],
        corrected=pairs[corrected],
        labels=1 - data.labels[corrected],
    )


@given(st.integers(0, 20), st.integers(4, 60), st.integers(1, 4))
@settings(max_examples=40)
def test_the_corrections_of_a_group_are_in_one_part(seed, most, count):
    """Half of them would leave groups of several positives and several negatives, which a loss that compares refuses."""
    positives = random_split(tastes().select(tastes().labels > 0.5), shares=(1.0, 0.0, 0.0))
    data = sample_negatives(positives, per_positive=3, seed=seed).train
    _, request = label_correction(data, 0.1)
    of_pair = {(u, i): g for u, i, g in zip(data.users.tolist(), data.items.tolist(), data.groups.tolist(), strict=True)}
    for parts in (cut_request(request, data, most), split_request(request, count, data)):
        groups = [{of_pair[u, i] for u, i in part.corrected.tolist()} for part in parts]
        assert sum(map(len, groups)) == len(set().union(*groups))
        found = sorted((*pair, y) for part in parts for pair, y in zip(part.corrected.tolist(), part.labels.tolist(), strict=True))
        wanted = sorted((*pair, y) for pair, y in zip(request.corrected.tolist(), request.labels.tolist(), strict=True))
        assert found == wanted


def test_many_corrections_of_pairs_that_are_compared(split):
    """Cut into parts as any request, which then differ from one step by little."""
    drawn = sample_negatives(split.of_parts(lambda part: part.select(part.labels > 0.5)), per_positive=3)
    flipped, request = label_correction(drawn.train, 0.12)
    model = mf(embedding_size=4, init_std=0.1)
    trained = prepare(train(jax.random.key(0), model, replace(drawn, train=flipped), CONFIG, loss=bpr))
    unlearned, report = forget(trained, request)
    assert report.parts > 1
    assert report.corrected == len(request.corrections(trained.interactions)[0])
    expected = request.applied(trained.interactions)
    np.testing.assert_array_equal(unlearned.interactions.labels, expected.labels)


@given(st.integers(0, 20), st.integers(1, 120), st.sampled_from([(), ("users",), ("items",), ("users", "items")]), st.booleans())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_parts_are_the_request_and_none_is_too_large(seed, most, kinds, grouped):
    """One user with more than a part holds is several parts."""
    data = tastes()
    if grouped:
        data = sample_negatives(random_split(data.select(data.labels > 0.5), shares=(1.0, 0.0, 0.0))).train
    request, left, label = mixed(data, seed, kinds), data, []
    expected, largest = request.applied(data), 2 if grouped else 1
    for part in cut_request(request, data, most):
        now = part.still_in(left)
        if not len(now):
            continue
        label.append(int(now.touches(left).sum()))
        left = now.applied(left)
    assert difference(left, expected) == (0, 0)
    # A pair is never cut, and users and items that were are named in the last part, with what was sampled of the items for others.
    late = max(data.item_degrees()[request.items], default=0) if grouped else 0
    assert max(label[:-1], default=0) <= max(most, largest)
    assert label[-1] <= max(most, largest) + late * len(request.items)
    assert sum(label) == request.touches(data).sum()


@given(st.integers(0, 20), st.sampled_from([(), ("users",), ("items",), ("users", "items")]), st.booleans())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_there_is_one_way_to_name_a_change(seed, kinds, grouped):
    data = tastes()
    if grouped:
        data = sample_negatives(random_split(data.select(data.labels > 0.5), shares=(1.0, 0.0, 0.0))).train
    request = mixed(data, seed, kinds)
    plainly = named_plainly(Change.of(build_training_set(data), request))
    assert difference(plainly.applied(data), request.applied(data)) == (0, 0)
    # Put in another way: whoever loses everything is named, whose interactions are named are not.
    gone = request.select(data) & leads_group(data)
    pairs = np.stack([data.users, data.items], axis=1)[gone & ~np.isin(data.items, request.items)]
    otherwise = ForgetRequest(pairs=pairs, items=request.items, corrected=request.corrected[::-1], labels=request.labels[::-1])
    again = named_plainly(Change.of(build_training_set(data), otherwise))
    for name in ("pairs", "users", "items", "corrected", "labels"):
        np.testing.assert_array_equal(getattr(again, name), getattr(plainly, name))


@pytest.mark.parametrize("follow", [False, True])
def test_a_cut_request_does_not_depend_on_how_it_is_named(trained, follow):
    """A user by name, or by all of its interactions, which take it along."""
    trained = trained.with_record(trained.record if follow else None)
    data, users = trained.interactions, np.arange(12, dtype=np.int32)
    pairs = np.stack([data.users, data.items], axis=1)[np.isin(data.users, users)]
    (one, by_name), (other, by_pairs) = (
        forget(trained, one) for one in (ForgetRequest(users=users), ForgetRequest(pairs=pairs[::-1]))
    )
    assert by_name.parts == by_pairs.parts > 1
    for name, value in one.params.items():
        np.testing.assert_array_equal(other.params[name], value)
    assert (by_name.users_taken_along, by_pairs.users_taken_along) == (0, 12)


@pytest.mark.parametrize(("follow", "most"), [(False, 0.6), (True, 0.9)])
def test_a_request_that_is_a_little_larger_changes_little_more(trained, follow, most):
    """From one part to two, by one interaction: no jump, as equal parts have."""
    trained = trained.with_record(trained.record if follow else None)
    data = trained.interactions
    pairs = third_of(data).pairs
    share = 100 / len(data)
    one, two = (forget(trained, ForgetRequest(pairs=pairs[:k]), config=IFRUConfig(max_share=share)) for k in (100, 101))
    assert (one[1].parts, two[1].parts) == (1, 2)
    halves, _ = forget_in_parts(prepare(trained, config=ONE_STEP), ForgetRequest(pairs=pairs[:101]), 2, forget)
    more, _ = forget(trained, ForgetRequest(pairs=pairs[:101]), config=ONE_STEP)

    def moved(model):
        return model.score_rows(data.users, data.items) - trained.score_rows(data.users, data.items)

    jump, equal, natural = (np.linalg.norm(moved(a) - moved(b)) for a, b in ((two[0], more), (halves, more), (one[0], more)))
    assert jump < most * equal
    assert jump < natural


def test_a_user_with_a_third_of_the_data_is_cut():
    rng = np.random.default_rng(0)
    own = np.arange(45)
    users, items = np.divmod(rng.permutation(30 * 50)[:100], 50)
    data = drop_duplicates(
        Interactions.from_arrays(np.r_[users, np.full(45, 99)], np.r_[items, own], rng.integers(2, size=145).astype(float))
    )
    model = mf(embedding_size=4, init_std=0.5)
    trained = prepare(Trained.of(model, model.init(jax.random.key(0), data.num_users, data.num_items), data))
    unlearned, report = unlearn(trained, users=[99])
    assert report.parts == 5  # 45 interactions, at most 11 at a time
    assert report.forgotten == 45
    assert (report.cleared_users, report.users_taken_along) == (1, 0)
    row = data.user_index([99])[0]
    assert not np.any(unlearned.params["user_embedding"][row])
    assert 99 not in unlearned.interactions.user_ids
    # Larger than what was validated, which the report says with the evidence.
    assert report.status is Status.RETRAIN_INSTEAD
    assert "retrain instead" in report.status.message
    assert report.linearity is not None
    assert report.linearity == linearity(trained, unlearned)


def test_the_report_says_to_retrain_beyond_what_was_validated():
    report = Report(Status.STEPS_SPENT, retained=90, forgotten=10, linearity=Linearity(1.0, 0.9))
    assert beyond(report, 100) is report
    assert beyond(replace(report, forgotten=15, corrected=6), 100).status is Status.RETRAIN_INSTEAD
    for ratio in (0.4, 2.1, -0.7):
        assert beyond(replace(report, linearity=Linearity(1.0, ratio)), 100).status is Status.RETRAIN_INSTEAD
    # Nothing was promised: there is no mismatch to speak of.
    assert beyond(replace(report, linearity=Linearity(0.0, 0.1)), 100).status is Status.STEPS_SPENT
    assert beyond(replace(report, status=Status.DIVERGED, forgotten=50), 100).status is Status.DIVERGED


def test_a_large_request_is_the_stream_of_its_parts(trained):
    request = third_of(trained.interactions)
    unlearned, report = forget(trained, request)
    assert report.parts == 5  # a third is more than four times .08
    state, products = trained, 0
    most = most_at_once(len(trained.interactions), 0.08)
    plainly = named_plainly(Change.of(trained.training_set, request))
    for part in cut_request(plainly, trained.interactions, most):
        state, last = forget(state, part, config=ONE_STEP)
        products += last.solve.num_products
    for name, value in state.params.items():
        np.testing.assert_array_equal(unlearned.params[name], value)
    assert report.forgotten == len(request.pairs)
    assert report.retained == len(unlearned.interactions) == last.retained
    assert report.solve.num_products == products
    assert report.solve.damping == last.solve.damping
    assert report.seconds["total"] == pytest.approx(sum(value for name, value in report.seconds.items() if name != "total"))
    assert report.seconds["split"] >= 0

    once, alone = forget(trained, request, config=ONE_STEP)
    assert alone.parts == 1
    np.testing.assert_array_equal(once.interactions.users, unlearned.interactions.users)
    assert any(np.any(np.asarray(once.params[name]) != np.asarray(value)) for name, value in unlearned.params.items())


def test_what_an_earlier_part_took_along_is_not_asked_for_again(trained):
    """All users of an item, and the item: whichever comes first, the other may find nothing."""
    data = trained.interactions
    item = int(np.argmin(np.where(data.item_degrees() > 0, data.item_degrees(), len(data))))
    users = np.unique(data.users[data.items == item])
    request = ForgetRequest(users=users, items=np.array([item]))
    gone = request.select(data)
    unlearned, report = forget(trained, request, config=IFRUConfig(max_share=float(gone.mean()) / 6))
    assert report.forgotten == gone.sum()
    assert report.parts >= len(users)
    assert not np.isin(unlearned.interactions.users, users).any()
    assert report.cleared_users == len(users)
    assert report.cleared_items >= 1


def test_a_stream_of_nothing_changes_nothing(trained):
    after, report = forget_in_parts(trained, ForgetRequest(), 10, forget)
    assert after is trained
    assert (report.forgotten, report.retained, report.status) == (0, len(trained.interactions), Status.NOTHING_TO_FORGET)


def test_groups_go_whole():
    data = tastes()
    split = sample_negatives(random_split(data.select(data.labels > 0.5)))
    model = lightgcn(embedding_size=6, init_std=0.1)
    trained = prepare(train(jax.random.key(0), model, split, replace(CONFIG, epochs=5), loss=bpr))
    request = third_of(trained.interactions.select(trained.interactions.labels > 0.5))
    unlearned, report = forget(trained, request)
    assert report.parts > 1
    assert report.forgotten + len(unlearned.interactions) == len(trained.interactions)
    assert not request.still_in(unlearned.interactions).pairs.size


def test_the_report_of_all_parts():
    seconds = [{"total": 1.0, "a": 1.0}, {"total": 2.0, "b": 2.0}]
    first = Report(Status.NEGATIVE_CURVATURE, 9, 3, norm_step=2.0, solve=Solve(4), seconds=seconds[0])
    second = Report(Status.STEPS_SPENT, 7, 2, norm_step=1.0, solve=Solve(5), seconds=seconds[1])
    assert in_all([first, second]) == Report(
        status=Status.NEGATIVE_CURVATURE,
        forgotten=5,
        retained=7,
        parts=2,
        norm_step=2.0,
        solve=Solve(9),
        seconds={"total": 3.0, "a": 1.0, "b": 2.0},
    )
    # What is measured of one part alone is not lost; what was measured of both adds up, or is the largest.
    known = replace(first, solve=Solve(4, predicted_decrease=2.0), scope=Scope(3, 8, 1, 0))
    together = in_all([known, replace(second, scope=Scope(4, 5, 0, 6))])
    assert together.solve == Solve(9, predicted_decrease=2.0)
    assert together.scope == Scope(4, 8, 1, 6)
    assert in_all([replace(second, solve=Solve(5, predicted_decrease=3.0)), known]).solve.predicted_decrease == 5.0


def test_a_share_is_a_share(trained):
    for bad in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(DataError, match=r"max_share is .*: it is a share of all interactions"):
            IFRUConfig(max_share=bad)
    # What is not there is told before anything is done.
    with pytest.raises(DataError, match="no interaction"):
        forget(trained, third_of(trained.interactions) | ForgetRequest(users=np.array([trained.interactions.num_users])))
