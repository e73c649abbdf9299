"""Where a loss leaves the level of each user's scores free, nothing that is pooled over users sees it."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, Interactions, ModelError, Split, TrainConfig, Trained, bce, bpr, verify
from ifru_jax.evaluation import VerifyConfig, comparable
from ifru_jax.evaluation.levels import WithoutLevels
from ifru_jax.graph import build_training_set
from ifru_jax.models import bias_mf
from ifru_jax.training import FullSoftmax, Objective, WithAuxiliary, as_loss, fit_params, softmax, wmse

PLAIN, LIST_LOSS = VerifyConfig(membership=False), VerifyConfig(membership=False, loss=FullSoftmax())

USERS, ITEMS = 300, 7


@dataclass
class Table:
    """A model that is a table of scores."""

    scores: np.ndarray
    interactions: Interactions

    def score_rows(self, users, items):
        return self.scores[users, items]

    def score_grid(self, users):
        return jnp.asarray(self.scores[users])


@pytest.fixture(scope="module")
def table():
    return np.random.default_rng(0).normal(size=(USERS, ITEMS))


def test_a_number_for_each_user_is_not_seen(table):
    """More users than a block holds."""
    users, items = np.divmod(np.arange(USERS * ITEMS), ITEMS)
    data = Interactions(users, items, np.ones(len(users)), USERS, ITEMS)
    moved = Table(table + np.random.default_rng(1).normal(size=(USERS, 1)), data)
    seen, seen_moved = (WithoutLevels(model, data).score_rows(users, items) for model in (Table(table, data), moved))
    np.testing.assert_allclose(seen, (table - table.mean(axis=1, keepdims=True)).ravel(), atol=1e-6)
    np.testing.assert_allclose(seen_moved, seen, atol=1e-6)
    grid = WithoutLevels(moved, data).score_grid(np.arange(9))
    np.testing.assert_allclose(grid.ravel(), seen[: 9 * ITEMS], atol=1e-6)
    assert comparable(moved, True, data) is moved


def test_levels_are_of_items_with_data(table):
    """A row without data is no score of the user's, neither in the level of a model that masks it nor of one that doesn't."""
    users, items = np.divmod(np.arange(USERS * ITEMS), ITEMS)
    known = (users != 4) & (items != 2)
    data = Interactions(users[known], items[known], np.ones(known.sum()), USERS, ITEMS)
    masked = np.where((np.arange(USERS) == 4)[:, None] | (np.arange(ITEMS) == 2), -np.inf, table)
    levels = [WithoutLevels(Table(scores, data), data).levels for scores in (table, masked)]
    expected = np.delete(table, 2, axis=1).mean(axis=1) * (np.arange(USERS) != 4)
    for found in levels:
        np.testing.assert_allclose(found, expected, atol=1e-6)


def shifted(loss, seed):
    """How much a loss changes when a number is added to all scores of each user."""
    rng = np.random.default_rng(seed)
    users, items = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    data = Interactions(users, items, (items == 0).astype(np.float32), 4, 5, groups=users)
    whole = build_training_set(data, with_groups=True)
    scores, levels = rng.normal(size=(4, 5)), rng.normal(size=(4, 1))

    class Lookup:
        tables, num_hops = {}, 0

        def score(self, params, pairs, graph):
            return params[pairs.users, pairs.items]

    objective = Objective(Lookup(), loss, total=1.0, reg=0.0)
    values = [float(objective.losses(jnp.asarray(table), whole.batch)) for table in (scores, scores + levels)]
    return abs(values[1] - values[0])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "loss",
    [bce, wmse, bpr, softmax, FullSoftmax(), as_loss(lambda s, y: (s - y) ** 2), WithAuxiliary(bpr, lambda p, g: jnp.sum(p), 0.0)],
    ids=lambda loss: type(loss).__name__,
)
def test_a_loss_says_whether_it_fixes_levels(loss):
    assert loss.fixes_levels == (shifted(loss, 0) > 1e-9)


def test_training_is_stopped_by_what_the_loss_fixes():
    """Valid ranks the items of every user right, while levels put all of one user's below the other's: AUC .75, within users 1."""
    train = Interactions(np.array([0, 1]), np.array([0, 2]), np.ones(2), 2, 4)
    valid = Interactions(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), np.array([1, 0, 1, 0]), 2, 4)
    model = bias_mf(embedding_size=2)
    shapes = jax.eval_shape(lambda key: model.init(key, 2, 4), jax.random.key(0))
    levels = {name: jnp.zeros(leaf.shape) for name, leaf in shapes.items()}
    users, items = (next(name for name in shapes if name.startswith(f"{side}_bias")) for side in ("user", "item"))
    levels[users] = jnp.asarray([0.0, -9.0]).reshape(shapes[users].shape)
    levels[items] = jnp.asarray([1.0, 0, 1, 0]).reshape(shapes[items].shape)
    config = TrainConfig(learning_rate=1e-6, batch_size=2, reg=0.0, epochs=1)
    for loss, expected in ((FullSoftmax(), 1.0), (bce, 0.75)):
        whole = build_training_set(train, with_graph=False)
        objective = Objective(model, loss, float(len(train)), config.reg)
        _, history = fit_params(jax.random.key(0), objective, whole, valid, config, initial=levels)
        assert history.valid_metric[0] == pytest.approx(expected)


@pytest.mark.slow
def test_a_verification_of_such_a_loss_does_not_see_levels():
    rng = np.random.default_rng(3)
    users, items = np.divmod(rng.permutation(40 * 12)[:300], 12)
    data = Interactions(users, items, rng.integers(2, size=300).astype(np.float32), 40, 12)
    split = Split(data.select(np.arange(300) < 200), data.select(np.arange(300) >= 250), data.select(np.arange(300) // 50 == 4))
    model = bias_mf(embedding_size=2, init_std=0.5)

    def trained(seed, level=0.0):
        params = model.init(jax.random.key(seed), 40, 12)
        name = next(name for name in params if name.startswith("user_bias"))
        params = params | {name: params[name] + level * rng.normal(size=params[name].shape)}
        return Trained.of(model, params, split.train, loss=FullSoftmax())

    request = ForgetRequest(pairs=np.stack([split.train.users[:9], split.train.items[:9]], axis=1))
    others = [trained(seed) for seed in (1, 2, 3)]
    plain, moved = (verify(trained(0), trained(4, level), others, split, request, config=PLAIN) for level in (0.0, 5.0))
    for name, measure in plain.measures.items():
        other = moved.measures[name].value
        assert other == (None if measure.value is None else pytest.approx(measure.value, rel=1e-4, abs=1e-5)), name
    # Also of models that are no `Trained`, where the loss is given.
    wrapped = [Table(np.asarray(state.grid_logits(np.arange(40))), split.train) for state in (trained(0), trained(4, 5.0), *others)]
    told = verify(wrapped[0], wrapped[1], wrapped[2:], split, request, config=LIST_LOSS)
    assert told.measures["gap"].value == pytest.approx(plain.measures["gap"].value, rel=1e-4)
    with pytest.raises(ModelError, match="'bpr' is no loss"):
        verify(wrapped[0], wrapped[1], wrapped[2:], split, request, config=VerifyConfig(loss="bpr"))  # pyright: ignore[reportArgumentType]
    fixed = [replace(state, objective=replace(state.objective, loss=bce)) for state in (trained(0), trained(4, 5.0), *others)]
    seen = verify(fixed[0], fixed[1], fixed[2:], split, request, config=PLAIN)
    assert seen.measures["gap"].value > 2 * plain.measures["gap"].value


def test_rows_without_data_are_looked_at_as_they_are():
    """A forgotten item's scores are 0 however high the user's others are: levels must not hide that they are left, nor fake it."""
    rng = np.random.default_rng(5)
    users, items = np.divmod(np.arange(40 * 12), 12)
    kept = rng.random(480) < 0.7
    data = Interactions(users[kept], items[kept], rng.integers(2, size=kept.sum()).astype(np.float32), 40, 12)
    split = Split(data, data.select(np.arange(len(data)) % 9 == 0), data.select(np.arange(len(data)) % 7 == 0))
    request = ForgetRequest(items=np.array([3]))
    scores = [3 + rng.normal(size=(40, 12)) for _ in range(5)]
    for table in scores[1:]:
        table[:, 3] = 0
    half = scores[1].copy()
    half[:, 3] = scores[0][:, 3] / 2
    for unlearned, verdict in ((scores[1], "pass"), (half, "fail")):
        models = [Table(scores[0], data), *(Table(table, request.applied(data)) for table in (unlearned, *scores[2:]))]
        found = verify(models[0], models[1], models[2:], split, request, config=LIST_LOSS)
        assert found.measures["gone_scores"].verdict == verdict


def test_validation_must_hold_what_the_loss_compares():
    train = Interactions(np.array([0, 1]), np.array([0, 2]), np.ones(2), 2, 4)
    valid = Interactions(np.array([0, 1]), np.array([1, 3]), np.array([1, 0]), 2, 4)
    objective = Objective(bias_mf(), FullSoftmax(), total=2.0, reg=0.0)
    with pytest.raises(DataError, match="no user has validation interactions of both labels, and FullSoftmax compares"):
        fit_params(jax.random.key(0), objective, build_training_set(train), valid, TrainConfig(epochs=1))
