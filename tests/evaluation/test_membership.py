"""Membership inference against what is known: closed forms, SciPy, scikit-learn, and members that were planted."""

import sys

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ifru_jax import ForgetRequest, Interactions
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.evaluation.membership import Candidates, Shadows, audit
from ifru_jax.evaluation.membership.attack import attack_result
from ifru_jax.evaluation.membership.confidence import confidence
from ifru_jax.evaluation.membership.lira import lira
from ifru_jax.evaluation.membership.memorisation import memorisation, most_memorised, of_users
from ifru_jax.evaluation.membership.oracle import fit_oracle
from ifru_jax.evaluation.membership.rmia import rmia
from ifru_jax.evaluation.membership.usage import usage

SHADOWS, SIZE, POPULATION = 8, 400, 300
rng = np.random.default_rng(0)


def halves() -> np.ndarray:
    trained_on = np.zeros((SHADOWS, SIZE), bool)
    for column in trained_on.T:
        column[rng.permutation(SHADOWS)[: SHADOWS // 2]] = True
    return trained_on


TRAINED_ON = halves()
MEMBER = np.arange(SIZE) < SIZE // 2
# How hard each interaction is, which a threshold on the confidence can't know; training raises it by 1.
HARDNESS = rng.normal(0, 3, SIZE)
SHADOW_PHI = HARDNESS + TRAINED_ON + rng.normal(0, 0.3, (SHADOWS, SIZE))
TARGET = HARDNESS + MEMBER + rng.normal(0, 0.3, SIZE)
WORLD = rng.normal(0, 3, POPULATION)
WORLD_TARGET, WORLD_SHADOWS = (WORLD + rng.normal(0, 0.3, shape) for shape in (POPULATION, (SHADOWS, POPULATION)))


def area(scores: np.ndarray) -> float:
    return attack_result(scores[MEMBER], scores[~MEMBER]).auc


def test_calibrated_attacks_find_what_a_threshold_does_not():
    assert 0.5 < area(TARGET) < 0.7
    for mode in ("online", "offline"):
        assert area(lira(TARGET, SHADOW_PHI, TRAINED_ON, mode=mode)) > 0.95
    assert area(rmia(TARGET, SHADOW_PHI, TRAINED_ON, WORLD_TARGET, WORLD_SHADOWS)) > 0.9


def test_lira_is_the_log_ratio_of_two_gaussians():
    found = lira(TARGET, SHADOW_PHI, TRAINED_ON, per_example_variance=True)
    x = 17
    inside, outside = SHADOW_PHI[TRAINED_ON[:, x], x], SHADOW_PHI[~TRAINED_ON[:, x], x]
    expected = [stats.norm.logpdf(TARGET[x], side.mean(), side.std(ddof=1)) for side in (inside, outside)]
    assert found[x] == pytest.approx(expected[0] - expected[1])


def test_rmia_counts_population_samples():
    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    found, x, a = rmia(TARGET, SHADOW_PHI, TRAINED_ON, WORLD_TARGET, WORLD_SHADOWS, gamma=1.5, mode="offline", a=0.4), 5, 0.4
    p_x = 0.5 * ((1 + a) * sigmoid(SHADOW_PHI[~TRAINED_ON[:, x], x]).mean() + 1 - a)
    p_z = 0.5 * ((1 + a) * sigmoid(WORLD_SHADOWS).mean(0) + 1 - a)
    ratio = (sigmoid(TARGET[x]) / p_x) / (sigmoid(WORLD_TARGET) / p_z)
    assert found[x] == pytest.approx((ratio >= 1.5).mean())


def test_attack_figures_agree_with_scikit_learn_and_their_interval_covers():
    members, others = rng.normal(1, 1, 300).round(1), rng.normal(0, 1, 200).round(1)
    found = attack_result(members, others, max_fpr=0.05)
    assert found.auc == pytest.approx(roc_auc_score([1] * 300 + [0] * 200, np.concatenate([members, others])))
    barrier = np.sort(others)[-11]
    assert (others > barrier).mean() <= 0.05
    assert found.tpr == pytest.approx((members > barrier).mean())
    assert found.tpr_interval[0] < found.tpr < found.tpr_interval[1]
    truth = stats.norm.cdf(1 / np.sqrt(2))
    intervals = [attack_result(rng.normal(1, 1, 80), rng.normal(0, 1, 60)).auc_interval for _ in range(300)]
    assert 0.91 < np.mean([low <= truth <= high for low, high in intervals]) < 0.985


def test_too_few_nonmembers_have_no_rate_of_one_in_a_hundred():
    assert attack_result(np.ones(5), np.zeros(99)).tpr is None
    assert attack_result(np.ones(5), np.zeros(100)).tpr == 1
    assert attack_result(np.zeros(5), np.zeros(100)).tpr == 0  # ties are no evidence


def test_confidence_is_the_signed_logit_and_the_oracle_learns_it():
    labels = rng.integers(0, 2, SIZE)
    logits = rng.normal(size=SIZE)
    p = np.where(labels == 1, 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(logits)))
    np.testing.assert_allclose(confidence(logits, labels), np.log(p / (1 - p)), atol=1e-12)
    x = np.stack([TARGET - HARDNESS, rng.normal(size=SIZE)], axis=1)
    assert area(fit_oracle(x[MEMBER], x[~MEMBER])(x)) > 0.95


def test_what_was_learned_by_heart_is_what_only_its_own_training_knows():
    """Planted: ten canaries that no other interaction tells anything about."""
    canaries = rng.permutation(SIZE)[:10]
    phi = HARDNESS + rng.normal(0, 0.3, (SHADOWS, SIZE))
    phi[:, canaries] = np.where(TRAINED_ON[:, canaries], 4, -4) + rng.normal(0, 0.3, (SHADOWS, 10))
    found = memorisation(phi, TRAINED_ON)
    assert set(most_memorised(found)) == set(canaries)
    x, p = canaries[0], 1 / (1 + np.exp(-phi))
    assert found[x] == pytest.approx(p[TRAINED_ON[:, x], x].mean() - p[~TRAINED_ON[:, x], x].mean())
    assert (np.abs(np.delete(found, canaries)) < 0.5).all()
    users = np.arange(SIZE) % 7
    means = of_users(found, users)
    assert list(means.values()) == sorted(means.values(), reverse=True)
    assert means[3] == pytest.approx(found[users == 3].mean())
    # A model that has them is found by them, and one without looks as if it had never seen them.
    for known, target in ((True, np.full(10, 4.0)), (False, np.full(10, -4.0))):
        scores = lira(
            np.concatenate([target, TARGET[~MEMBER]]), *(np.hstack([of[:, canaries], of[:, ~MEMBER]]) for of in (phi, TRAINED_ON))
        )
        assert (attack_result(scores[:10], scores[10:]).auc > 0.9) == known


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_the_share_that_is_used_is_found_and_its_interval_holds_it(share):
    """Planted: every interaction is learned as much as it is, and trainings differ."""
    rng = np.random.default_rng(3)
    learned, hard = rng.exponential(0.5, SIZE), rng.normal(0, 3, SIZE)
    held, errors = [], []
    for _ in range(60):
        phi = hard + learned * TRAINED_ON + rng.normal(0, 1, (SHADOWS, SIZE))
        used = rng.permutation(SIZE) < share * SIZE
        found = usage(hard + learned * used + rng.normal(0, 1, SIZE), phi, TRAINED_ON)
        truth = learned @ used / learned.sum()
        held.append(found.low <= truth <= found.high)
        errors.append(found.share - truth)
    assert np.mean(held) > 0.85
    assert np.mean(errors) == pytest.approx(0, abs=0.05)


def test_the_most_memorised_are_ten_at_least_and_no_more_than_there_are():
    assert most_memorised(np.arange(5.0)).tolist() == [4, 3, 2, 1, 0]
    assert most_memorised(np.arange(50.0)).tolist() == list(range(49, 39, -1))
    assert len(most_memorised(np.arange(5000.0))) == 50
    assert len(most_memorised(np.arange(5000.0), share=0.1)) == 500


def test_an_audit_asks_about_the_worst_once_more():
    cells = rng.permutation(30 * 40)[:900]
    data = Interactions(cells // 40, cells % 40, rng.integers(0, 2, 900).astype(float), 30, 40)
    split = Split(data.select(slice(0, 500)), data.select(slice(500, 650)), data.select(slice(650, 900)))
    request = ForgetRequest(pairs=np.stack([split.train.users[:60], split.train.items[:60]], axis=1))
    drawn = Candidates.of(split, request)
    on = np.zeros((4, 120), bool)
    on[[0, 1], :60], on[[2, 3], 60:] = True, True
    phi = on * 1.0 + rng.normal(0, 0.2, (4, 120))
    phi[:, :10] += 9 * on[:, :10]
    shadows = Shadows(drawn, phi, on, rng.normal(size=(4, len(drawn.population))))

    class Model:
        def score_rows(self, users, items):
            return np.where(
                np.isin(users * 40 + items, (split.train.users * 40 + split.train.items)[:10]), 5.0, 0.1 * np.sin(users + items)
            )

    found = audit(Model(), drawn, request.applied(split.train), shadows=shadows)
    assert found["lira-worst"].members == found["rmia-worst"].members == 10
    assert found["lira-worst"].nonmembers == found["lira"].nonmembers == 60


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r"needs scikit-learn \(or leave membership out, .*\): pip install"):
        fit_oracle(np.ones((2, 1)), np.zeros((2, 1)))


def test_candidates_are_disjoint_and_were_in_no_training_set():
    cells = rng.permutation(30 * 40)[:900]
    data = Interactions(cells // 40, cells % 40, rng.integers(0, 2, 900).astype(float), 30, 40)
    split = Split(data.select(slice(0, 500)), data.select(slice(500, 650)), data.select(slice(650, 900)))
    request = ForgetRequest(pairs=np.stack([split.train.users[:60], split.train.items[:60]], axis=1))
    drawn = Candidates.of(split, request)

    def pairs(part):
        return set(zip(part.users.tolist(), part.items.tolist(), strict=True))

    assert pairs(drawn.members) <= pairs(split.train)
    assert len(drawn.members) == len(drawn.nonmembers) == 60
    held_out = [pairs(drawn.nonmembers), pairs(drawn.population)]
    assert not held_out[0] & held_out[1]
    assert not (held_out[0] | held_out[1]) & (pairs(split.train) | pairs(split.valid))


def test_errors_say_what_is_wrong():
    with pytest.raises(DataError, match="at least two"):
        lira(TARGET, SHADOW_PHI, np.ones_like(TRAINED_ON), mode="offline")
    with pytest.raises(DataError, match="0 shadow models without it: train at least one on each side"):
        memorisation(SHADOW_PHI, np.ones_like(TRAINED_ON))
    with pytest.raises(DataError, match="don't fit"):
        lira(TARGET[1:], SHADOW_PHI, TRAINED_ON)
    with pytest.raises(DataError, match="gamma"):
        rmia(TARGET, SHADOW_PHI, TRAINED_ON, WORLD_TARGET, WORLD_SHADOWS, gamma=0)
    with pytest.raises(DataError, match="binarize"):
        confidence(np.zeros(2), np.array([1, 5]))
    with pytest.raises(DataError, match="NaN"):
        attack_result(np.array([np.nan]), np.zeros(3))
    with pytest.raises(DataError, match="other candidates"):
        audit(None, object(), None, shadows=type("S", (), {"candidates": None})())
