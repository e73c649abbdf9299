"""Parameters from outside: every precision works, what can't be differentiated is refused, and nothing is kept that was derived."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import ForgetRequest, IFRUConfig, Interactions, ModelError, Split, TrainConfig, Trained, bce, load, mf, save
from ifru_jax.training import WithAuxiliary, as_loss, train, wmse
from ifru_jax.unlearning import forget, prepare

MODEL = mf(embedding_size=4, init_std=0.7)


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(30 * 25)[:400], 25)
    data = Interactions(users, items, rng.integers(2, size=400).astype(np.float32), 30, 25)
    return prepare(Trained.of(MODEL, MODEL.init(jax.random.key(0), 30, 25), data))


def cast(trained, dtype):
    return {name: value.astype(dtype) for name, value in trained.params.items()}


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_short_floats_work_to_the_last_file(trained, dtype, tmp_path):
    given = trained.with_params(cast(trained, dtype))
    assert {value.dtype for value in given.params.values()} == {np.dtype(np.float32)}
    other = Trained.of(MODEL, cast(trained, dtype), trained.interactions)
    jax.tree.map(np.testing.assert_array_equal, given.params, other.params)
    unlearned, report = forget(given, ForgetRequest(users=np.array([3])))
    assert report.forgotten > 0
    save(unlearned, tmp_path / "model.npz")
    jax.tree.map(np.testing.assert_array_equal, load(tmp_path / "model.npz").params, unlearned.params)


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.complex64, bool])
def test_other_numbers_are_one_error_of_ours(trained, dtype):
    message = r"parameter 'item_embedding' is of .*: give real floating numbers"
    with pytest.raises(ModelError, match=message):
        trained.with_params(cast(trained, dtype))
    with pytest.raises(ModelError, match=message):
        Trained.of(MODEL, cast(trained, dtype), trained.interactions)


def test_parameters_of_another_model_are_refused(trained):
    params = trained.params
    few = {name: value[:5] for name, value in params.items()}
    narrow = {name: value[:, :2] for name, value in params.items()}
    for given, message in (
        ({"weights": jnp.ones(3)}, "user table 'user_embedding' is not among"),
        (few, r"'user_embedding' has shape \(5, 4\): the data has 30 users"),
        (narrow, "give all of them in these shapes"),
        (params | {"extra": jnp.ones(2)}, "give all of them in these shapes"),
    ):
        with pytest.raises(ModelError, match=message):
            trained.with_params(given)


def test_the_damping_is_that_of_the_new_parameters(trained):
    """Twice as large ones have another spectrum; the step is the one of a model that was made of them."""
    doubled = jax.tree.map(lambda value: 2 * value, trained.params)
    given, made = trained.with_params(doubled), Trained.of(MODEL, doubled, trained.interactions, config=trained.config)
    request = ForgetRequest(users=np.array([3]))
    steps = [forget(model, request, config=IFRUConfig())[0].params["item_embedding"] for model in (given, made)]
    np.testing.assert_array_equal(*steps)
    assert prepare(given).damping.scale == prepare(made).damping.scale
    assert prepare(given).damping.scale != pytest.approx(trained.damping.scale, rel=0.05)


def hinge(logits, labels):
    return jnp.maximum(0.0, 1 - (2 * labels - 1) * logits)


def smooth(logits, labels):
    """A hinge whose corner is rounded over a few tenths."""
    return 0.2 * jax.nn.softplus((1 - (2 * labels - 1) * logits) / 0.2)


@pytest.mark.parametrize("loss", [hinge, lambda s, y: jnp.abs(s - y), WithAuxiliary(as_loss(hinge), lambda p, g: jnp.zeros(()))])
def test_losses_without_the_curvature_of_their_gradient_are_refused(trained, loss):
    with pytest.raises(ModelError, match=r"the gradient of .* jumps: .* twice differentiable"):
        Trained.of(MODEL, trained.params, trained.interactions, loss=loss)
    split = Split(trained.interactions, trained.interactions, trained.interactions)
    with pytest.raises(ModelError, match="twice differentiable"):
        train(jax.random.key(0), MODEL, split, TrainConfig(epochs=1), loss=loss)


@pytest.mark.parametrize("loss", [bce, wmse, smooth, lambda s, y: (s - y) ** 2, lambda s, y: jnp.logaddexp(0, -(2 * y - 1) * s)])
def test_smooth_losses_are_not(trained, loss):
    Trained.of(MODEL, trained.params, trained.interactions, loss=loss)


def test_a_step_of_exactly_zero_is_told(trained):
    """A loss that has nothing to say of labels of 0: forgetting them moves nothing."""
    positives = as_loss(lambda s, y: y * jax.nn.softplus(-s))
    model = Trained.of(MODEL, trained.params, trained.interactions, loss=positives)
    data = model.interactions
    kept = (data.user_degrees()[data.users] > 1) & (data.item_degrees()[data.items] > 1)
    place = np.flatnonzero((data.labels == 0) & kept)[0]
    request = ForgetRequest(pairs=np.array([[data.users[place], data.items[place]]]))
    with pytest.warns(RuntimeWarning, match=r"the step is exactly 0 \(ZERO_RIGHT_HAND_SIDE\)"):
        unlearned, report = forget(model, request)
    assert report.norm_step == 0
    assert len(unlearned.interactions) == len(data) - 1
