"""Weighted squares over all pairs, and weight decay on what is drawn, against sums over dense matrices in double precision."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import DataError, ForgetRequest, Interactions, ModelError, TrainConfig, Trained, bce, bpr, lightgcn, mf, unlearn
from ifru_jax.graph import Change
from ifru_jax.influence import right_hand_side
from ifru_jax.models import item_bias_mf
from ifru_jax.training import AllPairs, Objective, PerUser, Squares, WithAuxiliary, WithDecay, softmax, wmse
from ifru_jax.training.described_losses import describe_loss, loss_from_description
from tests.training.test_losses import grouped

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, WIDTH, ALPHA, REG = 5, 4, 2, 2.5, 0.07


def drawn(seed=0, count=9):
    rng = np.random.default_rng(seed)
    users, items = np.divmod(rng.choice(USERS * ITEMS, count, replace=False), ITEMS)
    return Interactions(users, items, rng.integers(1, 4, count), USERS, ITEMS)


def parameters(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(size, WIDTH)) for name, size in (("user_embedding", USERS), ("item_embedding", ITEMS))}


def trained(data=None):
    return Trained.of(mf(embedding_size=WIDTH), parameters(), data or drawn(), loss=AllPairs(ALPHA), config=TrainConfig(reg=REG))


def dense_value(params, data, total):
    """Over every pair, one by one."""
    ratings = np.zeros((USERS, ITEMS))
    ratings[data.users, data.items] = data.labels
    scores = params["user_embedding"] @ params["item_embedding"].T
    confidence, wanted = np.where(ratings > 0, ALPHA * ratings, 1), ratings > 0
    sizes = sum(jnp.sum(leaf**2) for leaf in params.values())
    return jnp.sum(confidence * (wanted - scores) ** 2) / total + REG / 2 * sizes


@pytest.mark.parametrize("seed", range(3))
def test_value_gradient_and_products_are_those_over_every_pair(seed):
    model = trained(drawn(seed))
    theta, unravel = ravel_pytree(model.params)
    objective, batch, total = model.objective, model.batch, model.total
    twin = partial(dense_value, data=model.interactions, total=total)
    np.testing.assert_allclose(objective(model.params, batch), twin(model.params), rtol=1e-12)
    gradient = ravel_pytree(objective.gradient(model.params, batch))[0]
    np.testing.assert_allclose(gradient, jax.grad(lambda t: twin(unravel(t)))(theta), atol=1e-12)

    def columns(product):
        return jnp.stack([ravel_pytree(product(unravel(v)))[0] for v in jnp.eye(len(theta))])

    hessian = columns(objective.hessian_product(model.params, batch))
    np.testing.assert_allclose(hessian, jax.jit(jax.hessian(lambda t: twin(unravel(t))))(theta), atol=1e-11)
    jacobian = jax.jacobian(lambda t: (unravel(t)["user_embedding"] @ unravel(t)["item_embedding"].T).ravel())(theta)
    confidence = np.ones((USERS, ITEMS))
    confidence[model.interactions.users, model.interactions.items] = ALPHA * model.interactions.labels
    expected = 2 * jacobian.T @ (confidence.ravel()[:, None] * jacobian) / total + REG * np.eye(len(theta))
    np.testing.assert_allclose(columns(objective.gauss_newton_product(model.params, batch)), expected, atol=1e-11)
    fixed = {"item_embedding": model.params["item_embedding"]}
    part = objective.holding(fixed).gauss_newton_product({"user_embedding": model.params["user_embedding"]}, batch)
    places = unravel(jnp.arange(float(len(theta))))["user_embedding"].ravel().astype(int)
    unit = jnp.zeros((USERS, WIDTH)).at[1, 1].set(1.0)
    found = part({"user_embedding": unit})["user_embedding"].ravel()
    np.testing.assert_allclose(found, expected[np.ix_(places, places)] @ unit.ravel(), atol=1e-11)


def test_no_array_of_all_pairs_is_made():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(3000 * 2000, 500, replace=False), 2000)
    data = Interactions(users, items, np.ones(500), 3000, 2000)
    params = {"user_embedding": np.ones((3000, WIDTH)), "item_embedding": np.ones((2000, WIDTH))}
    model = Trained.of(mf(embedding_size=WIDTH), params, data, loss=AllPairs())
    product = str(jax.make_jaxpr(lambda v: model.objective.hessian_product(model.params, model.batch)(v))(model.params))
    assert "3000,2000" not in product
    assert "2000,3000" not in product


def test_minibatches_have_the_gradient_of_all_on_average():
    model = trained()
    data = model.interactions
    parts = [Trained.of(model.model, model.params, data.select(part), loss=model.loss) for part in np.arange(9).reshape(3, 3)]
    gradient = jax.grad(model.objective.minibatch)
    found = [ravel_pytree(gradient(model.params, part.batch, size=9))[0] for part in parts]
    expected = ravel_pytree(model.objective.gradient(model.params, model.batch))[0]
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=1e-12)


def test_b_of_a_request_is_the_difference_of_dense_gradients():
    model = trained()
    data = model.interactions
    request = ForgetRequest(pairs=np.stack([data.users[:2], data.items[:2]], axis=1), users=data.users[-1:])
    change = Change.of(model.training_set, request)
    rhs, _ = right_hand_side(model.objective, model.params, change)
    full = [jax.grad(partial(dense_value, data=of, total=9))(model.params) for of in (data, change.after.interactions)]
    for name, value in rhs.items():
        np.testing.assert_allclose(value, full[0][name] - full[1][name], atol=1e-12)


def test_a_request_lowers_the_retained_objective():
    model = trained()
    unlearned, report = unlearn(model, users=[int(model.interactions.users[0])])
    after = unlearned.interactions
    assert dense_value(unlearned.params, after, 9) < dense_value(model.params, after, 9)
    assert report.cleared_users == 1


def test_models_and_data_that_do_not_fit_are_refused():
    for loss in (AllPairs(), WithDecay(AllPairs(), 0.1), WithAuxiliary(AllPairs(), lambda p, g: jnp.zeros(()))):
        with pytest.raises(ModelError, match=r"use mf\(\)"):
            Trained.of(lightgcn(embedding_size=WIDTH), parameters(), drawn(), loss=loss)
        with pytest.raises(DataError, match="keep the positives only"):
            loss.check(drawn().with_labels(np.zeros(9)))
    twice = Interactions(np.array([0, 0]), np.array([1, 1]), np.ones(2), 1, 2)
    with pytest.raises(DataError, match="1 pairs come more than once"):
        AllPairs().check(twice)
    for make in (lambda: AllPairs(0), lambda: WithDecay(bce, -1)):
        with pytest.raises(DataError):
            make()


def test_a_description_is_enough_to_rebuild_them():
    for loss in (
        AllPairs(3.0),
        Squares(),
        WithDecay(bpr, 0.1),
        WithDecay(WithDecay(AllPairs(2.0), 0.1), 0.2),
        PerUser(WithDecay(bpr, 0.1)),
    ):
        assert loss_from_description(describe_loss(loss)) == loss
    assert describe_loss(WithDecay(WithAuxiliary(bpr, lambda p, g: 0.0), 0.1)) is None


@pytest.mark.parametrize("loss", [wmse, bpr], ids=lambda loss: type(loss).__name__)
def test_every_user_counts_alike(loss):
    """A user's terms, times the mean number of edges over the user's own; who has none has no say."""
    data = grouped(3, flipped=True)
    model, rng = lightgcn(num_layers=1, embedding_size=WIDTH), np.random.default_rng(1)
    params = {name: rng.normal(size=(size, WIDTH)) for name, size in
              (("user_embedding", data.num_users), ("item_embedding", data.num_items))}  # fmt: skip
    trained = Trained.of(model, params, data, loss=PerUser(loss), config=TrainConfig(reg=0.0))
    data, edges = trained.interactions, np.bincount(data.users[data.labels > 0.5], minlength=data.num_users)
    scores, expected = trained.score_rows(data.users, data.items), 0.0
    for user in np.flatnonzero(edges):
        weight = edges[edges > 0].mean() / edges[user]
        own = np.flatnonzero(data.users == user)
        if loss is wmse:
            labels = data.labels[own]
            expected += weight * ((1 + labels) * np.square((labels > 0) - scores[own])).sum()
            continue
        for group in np.unique(data.groups[own]):
            members = own[data.groups[own] == group]
            positive, negative = (members[(data.labels[members] > 0.5) == side] for side in (True, False))
            expected += weight * sum(np.log1p(np.exp(scores[n] - scores[p])) for p in positive for n in negative)
    np.testing.assert_allclose(trained.objective(trained.params, trained.batch), expected / len(data), rtol=1e-6)
    with pytest.raises(ModelError, match="has no graph"):
        Trained.of(mf(embedding_size=WIDTH), params, data, loss=PerUser(loss))
    with pytest.raises(ModelError, match="no term for each interaction"):
        PerUser(softmax)


@pytest.mark.parametrize("loss", [wmse, bpr, softmax], ids=lambda loss: type(loss).__name__)
def test_decay_is_on_the_rows_of_what_is_drawn(loss):
    data = grouped(3, flipped=True)
    model = item_bias_mf(embedding_size=WIDTH)
    rng = np.random.default_rng(1)
    sizes = {"user_embedding": (data.num_users, WIDTH), "item_embedding": (data.num_items, WIDTH), "item_bias": (data.num_items,)}
    params = {name: rng.normal(size=size) for name, size in sizes.items()}
    plain, decayed = (Trained.of(model, params, data, loss=of) for of in (loss, WithDecay(loss, 0.3)))
    squares = {name: np.square(value).reshape(len(value), -1).sum(axis=1) for name, value in params.items()}
    of_item, expected = squares["item_embedding"] + squares["item_bias"], 0.0
    if loss is wmse:
        expected = squares["user_embedding"][data.users].sum() + of_item[data.items].sum()
    else:
        for group in np.unique(data.groups):
            members = np.flatnonzero(data.groups == group)
            positive, negative = (members[(data.labels[members] > 0.5) == side] for side in (True, False))
            for p in positive:
                for n in negative:
                    expected += squares["user_embedding"][data.users[p]] + of_item[data.items[p]] + of_item[data.items[n]]
    difference = decayed.objective(decayed.params, decayed.batch) - plain.objective(plain.params, plain.batch)
    np.testing.assert_allclose(difference, 0.15 * expected / len(data), rtol=1e-10)
    assert isinstance(decayed.objective, Objective)
