"""What the tests over several devices are of: 61 users, 43 items and 700 interactions, so that no table divides by any number."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

import ifru_jax
from ifru_jax.data import Dropped, k_core
from ifru_jax.models import lightgcn, mf, neumf
from ifru_jax.training import AllPairs
from ifru_jax.training.over_mesh import real_rows

MODELS = {"mf": mf(embedding_size=4, init_std=0.1), "lightgcn": lightgcn(embedding_size=4, init_std=0.1, num_layers=2)}
# With shared weights.
MODELS |= {"neumf": neumf(embedding_size=4, hidden=(4,), init_std=0.1)}
CONFIG = ifru_jax.TrainConfig(learning_rate=0.05, batch_size=64, epochs=3, record=2)


def split() -> ifru_jax.Split:
    """60 % positive, by taste and noise."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(np.sort(rng.choice(61 * 43, 700, replace=False)), 43)
    tastes, kinds = rng.normal(size=(61, 3)), rng.normal(size=(43, 3))
    likes = (tastes[users] * kinds[items]).sum(axis=1) + 0.3 * rng.normal(size=len(users)) > -0.3
    return ifru_jax.random_split(ifru_jax.Interactions.from_arrays(users, items, likes), shares=(0.7, 0.2, 0.1))


AT_ONCE = ifru_jax.IFRUConfig(max_share=None)
# Of what is read by two processes.
SHARES = (0.7, 0.2, 0.1)


def frame() -> dict[str, np.ndarray]:
    """Columns of what two processes read in shares: busy users and popular items first, and users with one interaction or two."""
    rng = np.random.default_rng(1)
    users = np.concatenate([np.repeat(np.arange(53), np.arange(53, 0, -1) // 2 + 2), np.repeat(np.arange(80, 100), 2), [100, 101]])
    items = np.minimum(rng.geometric(0.06, len(users)), 43)
    _, first = np.unique(users * 1000 + items, return_index=True)
    first = rng.permutation(first)
    tastes, kinds = rng.normal(size=(102, 3)), rng.normal(size=(44, 3))
    ratings = np.clip(np.round(3.3 + (tastes[users] * kinds[items]).sum(axis=1)), 1, 5)
    return {"user": users[first] + 100, "item": items[first] * 7, "rating": ratings[first]}


def split_of_frame(blocks: int) -> ifru_jax.Split:
    """The split of all of it in one process."""
    columns = frame()
    data = ifru_jax.Interactions.from_arrays(columns["user"], columns["item"], columns["rating"] > 3)
    core = k_core(data, 2)
    found = ifru_jax.random_split(core, shares=SHARES)
    found = replace(found, dropped=(*Dropped.between(data, core, "in the 2-core"), *found.dropped))
    return ifru_jax.balanced(found, blocks)


def tiny() -> dict[str, np.ndarray]:
    """Columns of two users, so that one of two processes has nobody."""
    users, items = np.divmod(np.array([0, 1, 2, 3, 4, 9, 8, 11, 13, 14]), 8)
    return {"user": users, "item": items, "rating": (items != 4).astype(int)}


def fitted_to(data: ifru_jax.Interactions) -> ifru_jax.Trained:
    """A model of all of some interactions."""
    split, config = ifru_jax.Split(data, None, None), replace(CONFIG, batch_size=4)
    return ifru_jax.fit(jax.random.key(0), MODELS["lightgcn"], split, config=config, progress=False)


def shared_requests() -> dict[str, dict]:
    """Requests one after the other, as arguments of `unlearn`."""
    train = split_of_frame(4).train
    pairs, again = named(train, slice(0, None, 40)), named(train, slice(5, None, 60))
    gone = {train.user_ids[3], train.user_ids[40]}
    labels = [1.0 - label for label in train.labels[5::60].tolist()]
    flipped = [(*pair, label) for pair, label in zip(again, labels, strict=True) if pair not in pairs and pair[0] not in gone]
    return {
        "interactions": {"interactions": pairs},
        "users": {"users": sorted(gone)},
        "corrected": {"corrected": flipped[:5]},
        "items": {"items": [train.item_ids[30]]},
        "in parts": {"users": train.user_ids[10:22].tolist(), "config": ifru_jax.IFRUConfig(max_share=0.1)},
        "what is left of it": {"users": [train.user_ids[3], train.user_ids[5]], "missing": "report"},
        "from the end": {"users": [train.user_ids[7]], "config": ifru_jax.IFRUConfig(follow=False)},
    }


def given(name: str) -> ifru_jax.Trained:
    """A model with parameters as they are drawn, without a record, on the devices of the block that it is made in."""
    model, data = MODELS[name], split().train
    params = model.init(jax.random.key(1), data.num_users, data.num_items)
    return ifru_jax.Trained.of(model, params, data, config=CONFIG)


def fitted(name: str, **changes: Any) -> ifru_jax.Trained:
    """A model that is trained, with a record; `changes` are of the configuration."""
    return ifru_jax.fit(jax.random.key(0), MODELS[name], split(), config=replace(CONFIG, **changes), progress=False)


def of_all_pairs() -> ifru_jax.Trained:
    """A model of the positives against all other pairs, rows that fill up tables not among them."""
    data = split()
    positives = data.train.select(data.train.labels > 0.5)
    config = replace(CONFIG, record=0, epochs=1)
    chosen = ifru_jax.Split(positives, data.valid, data.test)
    return ifru_jax.fit(jax.random.key(0), MODELS["mf"], chosen, config=config, loss=AllPairs(), progress=False)


def parameters(trained: ifru_jax.Trained) -> np.ndarray:
    """All real rows, one after the other."""
    return flat(trained, trained.params)


def flat(trained: ifru_jax.Trained, tree: dict) -> np.ndarray:
    """The real rows of a tree like its parameters."""
    rows = real_rows(tree, trained.model.tables, trained.training_set)
    return np.concatenate([rows[name].ravel() for name in sorted(rows)])


def everything(trained: ifru_jax.Trained) -> np.ndarray:
    """The parameters, and those of its record with what Adam applied."""
    trees = [trained.params, *(tree for one in trained.record.segments for tree in (one.params, one.applied))]
    return np.concatenate([flat(trained, tree) for tree in trees])


def named(data: ifru_jax.Interactions, places: slice) -> list[tuple[int, int]]:
    """Some interactions by their ids."""
    assert data.user_ids is not None
    assert data.item_ids is not None
    users, items = data.user_ids[data.users[places]], data.item_ids[data.items[places]]
    return list(zip(users.tolist(), items.tolist(), strict=True))


def requests(data: ifru_jax.Interactions) -> dict[str, dict]:
    """Kinds of requests, as arguments of `unlearn`."""
    pairs = named(data, slice(0, None, 40))
    flipped = [(user, item, 1.0 - label) for (user, item), label in zip(pairs, data.labels[::40].tolist(), strict=True)]
    return {
        "noise": {"interactions": pairs},
        "users": {"users": [data.user_ids[3], data.user_ids[10]]},
        "corrected": {"corrected": flipped},
        "confined": {"users": [data.user_ids[5]], "config": ifru_jax.IFRUConfig(scope=(0.5,))},
        "in parts": {"users": data.user_ids[:9].tolist()},
    }
