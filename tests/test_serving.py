"""Lists and scores by original ids. What has no data is in no list, whatever model, loss and method left of its row."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ifru_jax
from ifru_jax import DataError, ForgetRequest, Interactions, Split, TrainConfig, Trained, lightgcn, mf, recommend, score
from ifru_jax.baselines import SISA, Retrain, RetrainState
from ifru_jax.data import sample_negatives
from ifru_jax.evaluation.lists import NO_ITEM, top_lists
from ifru_jax.evaluation.ranking import ranking_metrics
from ifru_jax.models import bias_mf, gmf, multvae, neumf
from ifru_jax.training import FullSoftmax, bce, bpr, softmax, wmse
from ifru_jax.unlearning import IFRUConfig, Prepared
from ifru_jax.unlearning.prepare import Damping

USERS, ITEMS = 12, 9
SIZE = {"embedding_size": 3, "init_std": 0.5}
MODELS = {
    "mf": mf(**SIZE),
    "lightgcn": lightgcn(num_layers=1, **SIZE),
    "bias_mf": bias_mf(**SIZE),
    "gmf": gmf(**SIZE),
    "neumf": neumf(hidden=(3,), **SIZE),
    "multvae": multvae(hidden_size=3, code_size=2, init_std=0.5),
}
LOSSES = {"bce": bce, "wmse": wmse, "bpr": bpr, "softmax": softmax, "full softmax": FullSoftmax()}


def observed(seed):
    """Positives with two negatives each; user u7 and item i4 are in the tables but have none."""
    rng = np.random.default_rng(seed)
    users, items = np.divmod(rng.permutation(USERS * ITEMS)[:40], ITEMS)
    kept = (users != 7) & (items != 4)
    names = np.array([f"u{u}" for u in range(USERS)]), np.array([f"i{i}" for i in range(ITEMS)])
    data = Interactions(users[kept], items[kept], np.ones(kept.sum()), USERS, ITEMS, user_ids=names[0], item_ids=names[1])
    nothing = data.select(slice(0))
    drawn = sample_negatives(Split(data, nothing, nothing), per_positive=2, seed=seed).train
    return drawn.select(drawn.items != 4)


def random_model(name, loss, data, seed):
    """All scores far below 0, so that a cleared row would win."""
    model, rng = MODELS[name], np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda key: model.init(key, USERS, ITEMS), jax.random.key(0))
    params = {n: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype) for n, leaf in shapes.items()}
    if name in ("mf", "lightgcn", "gmf"):
        params["item_embedding"] = -jnp.abs(params["item_embedding"])
        params["user_embedding"] = jnp.abs(params["user_embedding"])
    trained = Trained.of(model, params, data, config=TrainConfig(reg=1e-2), loss=LOSSES[loss])
    parts = trained.objective, trained.params, trained.training_set, trained.config
    return Prepared(*parts, step=IFRUConfig(num_steps=2, spillover="whole-graph"), damping=Damping(0.5, 0.4))


# Every example compiles a step of its own.
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(loss=st.sampled_from(sorted(LOSSES)), seed=st.integers(0, 3))
def test_what_has_no_data_is_in_no_list(name, loss, seed):
    data = observed(seed)
    trained = random_model(name, loss, data, seed)
    present = np.unique(data.users), np.unique(data.items)
    user, item = f"u{present[0][0]}", f"i{present[1][0]}"
    unlearned, _ = ifru_jax.unlearn(trained, users=[user], items=[item])
    for model in (trained, unlearned):
        left = model.interactions
        positives = {(u, i) for u, i, y in zip(left.users, left.items, left.labels, strict=True) if y > 0.5}
        lists = recommend(model, users=[f"u{u}" for u in range(USERS)], k=ITEMS)
        known = left.item_degrees() > 0
        for u in range(USERS):
            shown = [int(name[1:]) for name, _ in lists[f"u{u}"]]
            # All that is known and was not chosen, sampled negatives included, and nothing else.
            expected = {i for i in np.flatnonzero(known) if (u, i) not in positives} if left.user_degrees()[u] else set()
            assert set(shown) == expected
            assert len(shown) == len(set(shown))
            scores = [value for _, value in lists[f"u{u}"]]
            assert scores == sorted(scores, reverse=True)
            if shown:
                np.testing.assert_allclose(scores, model.score_rows(np.full(len(shown), u), np.array(shown)), rtol=1e-4, atol=1e-5)
        grid = np.asarray(model.score_grid(np.arange(USERS)))
        np.testing.assert_array_equal(np.isfinite(grid), (left.user_degrees() > 0)[:, None] & known)
    assert recommend(unlearned, users=user) == {user: []}
    assert item not in {name for found in recommend(unlearned, k=ITEMS).values() for name, _ in found}


def retrained(data, request):
    """Without regularisation, so that the rows of the forgotten stay as they were drawn."""
    original = random_model("mf", "bce", data, 0)
    state = RetrainState(original, data, jax.random.key(0))
    return Retrain(MODELS["mf"], TrainConfig(epochs=2, reg=0.0)).forget(state, request)[0].trained


def in_shards(data, request):
    method = SISA(MODELS["mf"], TrainConfig(epochs=1), num_shards=2)
    return method.served(method.forget(method.fit(jax.random.key(0), Split(data, data, data)), request)[0])


@pytest.mark.slow
@pytest.mark.parametrize("method", [retrained, in_shards])
def test_retraining_and_shards_show_nothing_without_data_either(method):
    data, request = observed(1), ForgetRequest(users=np.array([2]), items=np.array([3]))
    served, users, nothing = method(data, request), np.arange(USERS), data.select(slice(0))
    shown = np.asarray(top_lists(served.score_grid, nothing, users, known=served.interactions, k=ITEMS))
    everything = np.asarray(top_lists(served.score_grid, nothing, users, known=data, k=ITEMS))
    np.testing.assert_array_equal(shown, everything)
    assert (shown[[2, 7]] == NO_ITEM).all()
    assert not np.isin([3, 4], shown).any()
    assert (np.sort(shown[0]) != NO_ITEM).sum() == (served.interactions.item_degrees() > 0).sum()


def test_nothing_is_recommended_of_a_group_of_which_nobody_knows_who_was_observed():
    """The first by its row is no better a guess than the others; where a label was set right it is known."""
    rows = np.array([0, 0, 1, 1]), np.array([1, 3, 0, 2])
    data = Interactions(*rows, np.array([0.0, 1, 1, 0]), USERS, ITEMS, groups=np.array([0, 0, 1, 1]))
    trained = random_model("mf", "bce", data, 0)
    corrected, _ = ifru_jax.unlearn(trained, corrected=[(0, 3, 0)])
    assert {item for item, _ in recommend(trained, users=0)[0]} == {0, 1, 2}
    assert {item for item, _ in recommend(corrected, users=0)[0]} == {0, 1, 2}
    unknown = random_model("mf", "bce", data.with_labels(corrected.interactions.labels), 0)
    assert {item for item, _ in recommend(unknown, users=0)[0]} == {0, 2}


def test_lists_of_any_scorer_are_masked():
    """Also of one that knows nothing of data, by what is known of users and items."""
    data = observed(0)
    scores = -1.0 - np.arange(USERS * ITEMS).reshape(USERS, ITEMS)
    scores[:, 4] = 0.0
    known = data.select((data.users != 0) & (data.items != 1))
    lists = top_lists(lambda rows: scores[rows], data, np.arange(USERS), known=known, k=ITEMS)
    assert not np.isin([1, 4], lists).any()
    assert (lists[[0, 7]] == NO_ITEM).all()
    test = Interactions(np.array([3, 3]), np.array([4, 1]), np.ones(2), USERS, ITEMS)
    assert ranking_metrics(lambda rows: scores[rows], known, test, k=ITEMS)["hr@9"] == 0


def test_scores_by_ids_are_those_of_the_rows():
    trained = random_model("mf", "bce", observed(0), 0)
    found = score(trained, users=["u3", "u5"], items=["i2", "i0"])
    np.testing.assert_array_equal(found, trained.score_rows([3, 5], [2, 0]))
    np.testing.assert_array_equal(score(trained, users="u3", items="i2"), found[:1])
    with pytest.raises(DataError, match="user u99 is not in the data"):
        score(trained, users=["u99"], items=["i2"])
    with pytest.raises(DataError, match="2 users and 1 items"):
        score(trained, users=["u3", "u5"], items=["i2"])


def test_ids_are_not_rows():
    """Ids 10, 20, 30 in a table of three: row 1 is 20."""
    data = Interactions.from_arrays([10, 20, 30, 30], [7, 8, 9, 7])
    trained = Trained.of(mf(**SIZE), mf(**SIZE).init(jax.random.key(1), 3, 3), data)
    np.testing.assert_array_equal(score(trained, users=[20], items=[9]), trained.score_rows([1], [2]))
    with pytest.raises(DataError, match="user 1 is not in the data"):
        score(trained, users=[1], items=[9])
    found = recommend(trained, users=(user for user in ("20", "1")), k=2)
    assert {item for item, _ in found["20"]} == {7, 9}
    assert found["1"] == []
    assert recommend(trained, k=5).keys() == {10, 20, 30}
    assert recommend(trained, users=np.array([30]))[30][0][0] == 8


@pytest.mark.parametrize("loss", ["bce", "bpr"])
def test_a_sampled_negative_that_was_set_right_is_an_interaction_of_the_user(loss):
    """It is in no list any more; who was observed stays so, and goes only when it is named."""
    data = observed(0)
    assert data.groups is not None
    group = next(g for g, size in zip(*np.unique(data.groups, return_counts=True), strict=True) if size == 3)
    places = np.flatnonzero(data.groups == group)
    first, second, third = places[np.argsort(-data.labels[places], kind="stable")]
    user, (seen, told, drawn) = f"u{data.users[first]}", (f"i{data.items[place]}" for place in (first, second, third))
    trained = random_model("mf", loss, data, 0)
    told_of, _ = ifru_jax.unlearn(trained, corrected=[(user, told, 1.0)])
    for items in ([], [drawn]):
        model = ifru_jax.unlearn(told_of, items=items)[0] if items else told_of
        listed = [item for item, _ in recommend(model, users=user, k=ITEMS)[user]]
        assert seen not in listed
        assert told not in listed
        left = model.interactions
        mine = left.items[left.users == data.users[first]]
        assert {data.items[first], data.items[second]} <= set(mine.tolist())
    gone, _ = ifru_jax.unlearn(told_of, items=[seen])
    assert data.items[second] in gone.interactions.items[gone.interactions.users == data.users[first]]


def test_evaluation_asks_about_nobody_without_data():
    """A test positive of a forgotten user or item counts neither for nor against the model."""
    data = observed(2)
    trained = random_model("mf", "bce", data, 2)
    user = int(data.users[0])
    unlearned, _ = ifru_jax.unlearn(trained, users=[f"u{user}"])
    rest = np.flatnonzero(np.arange(USERS * ITEMS) % 3 == 0)
    users, items = np.divmod(rest, ITEMS)
    test = replace(data, users=users, items=items, labels=(rest % 2).astype(np.float32), groups=None)
    without = test.select((test.users != user) & (test.users != 7) & (test.items != 4))
    assert ifru_jax.evaluate(unlearned, test, k=3) == ifru_jax.evaluate(unlearned, without, k=3)


def test_bad_input_is_refused():
    trained = random_model("mf", "bce", observed(0), 0)
    with pytest.raises(DataError, match="k is 0"):
        recommend(trained, k=0)
    with pytest.raises(DataError, match=r"trained is 'model\.npz', a str: give what fit, load or unlearn returned"):
        recommend("model.npz")  # pyright: ignore[reportArgumentType]
