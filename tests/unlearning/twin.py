"""A dense float64 twin of the objective and of a small problem, written from the mathematics page alone.

Everything is a matrix of all users and all items here: the labels, and whether there is an interaction.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax import ForgetRequest, Interactions, TrainConfig, Trained, lightgcn, mf

USERS, ITEMS, SIZE = 6, 4, 2
COUNT = (USERS + ITEMS) * SIZE
REG = 0.02


class Data(NamedTuple):
    """Interactions as matrices [users, items]."""

    labels: np.ndarray
    present: np.ndarray

    @property
    def edges(self):
        return self.present * (self.labels > 0.5)

    @property
    def degrees(self):
        """1 + interactions at each user, then at each item."""
        return 1 + np.concatenate([self.present.sum(1), self.present.sum(0)])


@partial(jax.tree_util.register_dataclass, data_fields=["total"], meta_fields=["scores_of", "layers"])
@dataclass(frozen=True)
class Twin:
    """L(θ; D, G) of flat parameters, users before items, row by row."""

    scores_of: object
    layers: int
    total: float

    def scores(self, theta, edges):
        rows = theta.reshape(-1, SIZE)
        return self.scores_of(rows[:USERS], rows[USERS:], edges, self.layers)

    def terms(self, theta, labels, edges):
        scores = self.scores(theta, edges)
        return jnp.logaddexp(0, scores) - labels * scores

    def value(self, theta, data, edges):
        return jnp.sum(data.present * self.terms(theta, data.labels, edges)) / self.total + REG / 2 * theta @ theta

    @jax.jit
    def gradient(self, theta, data, edges):
        return jax.grad(self.value)(theta, data, edges)

    @jax.jit
    def hessian(self, theta, data, edges):
        return jax.hessian(self.value)(theta, data, edges)

    @jax.jit
    def of_each(self, theta, labels, edges):
        """∂ℓ of every pair, [users, items, p]."""
        return jax.jacobian(self.terms)(theta, labels, edges)

    def at(self, theta, data):
        """∇L and ∇²L on the graph of the data."""
        return self.gradient(theta, data, data.edges), np.asarray(self.hessian(theta, data, data.edges))


def flow(values, damping):
    """(20)."""
    size = np.maximum(np.abs(values), 1e-300)
    return -np.expm1(-size / damping) / size


def filtered(matrix, b, gain):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ (gain(values) * (vectors.T @ b))


def in_krylov(matrix, b, gain, products):
    """f(H) b by a Krylov space of so many products."""
    basis, _ = np.linalg.qr(np.stack([np.linalg.matrix_power(matrix, k) @ b for k in range(products)], axis=1))
    return basis @ filtered(basis.T @ matrix @ basis, basis.T @ b, gain)


def growing(values):
    """(44), with its bound."""
    return flow(values, 1.0) * np.exp(np.minimum(np.maximum(-values, 0), 1))


class Problem(NamedTuple):
    trained: Trained
    twin: Twin
    request: ForgetRequest
    before: Data
    after: Data

    @property
    def theta(self):
        return flat(self.trained.params)

    @property
    def lost(self):
        """bool [p]: rows without data."""
        return np.repeat(self.after.degrees == 1, SIZE)


def flat(params):
    return np.concatenate([np.asarray(params[f"{side}_embedding"]).ravel() for side in ("user", "item")])


def tables(theta):
    rows = np.asarray(theta).reshape(-1, SIZE)
    return {"user_embedding": jnp.asarray(rows[:USERS]), "item_embedding": jnp.asarray(rows[USERS:])}


def data_of(interactions):
    labels, present = np.zeros((USERS, ITEMS)), np.zeros((USERS, ITEMS))
    labels[interactions.users, interactions.items] = interactions.labels
    present[interactions.users, interactions.items] = 1
    return Data(labels, present)


def problem_of(seed, layers, scores_of):
    """A user goes, two pairs of others, and a label is corrected; matrix factorisation with no layer, else LightGCN of so many."""
    rng = np.random.default_rng(seed)
    cells = np.sort(rng.permutation(USERS * ITEMS)[:20])
    labels = rng.integers(0, 2, len(cells)).astype(float)
    data = Interactions(cells // ITEMS, cells % ITEMS, labels, USERS, ITEMS)
    model = lightgcn(num_layers=layers, embedding_size=SIZE) if layers else mf(embedding_size=SIZE)
    params = tables(rng.normal(size=COUNT))
    trained = Trained.of(model, params, data, config=TrainConfig(reg=REG))
    pairs = np.stack([data.users, data.items], axis=1)[rng.permutation(len(data))]
    others = pairs[pairs[:, 0] != 2][:3]
    before = data_of(data)
    asked = ForgetRequest(
        users=np.array([2]), pairs=others[:2], corrected=others[2:], labels=1 - before.labels[tuple(others[2:].T)]
    )
    after = data_of(asked.applied(data))
    return Problem(trained, Twin(scores_of, layers, float(len(data))), asked, before, after)
