"""The figures over all seeds: on which pairs, and where they don't apply."""

import numpy as np
import pytest

from ifru_jax.evaluation import ComparedPairs, PairScores, figures_over_seeds, shift

TEST, FORGOTTEN, SEEDS = 300, 80, 4


def scores(centre, seed, spread=0.05):
    rng = np.random.default_rng(seed)
    return [
        PairScores(*(centre * side + spread * rng.normal(size=len(side)) for side in SIDES)) for _ in range(SEEDS)
    ]  # fmt: skip


SIDES = np.random.default_rng(0).normal(size=TEST), np.random.default_rng(1).normal(size=FORGOTTEN)
SURVIVES = np.arange(TEST) % 3 > 0, np.arange(FORGOTTEN) % 4 > 0
NEITHER = np.zeros(TEST, bool)
PAIRS = ComparedPairs(np.ones(TEST), np.ones(FORGOTTEN), *SURVIVES, NEITHER, NEITHER)


def test_the_figures_are_those_of_the_surviving_pairs():
    originals, retrained, unlearned = scores(1.0, 2), scores(0.0, 3), scores(0.25, 4)
    found = figures_over_seeds(unlearned, PAIRS, originals=originals, retrained=retrained)
    assert found["forget_undone"] == pytest.approx(0.75, abs=0.03)
    assert found["slope"] == pytest.approx(0.75, abs=0.03)
    for prefix, part, kept in (("", "test", SURVIVES[0]), ("forget_", "forgotten", SURVIVES[1])):
        s, o, r = (np.array([getattr(one, part)[kept] for one in models]) for models in (unlearned, originals, retrained))
        assert found[f"{prefix}undone"] == shift.undone(s, o, r)
        assert (found[f"{prefix}undone_low"], found[f"{prefix}undone_high"]) == shift.undone_interval(s, o, r)
        assert found[f"{prefix}shift"] == shift.shift(s, r)
        assert found[f"ideal_{prefix}gap"] == shift.ideal_gap(o, r)


def test_what_does_not_apply_is_none():
    one = {name: value[:1] for name, value in {"originals": scores(1.0, 2), "retrained": scores(0.0, 3)}.items()}
    assert set(figures_over_seeds(scores(0.5, 4)[:1], PAIRS, **one).values()) == {None}
    gone = ComparedPairs(np.ones(TEST), np.ones(FORGOTTEN), SURVIVES[0], np.zeros(FORGOTTEN, bool), NEITHER, NEITHER)
    found = figures_over_seeds(scores(0.5, 4), gone, originals=scores(1.0, 2), retrained=scores(0.0, 3))
    assert found["forget_undone"] is found["slope"] is found["ideal_forget_gap"] is None
    assert found["undone"] is not None
