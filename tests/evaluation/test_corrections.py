"""A request that corrects labels is compared like one that forgets; nobody asks for the membership of what stays."""

from types import SimpleNamespace

import numpy as np
import pytest

from ifru_jax import ForgetRequest, Interactions, Split, verify
from ifru_jax.errors import DataError
from ifru_jax.evaluation.membership import Candidates
from ifru_jax.evaluation.views import Views

rng = np.random.default_rng(0)
CELLS = rng.permutation(40 * 30)[:700]
DATA = Interactions(CELLS // 30, CELLS % 30, rng.integers(2, size=700).astype(np.float32), 40, 30)
SPLIT = Split(*(DATA.select(slice(*ends)) for ends in ((0, 400), (400, 500), (500, 700))))
PAIRS = np.stack([DATA.users, DATA.items], axis=1)
CORRECTED = ForgetRequest(corrected=PAIRS[:50], labels=1 - DATA.labels[:50])
BOTH = CORRECTED | ForgetRequest(pairs=PAIRS[50:80])


def test_what_was_corrected_is_compared_under_the_labels_it_had():
    views = Views.of(SPLIT, BOTH, 5, fixes_levels=True)
    np.testing.assert_array_equal(views.forgotten.labels, DATA.labels[:80])
    np.testing.assert_array_equal(views.retained.labels, np.concatenate([1 - DATA.labels[:50], DATA.labels[80:400]]))
    np.testing.assert_array_equal(views.unchanged.labels, DATA.labels[80:400])
    assert views.members == 30


def test_membership_is_asked_of_what_was_forgotten_alone():
    members = Candidates.of(SPLIT, BOTH).members
    np.testing.assert_array_equal(np.stack([members.users, members.items], axis=1), PAIRS[50:80])
    with pytest.raises(DataError, match="leave it out"):
        Candidates.of(SPLIT, CORRECTED)


@pytest.mark.parametrize(("request_", "attacked"), [(CORRECTED, False), (BOTH, True)])
def test_verify_tells_corrected_labels_from_wrong_ones(request_, attacked):
    def model(labels, data):
        scores = rng.normal(size=(40, 30))
        scores[DATA.users[:50], DATA.items[:50]] += 8 * labels - 4
        return SimpleNamespace(
            interactions=data, score_rows=lambda users, items: scores[users, items], score_grid=lambda users: scores[users]
        )

    wrong, right = DATA.labels[:50], 1 - DATA.labels[:50]
    left = request_.applied(SPLIT.train)
    for unlearned, outside in ((wrong, True), (right, False)):
        found = verify(model(wrong, SPLIT.train), model(unlearned, left), [model(right, left) for _ in range(5)], SPLIT, request_)
        assert all(fact.holds for fact in found.facts.values())
        for name in ("forget_gap", "forget_loss"):
            assert found.measures[name].outside == outside
            assert found.measures[name].informative
        assert bool(found.attacks) == attacked
