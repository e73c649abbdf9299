"""What says which interactions a score came from: ours, and what others use.

    along, end           −⟨a, b_z⟩ + ∂s/∂w_z, along the record of the training or from its end     `unlearning.adjoint`
                         with H of what is retained, as the step has it, or "H of all" data; "others held" is what
                         `explain` says of own ratings, without the whole problem             `unlearning.local.adjoint`
    gradient dot         −⟨∇s, ∇ℓ_z⟩ at the end          Charpiat et al. (NeurIPS 2019), without the norms
    TracIn               −Σ_k n_k ⟨∇s(θ_k), ∇ℓ_z(θ_k)⟩   Pruthi et al. (NeurIPS 2020), at the places of the record
    cosine               (2y − 1) cos(e_u, e_v) cos(e_i, e_j) of the trained embeddings
    item-kNN             (2y − 1) sim(i, j) of the user's own ratings, cosine of the columns of ±1; Sarwar et al. (WWW 2001)

Each is what an interaction z = (v, j, y) adds to s(u, i), as float [targets, n], the larger the more. Those that know nothing of
the graph are as they were published; where there is one, `graph` gives gradient dot and TracIn the spillover too.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import numpy as np

from ifru_jax.data import Interactions
from ifru_jax.influence.attribution import Counted, contributions
from ifru_jax.influence.targets import Target, stacked
from ifru_jax.models import Params
from ifru_jax.training import Objective
from ifru_jax.unlearning import Prepared, prepare
from ifru_jax.unlearning.adjoint import influences
from ifru_jax.unlearning.local.adjoint import own_influences

Method = Callable[[Prepared, np.ndarray, np.ndarray], np.ndarray]
# Targets that are solved for at once.
TOGETHER = 16


def along(state: Prepared, users: np.ndarray, items: np.ndarray, *, retained: np.ndarray | None = None) -> np.ndarray:
    """Ours, along the record; `retained` says how much of each interaction the retrainings keep on average."""
    parts = [slice(start, start + TOGETHER) for start in range(0, len(users), TOGETHER)]
    return np.concatenate([influences(state, _targets(users[part], items[part]), retained=retained) for part in parts])


def others_held(state: Prepared, users: np.ndarray, items: np.ndarray, *, retained: np.ndarray | None = None) -> np.ndarray:
    """Ours, along the record, of each user's own ratings with the rows of other users held; 0 of all others."""
    found = np.zeros((len(users), len(state.interactions)), np.float32)
    for row, user, item in zip(found, users, items, strict=True):
        target = Target.of(int(user), [int(item)], [1.0])
        row[state.interactions.users == user] = own_influences(state, target, np.array([item]), retained=retained)
    return found


def end(state: Prepared, users: np.ndarray, items: np.ndarray, *, retained: np.ndarray | None = None) -> np.ndarray:
    """Ours, from the end."""
    return along(prepare(state, config=replace(state.step, follow=False)), users, items, retained=retained)


def gradient_dot(state: Prepared, users: np.ndarray, items: np.ndarray, *, graph: bool = False) -> np.ndarray:
    """Of the score with the losses."""
    return _dots(state, state.params, users, items, graph=graph)


def tracin(state: Prepared, users: np.ndarray, items: np.ndarray, *, graph: bool = False) -> np.ndarray:
    """The same at every place of the record, for as long as the training was near it."""
    assert state.record is not None
    segments = state.record.segments
    return sum(float(s.steps) * _dots(state, s.params, users, items, graph=graph) for s in segments)  # pyright: ignore


def cosine(state: Prepared, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Of the embeddings."""
    data = state.interactions
    near = [_unit(np.asarray(state.params[f"{side}_embedding"])) for side in ("user", "item")]
    of_users, of_items = near[0][users] @ near[0].T, near[1][items] @ near[1].T
    return (2 * data.labels - 1) * of_users[:, data.users] * of_items[:, data.items]


def item_knn(state: Prepared, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Of the user's own ratings, by who rated them alike."""
    data = state.interactions
    columns = _unit(signed_ratings(data).T)
    similar = columns[items] @ columns.T
    own = users[:, None] == data.users
    return own * (2 * data.labels - 1) * similar[:, data.items]


def signed_ratings(data: Interactions) -> np.ndarray:
    """float [users, items]: 1 for a positive label, −1 for another, 0 for none."""
    found = np.zeros((data.num_users, data.num_items), np.float32)
    found[data.users, data.items] = 2 * data.labels - 1
    return found


def methods_for(layers: int, retained: np.ndarray | None = None, *, own: bool = False) -> dict[str, Method]:
    """By name; ours first, which take H of what is retained, float [n]. With `own` also what tells a user's own ratings alone."""
    found: dict[str, Method] = {
        "along": partial(along, retained=retained),
        "end": partial(end, retained=retained),
        "gradient dot": gradient_dot,
        "TracIn": tracin,
    }
    if retained is not None:
        found["along, H of all"] = along
    if own and not layers:
        found["along, others held"] = partial(others_held, retained=retained)
    if layers:
        found |= {"gradient dot, graph": partial(gradient_dot, graph=True), "TracIn, graph": partial(tracin, graph=True)}
    return found | {"cosine": cosine, "item-kNN": item_knn}


def _targets(users: np.ndarray, items: np.ndarray) -> Target:
    return stacked([Target.of(int(user), [int(item)], [1.0]) for user, item in zip(users, items, strict=True)])


def _dots(state: Prepared, params: Params, users: np.ndarray, items: np.ndarray, *, graph: bool) -> np.ndarray:
    data = Counted.of(state.training_set)
    data = data if graph else replace(data, places=None)
    found = _all_dots(state.objective, params, _targets(users, items), data)
    return -np.asarray(found)[:, : len(state.interactions)]


@jax.jit
def _all_dots(objective: Objective, params: Params, targets: Target, data: Counted) -> jax.Array:
    def of(target: Target) -> jax.Array:
        gradient = jax.grad(lambda p: target(objective.model, p, data.batch.graph))(params)
        return contributions(objective, params, gradient, data)

    return jax.lax.map(of, targets)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
