"""Shared weights that may not change, or only some or in a subspace; small requests when nothing shared changes."""

from dataclasses import replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import (
    DataError,
    FlaxRecommender,
    ForgetRequest,
    IFRUConfig,
    Interactions,
    ModelError,
    TrainConfig,
    Trained,
    bce,
    bpr,
    lightgcn,
    mf,
)
from ifru_jax.curvature import degree_metric, degrees_of
from ifru_jax.models import ngcf
from ifru_jax.training import FullSoftmax, Objective
from ifru_jax.unlearning import Prepared, forget, prepare
from ifru_jax.unlearning.prepare import Damping
from ifru_jax.unlearning.shared_weights import free_parameters, random_subspace
from ifru_jax.unlearning.step import StepProblem, solve_step
from tests.training.test_losses import grouped
from tests.unlearning.test_local_step import change_at, local_step, whole_step

USERS, ITEMS, REG, RANK = 5, 4, 0.05, 6


class Tower(nn.Module):
    """Tables below, shared layers on top."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        users = nn.Embed(self.num_users, 2, name="user")(pairs.users)
        items = nn.Embed(self.num_items, 2, name="item")(pairs.items)
        hidden = nn.tanh(nn.Dense(3, name="hidden")(jnp.concatenate([users, items], axis=1)))
        return nn.Dense(1, name="top")(hidden)[:, 0]


TOWER = FlaxRecommender(Tower(), ("user/embedding",), ("item/embedding",), shared=("hidden/kernel",))


def untrained(model, data, loss=bce):
    """A model at random parameters that counts as prepared; what a step does there is as well defined."""
    params = jax.tree.map(
        lambda x: 2 * x.astype(jnp.result_type(float)), model.init(jax.random.key(1), data.num_users, data.num_items)
    )
    trained = Trained.of(model, params, data, config=TrainConfig(reg=REG), loss=loss)
    return Prepared(trained.objective, trained.params, trained.training_set, trained.config, IFRUConfig(), Damping(0.2, 0.4))


def interactions():
    rng = np.random.default_rng(2)
    return Interactions(rng.integers(0, USERS, 30), rng.integers(0, ITEMS, 30), rng.integers(0, 2, 30), USERS, ITEMS)


@jax.jit
def dense_hessian(params, batch):
    flat, unravel = ravel_pytree(params)
    return jax.hessian(lambda t: Objective(TOWER, bce, 30.0, REG)(unravel(t), batch))(flat)


@pytest.mark.parametrize("shared", ["freeze", ("top",), "subspace"], ids=str)
def test_the_step_is_the_dense_one_in_its_coordinates(shared):
    """θ' − θ̂ = M^-½ E f(Eᵀ H̃ E) Eᵀ b̃, with E a matrix."""
    with jax.enable_x64(True):
        start = untrained(TOWER, interactions())
        params, data = start.params, start.training_set
        config = IFRUConfig(shared=shared, shared_rank=RANK, num_steps=40, damping=0.05, filter="absolute")
        flat, unravel = ravel_pytree(params)
        rhs = unravel(jnp.asarray(np.random.default_rng(3).normal(size=len(flat))))
        H = dense_hessian(params, data.batch)

        free = free_parameters(TOWER, params, config)
        chosen = ravel_pytree({n: jnp.full(v.shape, n in free) for n, v in params.items()})[0]
        E = np.eye(len(flat))[:, chosen]
        if shared == "subspace":
            is_table = ravel_pytree({n: jnp.full(v.shape, n in TOWER.tables) for n, v in params.items()})[0]
            basis = np.zeros((len(flat), RANK))
            # Among the shared parameters the order is that of the flat vector of them all.
            basis[~np.asarray(is_table)] = random_subspace(int((~is_table).sum()), RANK, flat.dtype)
            E = np.concatenate([np.eye(len(flat))[:, is_table], basis], axis=1)
        metric = degree_metric(params, TOWER.tables, degrees_of(data.examples))
        root = ravel_pytree(jax.tree.map(lambda m, p: jnp.broadcast_to(m**-0.5, p.shape), metric, params))[0]
        reduced = E.T @ (root[:, None] * H * root[None, :]) @ E
        t, V = np.linalg.eigh(reduced)
        expected = root * (E @ (V @ ((V.T @ (E.T @ (root * ravel_pytree(rhs)[0]))) / (np.abs(t) + 0.05))))

        everything = (jnp.ones(USERS, bool), jnp.ones(ITEMS, bool))
        step, _ = solve_step(config, StepProblem(start.objective, params, rhs, data.batch, everything, 0.05))
        np.testing.assert_allclose(ravel_pytree(step)[0], expected, rtol=1e-7, atol=1e-9)
        for name in set(params) - set(free):
            assert not np.any(step[name])


