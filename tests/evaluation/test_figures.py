"""The figures of one method and one seed: which pairs each is over, and None where one does not apply."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.evaluation import ComparedPairs, PairScores, figures
from ifru_jax.evaluation.fidelity import forget_loss, gap, rms

N_TEST, N_FORGOTTEN = 60, 12
generator = np.random.default_rng(0)


def make_pairs(**changes) -> ComparedPairs:
    pairs = ComparedPairs(
        test_labels=np.arange(N_TEST) % 2,
        forgotten_labels=np.arange(N_FORGOTTEN) % 2,
        test_survives=np.arange(N_TEST) >= 6,
        forgotten_survives=np.arange(N_FORGOTTEN) >= 3,
        test_touched_or=np.arange(N_TEST) < 40,
        test_touched_and=np.arange(N_TEST) < 20,
    )
    return dataclasses.replace(pairs, **changes)


def make_scores() -> PairScores:
    return PairScores(generator.normal(size=N_TEST), generator.normal(size=N_FORGOTTEN))


originals = [make_scores() for _ in range(3)]
retrained = [make_scores() for _ in range(3)]
method = make_scores()


def compare(scores=method, pairs=None, **options):
    options = {"original": originals[0], "originals": originals, "retrained": retrained, **options}
    return figures(scores, make_pairs() if pairs is None else pairs, **options)


def test_each_figure_is_over_its_own_pairs():
    found, pairs = compare(), make_pairs()
    kept, labels = pairs.test_survives, pairs.test_labels
    for name, where in {
        "auc": kept,
        "auc_or": kept & pairs.test_touched_or,
        "auc_and": kept & pairs.test_touched_and,
    }.items():
        assert found[name] == pytest.approx(roc_auc_score(labels[where], method.test[where]), abs=1e-6)
    assert found["gap"] == pytest.approx(gap(method.test[kept], [r.test[kept] for r in retrained]))
    assert found["gap"] == pytest.approx(found["rms"] / found["noise"])
    assert found["score_std"] == pytest.approx(method.test[kept].std())
    original_rms = np.mean([rms(originals[0].test[kept], r.test[kept]) for r in retrained])
    assert found["share_removed"] == pytest.approx(1 - found["rms"] / original_rms)

    remaining = pairs.forgotten_survives
    assert found["forget_gap"] == pytest.approx(gap(method.forgotten[remaining], [r.forgotten[remaining] for r in retrained]))
    assert found["forget_rms"] == pytest.approx(np.mean([rms(method.forgotten, r.forgotten) for r in retrained]))
    assert found["forget_loss"] == pytest.approx(forget_loss(method.forgotten, pairs.forgotten_labels))


def test_the_original_removes_nothing_and_forgets_nothing():
    found = compare(originals[0])
    assert found["share_removed"] == 0
    assert found["forget_slope"] == 0


def test_exact_retraining_has_slope_one_and_gap_one_on_average():
    found = [compare(r, original=o, itself=j) for j, (r, o) in enumerate(zip(retrained, originals, strict=True))]
    assert np.mean([f["forget_slope"] for f in found]) == pytest.approx(1)
    assert np.mean([f["gap"] for f in found]) == pytest.approx(1)
    assert np.mean([f["forget_gap"] for f in found]) == pytest.approx(1)
    mean_loss = np.mean([f["forget_loss"] for f in found])
    assert found[0]["forget_loss_retrained"] == pytest.approx(mean_loss)


def test_nothing_remains_of_a_whole_user():
    found = compare(pairs=make_pairs(forgotten_survives=np.zeros(N_FORGOTTEN, bool)))
    assert {name for name, value in found.items() if value is None} == {"forget_gap", "forget_noise", "forget_slope"}
    assert found["forget_rms"] > 0


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"retrained": retrained[:1]}, {"gap", "noise", "forget_gap", "forget_noise"}),
        ({"original": None}, {"share_removed", "forget_slope"}),
        ({"pairs": make_pairs(test_touched_and=np.zeros(N_TEST, bool))}, {"auc_and"}),
        ({"pairs": make_pairs(test_labels=np.ones(N_TEST))}, {"auc", "auc_or", "auc_and"}),
    ],
    ids=["one retrained model", "no original", "no pair touched twice", "one class"],
)
def test_only_what_does_not_apply_is_none(options, missing):
    assert {name for name, value in compare(**options).items() if value is None} == missing


def test_a_diverged_model_gives_none_and_says_why():
    broken = PairScores(np.full(N_TEST, np.nan), np.full(N_FORGOTTEN, np.inf))
    found = compare(broken)
    assert found["nonfinite_scores"] == N_TEST + N_FORGOTTEN
    assert found["auc"] is None
    assert found["gap"] is None
    json.dumps(found, allow_nan=False)
    json.dumps(compare(retrained=[*retrained, broken]), allow_nan=False)


def test_ranking_is_passed_through_and_everything_is_plain_numbers():
    found = compare(ranking={"ndcg@20": 0.25, "recall@20": None})
    assert found["ndcg@20"] == 0.25
    assert found["recall@20"] is None
    assert all(value is None or type(value) is float for value in found.values())


def test_scores_in_float32_agree_with_float64():
    def single(scores: PairScores) -> PairScores:
        return PairScores(scores.test.astype(np.float32), scores.forgotten.astype(np.float32))

    found = compare(
        single(method),
        original=single(originals[0]),
        originals=[single(o) for o in originals],
        retrained=[single(r) for r in retrained],
    )
    assert found == pytest.approx(compare(), abs=1e-5)


def test_pairs_of_a_request():
    data = Interactions.from_arrays([0, 0, 1, 2, 2], [0, 1, 1, 0, 2], [1, 0, 1, 1, 1])
    pairs = ComparedPairs.of(retained=data.select(np.arange(1, 3)), forgotten=data.select(np.array([0])), test=data)
    assert pairs.test_survives.tolist() == [False, True, True, False, False]
    assert pairs.test_touched_or.tolist() == [True, True, False, True, False]
    assert pairs.test_touched_and.tolist() == [True, False, False, False, False]
    assert pairs.forgotten_survives.tolist() == [False]
    assert pairs.forgotten_labels.tolist() == [1]


def test_scores_of_other_pairs_are_refused():
    with pytest.raises(DataError, match=r"forgotten scores have shape \(3,\)"):
        compare(PairScores(method.test, np.zeros(3)))
