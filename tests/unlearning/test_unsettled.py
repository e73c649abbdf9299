"""The estimate of what is not settled against its equation, written out in NumPy and double precision."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import IFRUConfig, Interactions, Trained, mf, unlearn
from ifru_jax.unlearning import prepare
from ifru_jax.unlearning.unsettled import FACTOR, Origin, apart, gradient_size, unsettled

NUM_USERS, NUM_ITEMS, WIDTH, REG = 9, 6, 3, 1e-2


@pytest.fixture
def before():
    with jax.enable_x64(True):
        rng = np.random.default_rng(3)
        users, items = np.divmod(rng.permutation(NUM_USERS * NUM_ITEMS)[:40], NUM_ITEMS)
        data = Interactions.from_arrays(users, items, rng.integers(2, size=40))
        model = mf(embedding_size=WIDTH)
        params = {
            "user_embedding": rng.normal(size=(data.num_users, WIDTH)),
            "item_embedding": rng.normal(size=(data.num_items, WIDTH)),
        }
        trained = Trained.of(model, params, data)
        yield prepare(replace(trained, objective=replace(trained.objective, reg=REG)))


def gradient(params: dict, data: Interactions, total: int) -> dict:
    users, items = (np.asarray(params[name]) for name in ("user_embedding", "item_embedding"))
    residual = 1 / (1 + np.exp(-(users[data.users] * items[data.items]).sum(1))) - data.labels
    found = {"user_embedding": REG * users, "item_embedding": REG * items}
    np.add.at(found["user_embedding"], data.users, residual[:, None] * items[data.items] / total)
    np.add.at(found["item_embedding"], data.items, residual[:, None] * users[data.users] / total)
    return found


def metric(data: Interactions, exponent: float) -> dict:
    degrees = [1 + np.bincount(data.users, minlength=data.num_users), 1 + np.bincount(data.items, minlength=data.num_items)]
    median = np.median(np.concatenate(degrees))
    return dict(zip(("user_embedding", "item_embedding"), ((d / median) ** exponent for d in degrees), strict=True))


def norm(of: dict, data: Interactions) -> float:
    """On the rows that have data."""
    kept = {"user_embedding": data.user_degrees() > 0, "item_embedding": data.item_degrees() > 0}
    return float(np.sqrt(sum((np.asarray(of[name])[rows] ** 2).sum() for name, rows in kept.items())))


def test_it_is_what_the_equation_says(before):
    with jax.enable_x64(True):
        user = int(before.interactions.users[0])
        origin = Origin.of(before)
        quick, _ = unlearn(before, users=[user], config=IFRUConfig(scope=(), follow=False))
        left = quick.interactions
        start, now = (gradient(m.params, m.interactions, len(before.interactions)) for m in (before, quick))
        weights = metric(left, 0.4)
        force = {n: (start[n] - now[n]) / weights[n][:, None] for n in now}
        found = unsettled(origin, quick)
        np.testing.assert_allclose(found.residual, norm(force, left) / quick.floor, rtol=1e-8)
        moved = {n: np.asarray(quick.params[n]) - np.asarray(before.params[n]) for n in now}
        np.testing.assert_allclose(found.moved, norm(moved, left), rtol=1e-8)
        np.testing.assert_allclose(found.size, norm(quick.params, left), rtol=1e-8)
        np.testing.assert_allclose(found.distance, FACTOR * np.hypot(found.residual, found.moved) / found.size, rtol=1e-12)


def test_nothing_is_left_where_nothing_was_asked(before):
    with jax.enable_x64(True):
        found = unsettled(Origin.of(before), before)
        assert found.residual < 1e-12
        assert (found.moved, apart(before, before)) == (0, 0)


def test_rows_without_data_count_nowhere(before):
    with jax.enable_x64(True):
        user = int(before.interactions.users[0])
        origin = Origin.of(before)
        quick, _ = unlearn(before, users=[user], config=IFRUConfig(scope=(), follow=False))
        table = origin.params["user_embedding"].at[user].set(100.0)
        other = Origin(origin.params | {"user_embedding": table}, origin.gradient)
        assert unsettled(other, quick) == unsettled(origin, quick)
        far = replace(before, params=other.params)
        assert apart(far, quick) == apart(before, quick)


def test_the_gradient_is_in_the_metric_of_the_step(before):
    with jax.enable_x64(True):
        data = before.interactions
        found, weights = gradient(before.params, data, len(data)), metric(data, 0.2)
        expected = norm({n: found[n] / weights[n][:, None] for n in found}, data)
        np.testing.assert_allclose(gradient_size(before), expected, rtol=1e-8)