def test_frozen_parameters_stay_to_the_bit():
    start = untrained(TOWER, interactions())
    start.params["top/bias"] = jnp.array([-0.0])
    request = ForgetRequest(pairs=np.stack([start.interactions.users, start.interactions.items], axis=1)[:3])
    after, report = forget(start, request, config=IFRUConfig(shared="freeze"))
    for name in ("hidden/kernel", "hidden/bias", "top/kernel", "top/bias"):
        assert np.asarray(after.params[name]).tobytes() == np.asarray(start.params[name]).tobytes()
    assert np.any(after.params["user/embedding"] != start.params["user/embedding"])
    assert report.norm_step > 0


LOCAL = {
    "frozen tower": (lambda: untrained(TOWER, interactions()), IFRUConfig(scope=(), shared="freeze", num_steps=5)),
    # All rows are unknowns, the last ones as well, which is where the pairs of the padding are.
    "frozen tower, all rows": (
        lambda: untrained(TOWER, interactions()),
        IFRUConfig(scope=(1.0, 1.0), shared="freeze", num_steps=5),
    ),
    "bpr": (lambda: untrained(mf(embedding_size=2, init_std=0.5), grouped(7), bpr), IFRUConfig(scope=(), num_steps=5)),
    # Models that propagate, with the rest of the graph as a constant; layers that are not linear; terms that are groups.
    "frozen ngcf": (
        lambda: untrained(ngcf(num_layers=2, embedding_size=2, init_std=0.5), interactions()),
        IFRUConfig(scope=(0.3,), shared="freeze", num_steps=5),
    ),
    "lightgcn with bpr": (
        lambda: untrained(lightgcn(num_layers=2, embedding_size=2, init_std=0.5), grouped(7), bpr),
        IFRUConfig(scope=(), num_steps=5),
    ),
}


@pytest.mark.parametrize("case", LOCAL)
def test_a_confined_step_is_the_whole_one_in_scope(case):
    with jax.enable_x64(True):
        build, config = LOCAL[case]
        start = build()
        places = np.flatnonzero(start.interactions.items == start.interactions.items[0])[:2]
        change = change_at(start, places)
        expected, _ = whole_step(start, change, config, 0.1)
        got, _ = local_step(start, change, config, 0.1)
        assert prepare(start, config=config).propagations.any == (start.model.num_hops > 0)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11), got, expected)
        assert any(np.any(got[name] != start.params[name]) for name in got)


def test_groups_by_neighbourhood_are_those_of_the_whole_graph():
    with jax.enable_x64(True):
        start = untrained(lightgcn(num_layers=2, embedding_size=2, init_std=0.5), grouped(7), bpr)
        data = start.interactions
        request = ForgetRequest(items=data.items[data.labels > 0.5][:1])
        whole, around = (forget(start, request, config=IFRUConfig(spillover=way)) for way in ("whole-graph", "neighbourhood"))
        assert [report.influence.spillover for _, report in (whole, around)] == ["whole-graph", "neighbourhood"]
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11), around[0].params, whole[0].params)
        assert any(np.any(whole[0].params[name] != start.params[name]) for name in start.params)


def test_what_cannot_apply_is_refused():
    start, compared = untrained(TOWER, interactions()), untrained(mf(embedding_size=2), grouped(7), bpr)
    request = ForgetRequest(users=start.interactions.users[:1])
    with pytest.raises(DataError, match=r"shared parameters hidden/.*shared=\"freeze\""):
        forget(start, request, config=IFRUConfig(scope=(), max_edges=9))
    with pytest.raises(ModelError, match=r"shared names 'tower', but the shared parameters are hidden/bias"):
        forget(start, request, config=IFRUConfig(shared=("tower",)))
    with pytest.raises(DataError, match="tear apart groups"):
        forget(compared, ForgetRequest(users=compared.interactions.users[:1]), config=IFRUConfig(scope=(), max_edges=9))
    model = lightgcn(num_layers=1, embedding_size=2)
    timed = replace(interactions(), timestamps=np.arange(len(interactions())))
    no_tables = replace(model, user_tables=(), item_tables=(), shared=("user_embedding", "item_embedding"))
    for found, why in (
        (untrained(model, interactions(), FullSoftmax()), "compares interactions of different neighbourhoods"),
        (untrained(no_tables, interactions()), "declares no tables"),
        (untrained(replace(model, history_length=3), timed), "reads histories"),
    ):
        with pytest.raises(DataError, match=f"{why}.*whole-graph"):
            forget(found, request, config=IFRUConfig(spillover="neighbourhood"))
    for options, message in (({"shared": "last"}, "shared is 'last'"), ({"chunk_size": 0}, "chunk_size is 0")):
        with pytest.raises(DataError, match=message):
            IFRUConfig(**options)
