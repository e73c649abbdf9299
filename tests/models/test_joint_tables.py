"""Users and items in one table: the rows of both are found, moved and cleared as those of tables of their own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ifru_jax import (
    FlaxRecommender,
    ForgetRequest,
    IFRUConfig,
    Interactions,
    ModelError,
    TrainConfig,
    Trained,
    from_nnx,
    load,
    mf,
    save,
)
from ifru_jax.graph import inner_products
from ifru_jax.models.joint_tables import as_joint, cut, joined
from ifru_jax.unlearning import forget, prepare

USERS, ITEMS = 30, 25
LAYOUTS = {
    "users first": ("user", "item"),
    "items first": ("item", "user"),
    "padding first": (1, "user", "item"),
    "padding between and behind": ("user", 2, "item", 1),
}


class Joint(nn.Module):
    """Matrix factorisation over one table, as many frameworks have it."""

    layout: tuple
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        sizes = {"user": self.num_users, "item": self.num_items}
        rows = [sizes.get(part, part) for part in self.layout]
        starts = dict(zip(self.layout, np.cumsum([0, *rows[:-1]]).tolist(), strict=True))
        table = self.param("embedding", nn.initializers.normal(0.5), (sum(rows), 4))
        users, items = (table[starts[side] : starts[side] + sizes[side]] for side in ("user", "item"))
        return inner_products(users, items, pairs)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(USERS * ITEMS)[:400], ITEMS)
    return Interactions(users, items, rng.integers(2, size=400).astype(np.float32), USERS, ITEMS)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("scope", [None, (1.0,)])
def test_a_request_does_what_it_does_to_tables_of_their_own(data, layout, scope, tmp_path):
    model = FlaxRecommender(Joint(layout), joint_tables={"embedding": layout})
    assert hash(model) == hash(FlaxRecommender(Joint(layout), joint_tables={"embedding": layout}))
    params = model.init(jax.random.key(0), USERS, ITEMS)
    assert model.tables == {"embedding/user": "user", "embedding/item": "item"}
    plain = mf(embedding_size=4)
    own = {"user_embedding": params["embedding/user"], "item_embedding": params["embedding/item"]}
    config = TrainConfig(reg=1e-3)
    joint, apart = (prepare(Trained.of(m, p, data, config=config)) for m, p in ((model, params), (plain, own)))
    np.testing.assert_allclose(joint.score_rows(data.users, data.items), apart.score_rows(data.users, data.items), rtol=1e-5)
    request = ForgetRequest(users=np.array([3]), items=np.array([5]))
    frozen = IFRUConfig(scope=scope, shared="freeze")
    (joint, report), (apart, _) = (forget(one, request, config=frozen) for one in (joint, apart))
    assert (report.cleared_users, report.cleared_items) == (1, 1)
    for side in ("user", "item"):
        moved = apart.params[f"{side}_embedding"]
        np.testing.assert_allclose(joint.params[f"embedding/{side}"], moved, rtol=2e-3, atol=2e-5)
    whole = joined(joint.params, model.joint)["embedding"]
    assert int((whole == 0).all(axis=1).sum()) == 2
    save(joint, tmp_path / "model.npz")
    again = load(tmp_path / "model.npz", model=model)
    np.testing.assert_array_equal(again.score_rows(data.users, data.items), joint.score_rows(data.users, data.items))


def test_what_looks_like_a_joint_table_is_asked_about():
    for layout, hint in (
        (("user", "item"), r"looks like \('user', 'item'\).*joint_tables="),
        ((1, "user", "item"), r"looks like \(1, 'user', 'item'\)"),
        (("item", 1, "user"), r"looks like \(1, 'user', 'item'\)"),
    ):
        with pytest.raises(ModelError, match=hint):
            FlaxRecommender(Joint(layout)).init(jax.random.key(0), USERS, ITEMS)
        # A coincidence is said to be one.
        FlaxRecommender(Joint(layout), shared=("embedding",)).init(jax.random.key(0), USERS, ITEMS)


class Padded(nn.Module):
    """Row 0 of each table is nobody's."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        users = self.param("users", nn.initializers.normal(0.5), (self.num_users + 1, 3))
        items = self.param("items", nn.initializers.normal(0.5), (self.num_items + 1, 3))
        return inner_products(users[1:], items[1:], pairs)


def test_a_padding_row_before_one_side(data):
    with pytest.raises(ModelError, match=r"'(users|items)' has shape .* looks like \(1, '(user|item)'\)"):
        FlaxRecommender(Padded()).init(jax.random.key(0), USERS, ITEMS)
    model = FlaxRecommender(Padded(), joint_tables={"users": (1, "user"), "items": (1, "item")})
    trained = Trained.of(model, model.init(jax.random.key(0), USERS, ITEMS), data, config=TrainConfig(reg=1e-3))
    unlearned, report = forget(trained, ForgetRequest(users=np.array([3])))
    assert report.cleared_users == 1
    assert not np.any(unlearned.params["users/user"][3])
    assert np.any(unlearned.params["users/user"][2])


class NNXJoint(nnx.Module):
    def __init__(self, num_users, num_items, rngs):
        self.num_users = num_users
        self.table = nnx.Embed(num_users + num_items, 3, rngs=rngs)

    def __call__(self, pairs, graph):
        table = self.table.embedding[...]
        return inner_products(table[: self.num_users], table[self.num_users :], pairs)


def test_joint_tables_of_nnx(data):
    with pytest.raises(ModelError, match="looks like"):
        from_nnx(NNXJoint).init(jax.random.key(0), USERS, ITEMS)
    model = from_nnx(NNXJoint, joint_tables={"table/embedding": ("user", "item")})
    trained = Trained.of(model, model.init(jax.random.key(0), USERS, ITEMS), data, config=TrainConfig(reg=1e-3))
    unlearned, _ = forget(trained, ForgetRequest(items=np.array([5])))
    assert not np.any(unlearned.params["table/embedding/item"][5])
    assert not np.any(unlearned.score_rows(np.arange(USERS), np.full(USERS, 5)))


def test_wrong_declarations_are_refused():
    for layout in ((), (1, 2), ("user", "user"), ("user", "shop"), (0, "user"), (1.5, "item")):
        with pytest.raises(ModelError, match="give its sides in their order, each once"):
            as_joint({"embedding": layout})
    with pytest.raises(ModelError, match=r"of 56 rows, but the module has \(55, 2\)"):
        cut({"e": jnp.zeros((55, 2))}, as_joint({"e": (1, "user", "item")}), {"user": USERS, "item": ITEMS})
    with pytest.raises(ModelError, match="no such parameter"):
        cut({}, as_joint({"e": ("user", "item")}), {"user": USERS, "item": ITEMS})
