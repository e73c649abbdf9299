"""Large requests in parts: nothing is lost or asked twice, the result is that of the parts, and it is all or nothing."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, ForgetRequest, IFRUConfig, Interactions, Report, Status, lightgcn, random_split
from ifru_jax.data import sample_negatives
from ifru_jax.training import bpr, train
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.in_parts import forget_in_parts, in_all, parts_needed, split_request
from ifru_jax.unlearning.report import Scope, Solve
from tests.unlearning.conftest import CONFIG, tastes

ONE_STEP = IFRUConfig(max_share=None)


def third_of(data: Interactions) -> ForgetRequest:
    pairs = np.stack([data.users, data.items], axis=1)[np.random.default_rng(1).permutation(len(data))[: len(data) // 3]]
    return ForgetRequest(pairs=pairs)


@given(st.integers(1, 500), st.integers(0, 500), st.floats(0.01, 1.0))
@settings(max_examples=50)
def test_no_part_is_larger_than_the_share(retained, gone, share):
    size = retained + gone
    count = parts_needed(gone / size, share)
    if gone:
        assert gone / count <= share * size * (1 + 1e-6)
        assert count == 1 or gone / (count - 1) > share * size * (1 - 1e-6)
    assert parts_needed(gone / size, None) == 1


def test_a_large_request_is_the_stream_of_its_parts(trained):
    request = third_of(trained.interactions)
    unlearned, report = forget(trained, request)
    assert report.parts == 5  # a third is more than four times .08
    state, products = trained, 0
    for part in split_request(request, report.parts):
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
