"""What the calls accept and refuse: kinds of arguments, ids from any iterable, requests that are repeated."""

from dataclasses import replace

import flax.linen as nn
import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest

import ifru_jax
from ifru_jax import DataError, ForgetRequest, Interactions, ModelError, Split, Status, TrainConfig, Trained, fit, mf, unlearn
from ifru_jax.baselines import SISA
from ifru_jax.data.present import present_part
from ifru_jax.unlearning import Prepared
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Damping

KEY, MODEL = jax.random.key(0), mf(embedding_size=3, init_std=0.5)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(10 * 8)[:50], 8)
    return Interactions.from_arrays(10 * users, [f"i{i}" for i in items], rng.integers(2, size=50))


@pytest.fixture(scope="module")
def trained(data):
    plain = Trained.of(MODEL, MODEL.init(KEY, data.num_users, data.num_items), data)
    parts = plain.objective, plain.params, plain.training_set, plain.config
    return Prepared(*parts, step=IFRUConfig(num_steps=2), damping=Damping(0.5, 0.4))


@pytest.mark.parametrize(
    "users",
    [
        {10, 20},
        (user for user in (10, 20)),
        {10: "a", 20: "b"}.keys(),
        [10, "20", 10],
        range(10, 30, 10),
        np.array([10.0, 20.0]),
        pd.Series([10, 20], index=["x", "y"]),
        pl.Series([10, 20]),
        frozenset({"10", "20"}),
    ],
    ids=lambda users: type(users).__name__,
)
def test_ids_come_from_any_iterable(data, users):
    assert ForgetRequest.of(data, users=users).users.tolist() == data.user_index([10, 20]).tolist()


def test_pairs_come_from_any_iterable(data):
    pairs = [(int(data.user_ids[data.users[k]]), str(data.item_ids[data.items[k]])) for k in (0, 7)]
    frame = pd.DataFrame(pairs, columns=["user", "item"])
    expected = ForgetRequest.of(data, interactions=pairs).pairs
    for given in (
        set(pairs),
        dict(pairs).items(),
        iter(pairs),
        frame.itertuples(index=False),
        frame.to_numpy(),
        pl.DataFrame(frame).rows(),
    ):
        np.testing.assert_array_equal(ForgetRequest.of(data, interactions=given).pairs, expected)


def test_wrong_kinds_are_answered_with_the_remedy(data, trained):
    split = Split(data, data, data)
    calls = {
        r"request is \[10\], a list: name ids with users=": lambda: unlearn(trained, [10]),
        r"trained is 'm\.npz', a str: give what fit, load or unlearn returned; a file is read by load": lambda: unlearn(
            "m.npz", users=[1]
        ),
        r"data is Interactions.*: split it first: protocol_split": lambda: fit(KEY, MODEL, data),
        r"key is 0: give jax\.random\.key\(0\)": lambda: fit(0, MODEL, split),
        r"test is Split.*: give interactions, such as split\.test": lambda: ifru_jax.evaluate(trained, split),
        r"data is .*: give interactions, such as trained\.interactions": lambda: ForgetRequest.of(trained, users=[10]),
        r"dataset is 'ratings\.csv', a str: read it first": lambda: ifru_jax.protocol_split("ratings.csv"),
        r"request is \[10\], a list: make one with ForgetRequest\.of": lambda: ifru_jax.retrain(KEY, trained, [10], data),
        r"split is Interactions.*: give the split": lambda: ifru_jax.verify(trained, trained, [], data, ForgetRequest()),
        "missing is 'ignore': choose among error, report": lambda: unlearn(trained, users=[10], missing="ignore"),
    }
    for message, call in calls.items():
        with pytest.raises(DataError, match=f"(?s){message}"):
            call()

    class Plain(nn.Module):
        @nn.compact
        def __call__(self, pairs, graph):
            return pairs.users * self.param("w", nn.initializers.ones, ())

    for model, hint in ((mf, r"mf is no model.* call it, mf\(\)"), (Plain(), "Plain is no model.*wrap it: FlaxRecommender")):
        with pytest.raises(ModelError, match=hint):
            fit(KEY, model, split)


