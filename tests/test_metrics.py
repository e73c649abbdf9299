"""AUC against scikit-learn, and the symmetries that any AUC has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from ifru_jax.errors import DataError
from ifru_jax.metrics import auc, auc_in_bins

WIDTH = 24  # one shape, hence one compilation, for all examples
jitted = jax.jit(auc)
within = jax.jit(lambda scores, labels, where, groups: auc(scores, labels, where, within=groups))

# Integers as scores: many ties, and monotone maps that stay exact in float32.
scored_pairs = st.tuples(
    st.lists(st.integers(-6, 6), min_size=WIDTH, max_size=WIDTH),
    st.lists(st.integers(0, 1), min_size=WIDTH, max_size=WIDTH),
).map(lambda pair: (np.array(pair[0], np.float32), np.array(pair[1], np.int32)))
both_classes = scored_pairs.filter(lambda pair: 0 < pair[1].sum() < WIDTH)


@pytest.mark.parametrize("levels", [None, 1000, 3], ids=["distinct", "ties", "hardly any level"])
def test_agrees_with_scikit_learn_on_many_pairs_in_float32(levels):
    generator = np.random.default_rng(0)
    labels = generator.random(200_000) < 0.6
    scores = (generator.normal(size=labels.size) + 0.7 * labels).astype(np.float32)
    if levels:
        scores = np.round(scores * levels / 6).astype(np.float32)
    found = jitted(scores, labels)
    assert found.dtype == jnp.float32
    assert abs(float(found) - roc_auc_score(labels, scores)) < 1e-6


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "exponential", "few levels", "far from zero"])
def test_bins_are_within_a_few_millionths_of_the_sort(draw):
    generator = np.random.default_rng(1)
    labels, counted = generator.random(50_000) < 0.4, generator.random(50_000) < 0.9
    scores = (
        generator.integers(5, size=50_000)
        if draw == "few levels"
        else getattr(generator, draw.replace("far from zero", "normal"))(size=50_000)
    )
    if draw == "far from zero":
        scores = 100 + scores
    scores = np.where(counted, scores + 0.7 * labels, np.inf).astype(np.float32)
    found = float(auc_in_bins(jnp.asarray(scores), jnp.asarray(labels), jnp.asarray(counted)))
    assert abs(found - float(jitted(scores, labels, counted))) < 3e-6
    assert np.isnan(auc_in_bins(jnp.asarray(scores), jnp.asarray(labels), jnp.zeros(50_000, bool)))
    assert float(auc_in_bins(jnp.zeros(4), jnp.array([0, 1, 0, 1]), jnp.ones(4, bool))) == 0.5


@given(both_classes)
@settings(max_examples=50, deadline=None)
def test_agrees_with_scikit_learn_on_ties(pair):
    scores, labels = pair
    assert float(jitted(scores, labels)) == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)


@given(both_classes, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_only_the_order_of_the_scores_counts(pair, random):
    scores, labels = pair
    order = np.array(random.sample(range(WIDTH), WIDTH))
    expected = jitted(scores, labels)
    assert jitted(scores[order], labels[order]) == expected
    assert jitted(scores**3 * 8 - 5, labels) == expected


@given(both_classes)
@settings(max_examples=50, deadline=None)
def test_swapped_labels_or_negated_scores_give_the_complement(pair):
    scores, labels = pair
    complement = pytest.approx(1 - float(jitted(scores, labels)), abs=1e-6)
    assert float(jitted(scores, 1 - labels)) == complement
    assert float(jitted(-scores, labels)) == complement


@given(both_classes, st.sampled_from([0.0, np.nan, np.inf, -np.inf]), st.integers(0, 1))
@settings(max_examples=50, deadline=None)
def test_padding_changes_nothing(pair, score, label):
    scores, labels = pair
    padded = np.concatenate([np.full(8, score, np.float32), scores]), np.concatenate([np.full(8, label), labels])
    assert jitted(*padded, np.arange(WIDTH + 8) >= 8) == jitted(scores, labels)


def of_pairs_within(scores, labels, groups, where):
    """Wins and pairs by counting."""
    wins = pairs = 0.0
    for p in np.flatnonzero(where & (labels == 1)):
        for n in np.flatnonzero(where & (labels == 0) & (groups == groups[p])):
            wins += (scores[p] > scores[n]) + 0.5 * (scores[p] == scores[n])
            pairs += 1
    return wins / pairs if pairs else np.nan


@given(
    scored_pairs,
    st.lists(st.integers(0, 4), min_size=WIDTH, max_size=WIDTH).map(np.array),
    st.lists(st.booleans(), min_size=WIDTH, max_size=WIDTH).map(np.array),
)
@settings(max_examples=100, deadline=None)
def test_within_groups_their_own_pairs_count(pair, groups, where):
    scores, labels = pair
    expected = of_pairs_within(scores, labels, groups, where)
    found = float(within(scores, labels, where, groups))
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)
    # What is the same for all of a group changes nothing.
    assert float(within(scores + 8 * groups.astype(np.float32), labels, where, groups)) == pytest.approx(found, nan_ok=True)
    assert float(within(scores, labels, where, np.zeros(WIDTH, np.int32))) == pytest.approx(
        float(jitted(scores, labels, where)), nan_ok=True
    )


def test_groups_have_the_shape_of_the_scores():
    with pytest.raises(DataError, match=r"within of one shape \[n\], got \(3,\), \(3,\), \(3,\), \(2,\)"):
        auc(jnp.zeros(3), jnp.zeros(3), within=jnp.zeros(2, int))


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([1.0, 2.0], [1, 1]), ([1.0, 2.0], [0, 0]), ([], []), ([np.nan, 0.0, 1.0], [0, 1, 0])],
    ids=["no negative", "no positive", "no pair", "NaN score"],
)
def test_nan_where_there_is_no_answer(scores, labels):
    assert np.isnan(auc(jnp.array(scores), jnp.array(labels)))


def test_counts_do_not_overflow_in_half_precision():
    generator = np.random.default_rng(2)
    scores, labels = generator.normal(size=500).astype(np.float16), generator.integers(0, 2, 500)
    for options in ({}, {"within": np.zeros(500, np.int32)}):
        found = auc(scores, labels, **options)
        assert found.dtype == jnp.float16
        assert float(found) == pytest.approx(roc_auc_score(labels, scores), abs=1e-3)


def test_infinite_scores_are_just_large():
    scores, labels = np.array([-np.inf, 0, np.inf, np.inf], np.float32), np.array([0, 1, 1, 0])
    assert float(auc(scores, labels)) == 0.625


def test_maps_over_masks_and_compiles_once():
    generator = np.random.default_rng(1)
    scores, labels = generator.normal(size=50).astype(np.float32), generator.integers(0, 2, 50)
    where = generator.random((4, 50)) < 0.6
    mapped = jax.vmap(auc, (None, None, 0))(scores, labels, where)
    assert mapped == pytest.approx([roc_auc_score(labels[w], scores[w]) for w in where], abs=1e-6)

    traces = []
    counting = jax.jit(lambda *arrays: traces.append(1) or auc(*arrays))
    for mask in where:
        counting(scores, labels, mask)
    assert len(traces) == 1


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(DataError, match=r"\(3,\), \(2,\)"):
        auc(jnp.zeros(3), jnp.zeros(2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_types_are_not_mixed(dtype):
    """Strict promotion has none between float32 and float64."""
    scores, labels = np.array([3.0, 1, 2, 0]), np.array([1.0, 0, 0, 1])
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        pairs = jnp.asarray(scores, dtype), jnp.asarray(labels, dtype)
        found = auc(*pairs), auc(*pairs, within=np.zeros(4, np.int32))
        assert {each.dtype.name for each in found} == {dtype}
    assert [float(each) for each in found] == [0.5, 0.5]
