"""Parameters of `fit` and of requests in every configuration, to compare two versions of the library; no test, a script.

    PYTHONPATH=. python tests/same_parameters.py write FILE       # in the checkout of each version; three minutes
    python tests/same_parameters.py compare BEFORE AFTER          # the largest relative differences; status 1 above 1e-5

Nothing but public calls is used, so that it runs on both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import jax
import numpy as np

import ifru_jax
from ifru_jax import IFRUConfig, TrainConfig, models
from ifru_jax.data import Split, sample_negatives

CONFIGS = {
    "default": IFRUConfig(),
    "endpoints": IFRUConfig(scope=()),
    "hop": IFRUConfig(scope=(0.3,)),
    "budget": IFRUConfig(scope=(1.0,), max_nodes=300, max_edges=4000),
    "absolute": IFRUConfig(filter="absolute"),
    "gauss-newton": IFRUConfig(curvature="gauss-newton"),
    "cg": IFRUConfig(solver="cg", num_steps=20),
    "neighbourhood": IFRUConfig(spillover="neighbourhood"),
    "chunks": IFRUConfig(chunk_size=4096),
    "parts": IFRUConfig(max_share=0.01),
    "freeze": IFRUConfig(shared="freeze", scope=()),
    "subspace": IFRUConfig(shared="subspace", shared_rank=8),
}
# Of a model without a graph or shared weights these change nothing.
SKIPPED = {
    "mf": {"neighbourhood", "freeze", "subspace"},
    "lightgcn-1": {"freeze", "subspace"},
    "lightgcn-2": {"freeze", "subspace"},
    "lightgcn-2-bpr": {"freeze", "subspace", "neighbourhood", "budget"},
    "neumf": {"neighbourhood", "budget", "hop", "endpoints"},
}


def trained_models() -> Iterator[tuple[str, ifru_jax.Trained]]:
    split = ifru_jax.protocol_split(ifru_jax.load_dataset("movielens-small"))
    positives = Split(*(part.select(part.labels > 0.5) for part in split.parts))
    grouped = sample_negatives(positives)
    config = TrainConfig(learning_rate=5e-3, batch_size=512, epochs=4)
    for name, model, loss, data in (
        ("mf", models.mf(embedding_size=16), ifru_jax.bce, split),
        ("lightgcn-1", models.lightgcn(num_layers=1, embedding_size=16), ifru_jax.bce, split),
        ("lightgcn-2", models.lightgcn(num_layers=2, embedding_size=16), ifru_jax.bce, split),
        ("lightgcn-2-bpr", models.lightgcn(num_layers=2, embedding_size=16), ifru_jax.bpr, grouped),
        ("neumf", models.neumf(embedding_size=8, hidden=(16, 8)), ifru_jax.bce, split),
    ):
        yield name, ifru_jax.fit(jax.random.key(1), model, data, config=config, loss=loss, progress=False)


def requests(data: ifru_jax.Interactions) -> dict[str, dict]:
    rng = np.random.default_rng(0)
    positive = np.flatnonzero(data.labels > 0.5)
    pick = np.sort(rng.choice(positive, len(positive) // 50, replace=False))
    pairs = [(data.user_ids[data.users[k]], data.item_ids[data.items[k]]) for k in pick]
    counts = np.bincount(data.users, minlength=data.num_users)
    user = data.user_ids[int(np.argsort(counts, kind="stable")[len(counts) // 2])]
    item = data.item_ids[int(np.argmax(np.bincount(data.items, minlength=data.num_items)))]
    return {
        "bulk": {"interactions": pairs},
        "one": {"interactions": pairs[:1]},
        "user": {"users": [user]},
        "item": {"items": [item]},
    }


def write(path: str) -> None:
    out: dict[str, np.ndarray] = {}
    for name, trained in trained_models():
        out |= {f"{name}/fit/{k}": np.asarray(v) for k, v in trained.params.items()}
        asked = requests(trained.interactions)
        for config_name, config in CONFIGS.items():
            if config_name in SKIPPED[name]:
                continue
            for request_name, request in asked.items():
                after, _ = ifru_jax.unlearn(trained, **request, config=config)
                at = f"{name}/{config_name}/{request_name}"
                out |= {f"{at}/{k}": np.asarray(v) for k, v in after.params.items()}
                if config_name in ("default", "endpoints") and request_name == "one":
                    again, _ = ifru_jax.unlearn(after, users=asked["user"]["users"], config=config)
                    out |= {f"{at}-then-user/{k}": np.asarray(v) for k, v in again.params.items()}
        print(name, len(out), flush=True)
    np.savez(path, **out)


def compare(before: str, after: str) -> int:
    """Prints the largest relative difference of every case; 1 if one is above 1e-5."""
    old, new = np.load(before), np.load(after)
    if missing := set(old.files) ^ set(new.files):
        print("only in one of the two:", sorted(missing)[:10])
        return 1
    worst: dict[str, float] = {}
    for name in old.files:
        case = name.rsplit("/", 1)[0] if name.count("/") < 3 else "/".join(name.split("/")[:3])
        difference = float(np.linalg.norm(new[name] - old[name]) / max(np.linalg.norm(old[name]), 1e-30))
        worst[case] = max(worst.get(case, 0.0), difference)
    for case, value in sorted(worst.items(), key=lambda entry: -entry[1])[:15]:
        print(f"{value:.1e}  {case}")
    print(f"{len(worst)} cases, largest relative difference {max(worst.values()):.1e}")
    return int(max(worst.values()) > 1e-5)


if __name__ == "__main__":
    sys.exit(write(*sys.argv[2:]) if sys.argv[1] == "write" else compare(*sys.argv[2:]))
