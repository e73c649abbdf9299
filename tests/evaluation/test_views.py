"""What a verification compares, and what its attacks are told, against sets of pairs; models are tables of scores."""

import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from ifru_jax import ForgetRequest, Interactions, TrainConfig, mf, verify
from ifru_jax.data.splits import Split
from ifru_jax.evaluation import train_shadows
from ifru_jax.evaluation.membership import Candidates
from ifru_jax.evaluation.views import Views

USERS, ITEMS, K = 12, 10, 4
GONE_USER, GONE_ITEM = 3, 7


def table_of(seed, data):
    """A model whose scores are drawn."""
    scores = np.random.default_rng(seed).normal(size=(USERS, ITEMS))
    return SimpleNamespace(interactions=data, score_rows=lambda u, i: scores[u, i], score_grid=lambda u: scores[u], scores=scores)


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(5)
    cells, labels = rng.permutation(USERS * ITEMS), rng.integers(0, 2, USERS * ITEMS)
    data = Interactions(cells // ITEMS, cells % ITEMS, labels, USERS, ITEMS)
    return Split(data.select(slice(0, 45)), data.select(slice(45, 55)), data.select(slice(55, None)))


@pytest.fixture(scope="module")
def request_(split):
    """A user and an item with all they have, pairs of others, and a label."""
    pairs = pairs_of(split.train)
    others = np.array([pair for pair in pairs if pair[0] != GONE_USER and pair[1] != GONE_ITEM])
    label = next(y for u, i, y in rows_of(split.train) if (u, i) == tuple(others[0]))
    return ForgetRequest(
        pairs=others[1:9],
        users=np.array([GONE_USER]),
        items=np.array([GONE_ITEM]),
        corrected=others[:1],
        labels=np.array([1 - label]),
    )


def pairs_of(data):
    return list(zip(data.users.tolist(), data.items.tolist(), strict=True))


def rows_of(data):
    return list(zip(data.users.tolist(), data.items.tolist(), data.labels.tolist(), strict=True))


def unchanged(split, request):
    """Interactions that stay as they are; those that are corrected stay as well, under another label."""
    named = {tuple(pair) for pair in (*request.pairs.tolist(), *request.corrected.tolist())}
    return [row for row in rows_of(split.train) if row[:2] not in named and row[0] != GONE_USER and row[1] != GONE_ITEM]


def retained_pairs(split, request):
    return [row[:2] for row in unchanged(split, request)] + [tuple(pair) for pair in request.corrected.tolist()]


def test_what_is_compared_has_data_left(split, request_):
    views = Views.of(split, request_, K, fixes_levels=True)
    left = retained_pairs(split, request_)
    users, items = {u for u, _ in left}, {i for _, i in left}
    assert GONE_USER not in users
    assert GONE_ITEM not in items
    known = [pair[0] in users and pair[1] in items for pair in pairs_of(split.test)]
    assert 0 < sum(known) < len(known)
    model = table_of(1, split.train)
    seen = views.of_model(model)
    np.testing.assert_array_equal(
        seen.test, [model.scores[pair] for pair, ok in zip(pairs_of(split.test), known, strict=True) if ok]
    )
    asked = [pair for pair in pairs_of(split.train) if pair not in {row[:2] for row in unchanged(split, request_)}]
    for found, has_data in ((seen.forgotten, True), (seen.gone, False)):
        expected = [model.scores[u, i] for u, i in asked if (u in users and i in items) == has_data]
        assert expected
        np.testing.assert_array_equal(np.sort(found), np.sort(expected))


def test_lists_leave_out_all_that_was_trained_on_and_items_without_data(split, request_):
    views, model = Views.of(split, request_, K, fixes_levels=True), table_of(1, split.train)
    left = retained_pairs(split, request_)
    users, items = sorted({u for u, _ in left}), {i for _, i in left}
    seen = set(pairs_of(split.train))
    np.testing.assert_array_equal(views.users, users)
    expected = [sorted((i for i in items if (u, i) not in seen), key=lambda i: -model.scores[u, i])[:K] for u in users]
    found = [[item for item in row if item >= 0] for row in views.of_model(model).lists.tolist()]
    assert found == expected


def test_the_oracle_is_told_of_what_is_retained_unchanged(split, request_, monkeypatch):
    module, told = sys.modules["ifru_jax.evaluation.membership.audit"], []
    fit = module.fit_oracle
    monkeypatch.setattr(module, "fit_oracle", lambda *kinds: told.append(kinds) or fit(*kinds))
    retained = request_.applied(split.train)
    models = [table_of(seed, data) for seed, data in enumerate((split.train, retained, retained, retained))]
    assert verify(models[0], models[1], models[2:], split, request_).attacks
    rows = unchanged(split, request_)

    def features(model, u, i, y):
        phi = (2 * y - 1) * model.scores[u, i]
        degrees = sum(row[0] == u for row in rows), sum(row[1] == i for row in rows)
        return [phi, phi**2, y, y * phi, *np.log1p(degrees)]

    at_large = rows_of(Candidates.of(split, request_).population)
    assert len(told) == len(models)
    for model, kinds in zip(models, told, strict=True):
        for found, of in zip(kinds, (rows, at_large), strict=True):
            np.testing.assert_allclose(sorted(found.tolist()), sorted(features(model, *row) for row in of), atol=1e-12)


def test_each_interaction_in_question_is_in_half_of_the_shadows(split, request_, monkeypatch):
    trained_on, stopped_by = [], []

    def train(key, model, data, config, *, loss):
        trained_on.append(set(rows_of(data.train)))
        stopped_by.append(data.valid)
        return table_of(len(trained_on), data.train)

    monkeypatch.setattr("ifru_jax.evaluation.membership.shadows.train", train)
    shadows = train_shadows(jax.random.key(0), mf(), split, request_, TrainConfig(), num_shadows=6)
    members, others = rows_of(shadows.candidates.members), rows_of(shadows.candidates.nonmembers)
    left = retained_pairs(split, request_)
    users, items = {u for u, _ in left}, {i for _, i in left}
    assert set(members) <= set(rows_of(split.train))
    assert all(u in users and i in items for u, i, _ in members)
    retained = set(rows_of(request_.applied(split.train)))
    for number, data in enumerate(trained_on):
        for group in (members, others):
            assert abs(sum(row in data for row in group) - len(group) / 2) < 1
        # And nothing but D_r and what is in question, of which the next has the other half.
        assert data - set(members) - set(others) == retained
        assert [row in data for row in members + others] == shadows.trained_on[number].tolist()
        np.testing.assert_array_equal(shadows.trained_on[number], ~shadows.trained_on[number ^ 1])
        assert all(u in users and i in items for u, i in pairs_of(stopped_by[number]))
        scores = table_of(number + 1, None).scores
        np.testing.assert_array_equal(shadows.confidences[number], [(2 * y - 1) * scores[u, i] for u, i, y in members + others])
