"""The study of explanations: what agreement is, and what each rival says on a case that can be seen."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from experiments.studies.agreement import agreements, mean_interval, rank_correlations
from experiments.studies.explanations import cosine, gradient_dot, item_knn, methods_for, tracin
from ifru_jax import Interactions, Split, TrainConfig, fit, lightgcn, mf


@given(st.integers(0, 1000))
def test_rank_correlations_are_spearmans(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, (2, 3, 9)).astype(float)
    found = rank_correlations(a, b)
    for row, one, other in zip(found, a, b, strict=True):
        if np.ptp(one) and np.ptp(other):
            assert row == pytest.approx(spearmanr(one, other).statistic)
    assert rank_correlations(np.ones((1, 4)), np.arange(4.0)[None]) == [0]


def test_agreement_tells_the_better_method_from_the_worse():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(12, 20))
    near, far = (truth + size * rng.normal(size=truth.shape) for size in (0.3, 3))
    found = agreements({"near": near, "far": far, "same": near}, truth)
    assert found["agreement"]["near"].low > found["agreement"]["far"].high
    assert found["ahead"]["far"].low > 0
    assert found["ahead"]["same"] == (0, 0, 0)
    for one in found["agreement"].values():
        assert one.low <= one.value <= one.high + 0.05


def test_a_mean_lies_in_its_interval():
    found = mean_interval(np.arange(40.0).reshape(20, 2))
    assert found.low < found.value == 19.5 < found.high


@pytest.fixture(scope="module", params=["mf", "lightgcn"])
def trained(request):
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(15 * 12)[:110], 12)
    data = Interactions.from_arrays(users, items, (users + items) % 2)
    nothing = data.select(np.zeros(0, int))
    model = (mf if request.param == "mf" else lightgcn)(embedding_size=3, init_std=0.3)
    with pytest.warns(UserWarning, match="no validation"):
        return fit(jax.random.key(0), model, Split(data, nothing, nothing), config=TrainConfig(epochs=4), progress=False)


def test_every_method_says_what_each_interaction_adds_to_each_target(trained):
    users, items = np.array([0, 3]), np.array([1, 2])
    layers = trained.model.num_hops
    retained = np.full(len(trained.interactions), 0.5)
    for name, method in methods_for(layers, retained, own=True).items():
        found = method(trained, users, items)
        assert found.shape == (2, len(trained.interactions)), name
        assert np.isfinite(found).all()
    assert ("TracIn, graph" in methods_for(layers)) == (layers > 0)
    assert ("along, others held" in methods_for(layers, own=True)) == (layers == 0)
    assert "along, H of all" not in methods_for(layers)


def test_without_a_graph_a_dot_product_is_that_of_two_gradients(trained):
    if trained.model.num_hops:
        pytest.skip("has a graph")
    data = trained.interactions
    U, V = (np.asarray(trained.params[f"{side}_embedding"], float) for side in ("user", "item"))
    s = (U[data.users] * V[data.items]).sum(1)
    slope = (1 / (1 + np.exp(-s)) - data.labels) / len(data)
    own, same = data.users == 3, data.items == 2
    expected = -slope * (own * (V[data.items] @ V[2]) + same * (U[data.users] @ U[3]))
    np.testing.assert_allclose(gradient_dot(trained, np.array([3]), np.array([2]))[0], expected, atol=1e-7)
    assert tracin(trained, np.array([3]), np.array([2])).shape == (1, len(data))


def test_what_looks_alike_counts_by_its_label(trained):
    data = trained.interactions
    sign = 2 * data.labels - 1
    near = cosine(trained, np.array([data.users[0]]), np.array([data.items[0]]))[0]
    assert near[0] == pytest.approx(sign[0], abs=1e-6)
    ratings = item_knn(trained, np.array([data.users[0]]), np.array([data.items[0]]))[0]
    assert ratings[0] == pytest.approx(sign[0], abs=1e-6)
    np.testing.assert_array_equal(ratings[data.users != data.users[0]], 0)
    assert (np.abs(ratings) <= 1 + 1e-6).all()