def test_what_is_missing_is_reported_where_that_is_allowed(data, trained):
    there = int(data.user_ids[data.users[0]]), str(data.item_ids[data.items[0]])
    absent = next(f"i{i}" for i in range(8) if not ((data.items == i) & (data.users == data.users[0])).any())
    names = {"users": {20, 999, "998"}, "items": ["i3", "i99", "i99"], "interactions": [there, (there[0], absent), (5, "i1")]}
    with pytest.raises(DataError, match=r'missing="report"\) allows that'):
        unlearn(trained, **names)
    unlearned, report = unlearn(trained, **names, missing="report")
    # 999, 998, i99, a pair of known ids that is not there, a pair of an unknown user.
    assert report.missing == 5
    expected = ForgetRequest.of(data, users=[20], items=["i3"], interactions=[there])
    assert report.forgotten == expected.select(data).sum()
    assert report.as_dict()["missing"] == 5
    left = unlearned.interactions
    assert set(zip(left.users, left.items, strict=True)) == {
        (u, i) for u, i, gone in zip(data.users, data.items, expected.select(data), strict=True) if not gone
    }


def test_a_request_may_be_repeated(data, trained):
    pair, other = ((int(data.user_ids[data.users[k]]), str(data.item_ids[data.items[k]])) for k in (0, -1))
    names = {"users": [20], "interactions": [pair], "corrected": [(*other, 1.0 - data.labels[-1])]}
    once, first = unlearn(trained, **names, missing="report")
    again, second = unlearn(once, **names, missing="report")
    assert (first.missing, first.corrected) == (0, 1)
    assert again is once
    # The corrected interaction is there and has its label.
    assert (second.status, second.missing, second.forgotten) == (Status.NOTHING_TO_FORGET, 2, 0)
    request = ForgetRequest.of(data, users=[20], interactions=[pair])
    assert unlearn(once, request, missing="report")[1].missing == 2
    with pytest.raises(DataError):
        unlearn(once, request)


def test_nothing_is_counted_twice(data):
    labelled = replace(data, labels=np.zeros(len(data)))
    request, missing = present_part(labelled, users=[7, "7", 7], corrected=[(7, "i1", 1), (7, "i1", 0)])
    assert (len(request), missing) == (0, 2)
    assert present_part(labelled, users=[])[1] == 0


def test_a_model_shows_itself_in_three_lines(trained):
    shown = repr(trained).splitlines()
    assert shown[0] == "Prepared(MF(embedding_size=3, init_std=0.5), 54 parameters,"
    assert len(shown) == 3
    assert "BCE()" in shown[1]
    assert shown[2] == "  Interactions(50 of 10 users with 8 items))"
    plain = Trained.of(MODEL, trained.params, trained.interactions)
    assert repr(plain).startswith("Trained(MF(")
    assert len(repr(unlearn(trained, users=[20])[0])) < 300


def test_what_is_taken_along_is_told(trained):
    """Item i-only is user 20's alone, user 10 has one interaction and it is with i-both; whoever is named is not taken along."""
    users, items = [10, 20, 20, 20, 30, 30, 40, 40], ["both", "both", "only", "p", "p", "q", "q", "p"]
    data = Interactions.from_arrays(users, items, [1, 0, 1, 1, 0, 1, 0, 1])
    plain = Trained.of(MODEL, MODEL.init(KEY, data.num_users, data.num_items), data)
    small = Prepared(plain.objective, plain.params, plain.training_set, plain.config, trained.step, trained.damping)
    cases = {
        (20,): ([], ["only"]),
        (10, 20): ([], ["both", "only"]),
        (): ([10], ["both"]),
    }
    for named, (along_users, along_items) in cases.items():
        pairs = [] if named else [(10, "both"), (20, "both")]
        request = ForgetRequest.of(data, users=named, interactions=pairs)
        assert request.takes_along(data) == (along_users, along_items)
        # In one step, in parts, and where shards are retrained.
        for share in (None, 0.2):
            _, report = unlearn(small, request, config=replace(small.step, max_share=share))
            assert (report.users_taken_along, report.items_taken_along) == (len(along_users), len(along_items))
        assert report.parts > 1
    both = ForgetRequest.of(data, users=[20], items=["only"])
    assert both.takes_along(data) == ([], [])
    assert unlearn(small, both, config=replace(small.step, max_share=0.2))[1].items_taken_along == 0
    _, report = SISA(MODEL, small.config).forget(shards_of(data), ForgetRequest.of(data, users=[20]))
    assert (report.users_taken_along, report.items_taken_along) == (0, 1)


def shards_of(data):
    """Of one model each, whose training is not looked at."""
    return SISA(MODEL, TrainConfig(epochs=1), num_shards=1).fit(KEY, Split(data, data, data))
