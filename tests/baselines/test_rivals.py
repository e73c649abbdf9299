"""The rivals: what every one of them must keep to, and each against a dense float64 twin."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, Interactions, NumericsError, Status, TrainConfig, Trained, bce, lightgcn, mf
from ifru_jax.baselines import (
    GIF,
    SCIF,
    BudgetConfig,
    Finetune,
    GIFConfig,
    Gradient,
    GradientAscent,
    GradientConfig,
    IFRUAuthors,
    IFRUAuthorsConfig,
    SCIFConfig,
)
from ifru_jax.baselines.ifru_authors import _PublishedProblem, changed_interactions, published_hessian, published_scope
from ifru_jax.baselines.scif import collaborative_labels
from ifru_jax.graph import Batch, Change, build_examples, build_training_set
from tests.unlearning.conftest import CONFIG

pytestmark = pytest.mark.slow

STEPS = BudgetConfig(seconds=None, num_steps=3)
REG = 0.01


def rival(name, trained, split):
    made = {
        "scif": lambda: SCIF(trained.model, CONFIG),
        "gif": lambda: GIF(trained.model, CONFIG, GIFConfig(scale=0.1)),
        "gradient": lambda: Gradient(trained.model, CONFIG),
        "gradient-ascent": lambda: GradientAscent(trained.model, CONFIG, STEPS),
        "finetune": lambda: Finetune(trained.model, CONFIG, STEPS),
        "ifru-authors": lambda: IFRUAuthors(
            trained.model, CONFIG, valid=split.valid, config=IFRUAuthorsConfig(learning_rates=(1.0, 10.0), swap_graph=True)
        ),
    }
    return made[name]()


# What each does with MF, which is a special case of a graph without edges, the dense twins below tell.
@pytest.mark.parametrize("trained", ["lightgcn-2"], indirect=True)
@pytest.mark.parametrize("name", ["scif", "gif", "gradient", "gradient-ascent", "finetune", "ifru-authors"])
def test_every_rival_forgets_without_a_trace(trained, split, name):
    method = rival(name, trained, split)
    state = method.prepare(trained, split, jax.random.key(0))
    same, report = method.forget(state, ForgetRequest())
    assert same is state
    assert report.status is Status.NOTHING_TO_FORGET
    # A whole user, and some interactions of others.
    data = state.interactions
    others = np.flatnonzero(data.users != 7)[::60]
    request = ForgetRequest(users=np.array([7]), pairs=np.stack([data.users[others], data.items[others]], axis=1))
    after, report = method.forget(state, request)
    assert report.forgotten == len(others) + (data.users == 7).sum()
    assert len(after.interactions) == len(data) - report.forgotten
    assert not np.any(after.params["user_embedding"][7])
    assert report.cleared_users == 1
    assert "user-0007-secret" not in after.interactions.user_ids
    assert np.isfinite(after.params["item_embedding"]).all()
    assert report.norm_step > 0
    fresh = build_training_set(
        after.interactions,
        capacities=state.training_set.capacities,
        with_graph=state.model.num_hops > 0,
    )
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), fresh.graph, after.training_set.graph)))
    assert report.seconds["total"] == pytest.approx(sum(v for k, v in report.seconds.items() if k != "total"))
    _, again = method.forget(after, ForgetRequest(users=np.array([8])))
    assert again.cleared_users == 1


@pytest.mark.parametrize("trained", ["lightgcn-2"], indirect=True)
def test_the_published_ifru_keeps_the_old_graph_and_then_takes_no_request(trained, split):
    config = IFRUAuthorsConfig(learning_rates=(1.0,), num_steps=2)
    method = IFRUAuthors(trained.model, CONFIG, valid=split.valid, config=config)
    after, _ = method.forget(trained, ForgetRequest(users=np.array([7])))
    assert after.training_set.graph is trained.training_set.graph
    with pytest.raises(DataError, match="swap_graph"):
        method.forget(after, ForgetRequest(users=np.array([8])))
    with pytest.raises(DataError, match=r"valid=split\.valid"):
        IFRUAuthors(trained.model, CONFIG).forget(trained, ForgetRequest(users=np.array([7])))


@pytest.mark.parametrize("trained", ["lightgcn-2"], indirect=True)
def test_the_clock_ends_the_steps_and_the_seed_decides_them(trained):
    data = trained.interactions
    request = ForgetRequest(pairs=np.stack([data.users[:30:3], data.items[:30:3]], axis=1))
    retained = Change.of(trained.training_set, request).after
    gone = build_examples(data.select(request.select(data)))

    def training_loss(params):
        return trained.objective(params, retained.batch)

    def forgotten_loss(params):
        return trained.objective.losses(params, Batch(gone, retained.graph))

    for kind, loss, sign in ((Finetune, training_loss, -1), (GradientAscent, forgotten_loss, 1)):
        readings = iter(np.arange(0, 100, 0.25))
        # Readings: the request, the graph, then one before each step; the third step would begin at 1 s.
        timed = kind(trained.model, CONFIG, BudgetConfig(seconds=1.0), now=lambda readings=readings: float(next(readings)))
        short, report = timed.forget(trained, request)
        assert report.training.num_steps == 2
        steps = kind(trained.model, CONFIG, BudgetConfig(seconds=None, num_steps=2)).forget(trained, request)[0]
        assert all(np.array_equal(short.params[name], steps.params[name]) for name in steps.params)
        longer, report = kind(trained.model, CONFIG, BudgetConfig(seconds=None, num_steps=40)).forget(trained, request)
        assert report.training.num_steps == 40
        assert sign * (loss(longer.params) - loss(trained.params)) > 0


# --- dense twins: 4 users, 5 items, 2 columns, 18 parameters ---------------------------------------------------------


@pytest.fixture(scope="module", params=[0, 1], ids=["mf", "lightgcn-1"])
def tiny(request):
    """A model that need not be at a minimum, with all rows in use before and after."""
    with jax.enable_x64(True):
        users, items = (
            np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]),
            np.array([0, 1, 2, 4, 0, 2, 3, 1, 3, 4, 0, 0, 2, 3, 4]),
        )
        labels = np.array([1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1], float)
        data = Interactions.from_arrays(users, items, labels)
        layers = request.param
        model = lightgcn(num_layers=1, embedding_size=2) if layers else mf(embedding_size=2)
        rng = np.random.default_rng(3)
        params = {"user_embedding": jnp.asarray(rng.normal(size=(4, 2))), "item_embedding": jnp.asarray(rng.normal(size=(5, 2)))}
        yield Trained.of(model, params, data, config=TrainConfig(reg=REG))


PLACES = np.array([0, 3, 8])


@pytest.fixture(scope="module")
def dense(tiny, dense_scores):
    """Losses of the tiny model from dense matrices, as functions of all 18 parameters."""
    data = tiny.interactions
    users, items, positive = data.users, data.items, np.asarray(data.labels > 0.5, float)

    def loss(x, weights, edges, labels, layers):
        """Σ of the losses with `weights` on the graph of the interactions with `edges` 1."""
        counts = jnp.zeros((4, 5)).at[users, items].add(edges * positive)
        scores = dense_scores(x[:8].reshape(4, 2), x[8:].reshape(5, 2), counts, layers)[users, items]
        return jnp.sum(weights * bce(scores, labels))

    gradient = jax.jit(jax.grad(loss), static_argnums=4)
    curvature = jax.jit(jax.hessian(loss), static_argnums=4)

    class Dense:
        at = flat(tiny.params)
        whole = np.ones(len(data))
        retained = np.where(np.isin(np.arange(len(data)), PLACES), 0.0, 1.0)
        forgotten = 1 - retained
        total = len(data)

        def grad(self, weights, edges, labels=data.labels):
            labels = np.asarray(labels, float)
            return np.asarray(gradient(self.at, weights, edges, labels, tiny.model.num_hops))

        def hessian(self, weights, edges, layers=tiny.model.num_hops, reg=REG):
            """Of the mean loss with L2."""
            return np.asarray(curvature(self.at, weights, edges, data.labels, layers)) / len(data) + reg * np.eye(18)

        def influence(self):
            return (self.grad(self.whole, self.whole) - self.grad(self.retained, self.retained)) / len(data)

    with jax.enable_x64(True):
        yield Dense()


def flat(params):
    return np.concatenate([np.ravel(params["user_embedding"]), np.ravel(params["item_embedding"])])


def tiny_request(tiny):
    data = tiny.interactions
    return ForgetRequest(pairs=np.stack([data.users[PLACES], data.items[PLACES]], axis=1))


def test_gif_is_the_truncated_series_of_the_dense_hessian(tiny, dense):
    with jax.enable_x64(True):
        hessian = dense.hessian(dense.whole, dense.whole)
        b = dense.influence()
        scale = 1.2 * np.abs(np.linalg.eigvalsh(hessian)).max()
        factor = np.eye(18) - hessian / scale
        expected = sum(np.linalg.matrix_power(factor, k) @ b for k in range(8)) / scale
        method = GIF(tiny.model, tiny.config, GIFConfig(num_iterations=7, scale=scale))
        after, report = method.forget(tiny, tiny_request(tiny))
        np.testing.assert_allclose(flat(after.params) - dense.at, expected, atol=1e-10)
        assert report.influence.norm_rhs == pytest.approx(np.linalg.norm(b))
        # Left to itself, it finds the spectrum: 18 parameters are fewer than the steps it may take.
        _, report = GIF(tiny.model, tiny.config, GIFConfig(damping=None)).forget(tiny, tiny_request(tiny))
        assert report.solve.num_products == 20 + 5 + 1
        values = np.linalg.eigvalsh(hessian)
        assert values.min() < 0
        assert report.solve.damping == pytest.approx(-values.min(), rel=0.02)
        assert np.abs(report.solve.ritz_values).max() == pytest.approx(np.abs(values).max(), rel=1e-6)
        overflowing = GIFConfig(num_iterations=7, scale=1e-60)
        with pytest.raises(NumericsError, match="fewer iterations"):
            GIF(tiny.model, tiny.config, overflowing).forget(tiny, tiny_request(tiny))


def test_scif_solves_for_the_target_users_alone(tiny, dense):
    with jax.enable_x64(True):
        data = tiny.interactions
        gone, left = data.select(PLACES), data.select(dense.retained > 0)
        labels = np.array(data.labels, float)
        labels[PLACES] = [left.labels[left.users == u].mean() for u in gone.users]
        np.testing.assert_allclose(collaborative_labels(gone, left), labels[PLACES])
        before, after = (dense.grad(dense.forgotten, dense.whole, y) for y in (data.labels, labels))
        b = (before - after) / len(data)
        hessian = dense.hessian(dense.whole, dense.whole)
        rows = np.concatenate([2 * u + np.arange(2) for u in np.unique(gone.users)])
        restricted = hessian[np.ix_(rows, rows)]
        lowest = np.linalg.eigvalsh(restricted).min()
        assert lowest > 0 or tiny.model.num_hops
        expected = np.zeros(18)
        method = SCIF(tiny.model, tiny.config, SCIFConfig(tolerance=1e-12))
        unlearned, report = method.forget(tiny, tiny_request(tiny))
        # Few enough rows that Lanczos finds the whole spectrum.
        assert report.solve.damping == pytest.approx(0 if lowest > 0 else -2 * lowest)
        expected[rows] = np.linalg.solve(restricted + report.solve.damping * np.eye(len(rows)), b[rows])
        np.testing.assert_allclose(flat(unlearned.params) - dense.at, expected, atol=1e-9)
        assert (report.scope.users, report.scope.items) == (len(rows) // 2, 0)


def test_labels_of_those_of_whom_nothing_is_left():
    data = Interactions.from_arrays([0, 0, 1, 2, 3], [0, 1, 0, 2, 3], [1.0, 0.0, 1.0, 0.0, 1.0])
    gone = np.array([True, True, False, True, False])
    # User 0: item 0 is known from user 1, item 1 from nobody; user 2 with item 2: neither is.
    np.testing.assert_allclose(collaborative_labels(data.select(gone), data.select(~gone)), [1.0, 1.0, 1.0])
    more = data.with_labels(np.array([1.0, 0.0, 0.0, 0.0, 1.0]))
    np.testing.assert_allclose(collaborative_labels(more.select(gone), more.select(~gone)), [0.0, 0.5, 0.5])


def test_the_gradient_step_ends_where_the_quadratic_model_does(tiny, dense):
    with jax.enable_x64(True):
        hessian = dense.hessian(dense.retained, dense.retained)
        b = dense.influence()
        rate = b @ b / abs(b @ hessian @ b)
        after, report = Gradient(tiny.model, tiny.config).forget(tiny, tiny_request(tiny))
        np.testing.assert_allclose(flat(after.params) - dense.at, rate * b, atol=1e-10)
        assert report.solve.damping == pytest.approx(1 / rate)
        fixed, _ = Gradient(tiny.model, tiny.config, GradientConfig(rate=2.0)).forget(tiny, tiny_request(tiny))
        np.testing.assert_allclose(flat(fixed.params) - dense.at, 2 * b, atol=1e-10)


def test_the_published_quadratic_form_and_its_first_candidate(tiny, dense):
    with jax.enable_x64(True):
        data, training = tiny.interactions, tiny.training_set
        forgotten, change = dense.forgotten > 0, Change.of(training, tiny_request(tiny))
        scope = published_scope(change, num_hops=0, quantile=0.4)
        # s_0 of the endpoints: users 0 (2 of 5), 2 (1 of 5), items 0 (1 of 5), 4 (1 of 4), 3 (1 of 4): above the .4-quantile.
        degrees = np.concatenate([data.user_degrees(), data.item_degrees()]) + 1
        hits = np.concatenate([np.bincount(data.users[PLACES], minlength=4), np.bincount(data.items[PLACES], minlength=5)])
        scores = hits / degrees
        inside = scores > np.quantile(scores[scores > 0], 0.4)
        np.testing.assert_array_equal(np.concatenate([scope.users, scope.items]), inside)
        assert inside.sum() < (hits > 0).sum()

        rows = jnp.asarray(scope.users), jnp.asarray(scope.items)
        summed = replace(tiny.objective, total=1.0, reg=0.0)
        problem = _PublishedProblem(summed, tiny.params, training.batch, build_examples(data), rows, float(len(data)))
        product = published_hessian(problem, "mf")
        mask = np.repeat(inside, 2)
        # The published Hessian is that of MF whatever the model is.
        hessian = dense.hessian(dense.whole, dense.whole, layers=0, reg=0.0) * np.outer(mask, mask)

        changed = changed_interactions(change, min_change=0.01)
        affected = np.zeros(len(data))
        affected[~forgotten] = changed
        removed = forgotten & (data.labels > 0.5)
        touched = np.isin(data.users, data.users[removed]) | np.isin(data.items, data.items[removed])
        np.testing.assert_array_equal(affected > 0, touched & ~forgotten)
        spillover = dense.grad(affected, dense.whole) - dense.grad(affected, dense.retained)
        g = (dense.grad(dense.forgotten, dense.whole) + spillover) * mask
        p = np.random.default_rng(0).normal(size=18)
        tree = {"user_embedding": jnp.asarray(p[:8].reshape(4, 2)), "item_embedding": jnp.asarray(p[8:].reshape(5, 2))}
        # The gradient of ½ pᵀHp − gᵀp.
        np.testing.assert_allclose(flat(product(tree)) - g, hessian @ p - g, atol=1e-12)

        config = IFRUAuthorsConfig(num_hops=0, prune_quantile=0.4, learning_rates=(0.1,), num_steps=1)
        method = IFRUAuthors(tiny.model, tiny.config, valid=data, config=config)
        after, report = method.forget(tiny, tiny_request(tiny))
        # Adam's first step has the size of the learning rate, against the slope −g at p = 0.
        np.testing.assert_allclose(flat(after.params) - dense.at, 0.1 * g / (np.abs(g) + 1e-8) / len(data), atol=1e-12)
        assert report.status is Status.STEPS_SPENT
        assert report.influence.norm_rhs == pytest.approx(np.linalg.norm(g) / len(data))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BudgetConfig(seconds=None), "never end"),
        (lambda: BudgetConfig(seconds=-1.0), "seconds is -1"),
        (lambda: GIFConfig(scale=0.0), "scale is 0"),
        (lambda: GIFConfig(spillover="all"), "auto, none"),
        (lambda: GradientConfig(rate=-1.0), "rate is -1"),
        (lambda: SCIFConfig(num_steps=0), "num_steps is 0"),
        (lambda: IFRUAuthorsConfig(prune_quantile=1.0), "prune_quantile is 1"),
        (lambda: IFRUAuthorsConfig(learning_rates=()), "learning_rates are"),
    ],
)
def test_bad_configurations(make, message):
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize("trained", ["lightgcn-2"], indirect=True)
def test_parameters_that_are_not_finite_are_refused(trained, split):
    broken = trained.with_params(jax.tree.map(lambda x: x.at[0, 0].set(jnp.nan), trained.params))
    for name in ("scif", "gif", "gradient", "finetune"):
        with pytest.raises(NumericsError):
            rival(name, trained, split).forget(broken, ForgetRequest(users=np.array([0])))


@pytest.mark.parametrize("trained", ["mf"], indirect=True)
def test_methods_that_do_not_apply_say_why(trained, split):
    class Items:
        tables = {"item_embedding": "item"}  # noqa: RUF012
        num_hops = 0

    nobody = replace(trained, objective=replace(trained.objective, model=Items()))
    with pytest.raises(DataError, match="no user table"):
        SCIF(nobody.model, CONFIG).forget(nobody, ForgetRequest(users=np.array([0])))
    with pytest.raises(DataError, match="hessian='model'"):
        IFRUAuthors(nobody.model, CONFIG, valid=split.valid).forget(nobody, ForgetRequest(users=np.array([0])))
