"""One of two processes with two devices each, that share the interactions of Parquet files.

    python shares.py FOLDER PORT NUMBER

Reads FOLDER/data, writes FOLDER/MODEL-STAGE for every stage of every model, which both do, and prints reports and refusals as JSON.
"""

import dataclasses
import json
import sys
from typing import Any

import jax
import numpy as np
import small

import ifru_jax


def largest(tree: Any, seen: set[int]) -> int:
    """Entries of the largest array of the host in an object, whatever stands in its fields."""
    if id(tree) in seen or isinstance(tree, jax.Array):
        return 0
    seen.add(id(tree))
    if isinstance(tree, np.ndarray):
        return tree.size
    if isinstance(tree, dict | list | tuple):
        return max([largest(one, seen) for one in (tree.values() if isinstance(tree, dict) else tree)], default=0)
    return largest(vars(tree), seen) if dataclasses.is_dataclass(tree) else 0


def held(trained: ifru_jax.Trained) -> dict[str, int]:
    """What the host of this process has of the interactions."""
    data = trained.training_set
    assert data.host_patterns is not None
    share = data.interactions.share
    assert share is not None
    assert np.all((data.interactions.users >= share.first) & (data.interactions.users < share.last))
    assert trained.record is not None
    return {
        "all": len(data),
        "interactions": len(data.interactions),
        "patterns": max(len(pattern.rows) for pattern in data.host_patterns),
        "valid": len(trained.record.valid),
        "largest": largest(trained, set()),
    }


def refused(*calls: Any) -> list[str]:
    found = []
    for call in calls:
        try:
            call()
        except ifru_jax.DataError as error:
            found.append(str(error))
    return found


if __name__ == "__main__":
    folder, port, number = sys.argv[1:]
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(number), initialization_timeout=60)
    mesh = jax.make_mesh((jax.device_count(),), ("rows",))
    split = ifru_jax.stream_split(f"{folder}/data", f"{folder}/into", mesh=mesh, k=2, label_above=3, shares=small.SHARES)
    said: dict[str, Any] = {"parts": [len(part) for part in split.parts], "dropped": str(split.dropped), "held": {}, "reports": {}}
    for name in ("mf", "lightgcn"):
        with ifru_jax.on_mesh(mesh):
            trained = ifru_jax.fit(jax.random.key(0), small.MODELS[name], split, config=small.CONFIG, progress=False)
        said["held"][name] = held(trained)
        kept, at = trained, f"{folder}/{name}-fit"
        ifru_jax.save(trained, at, sharded=True)
        for stage, request in small.shared_requests().items():
            trained, report = ifru_jax.unlearn(trained, **request)
            said["reports"][f"{name}-{stage}"] = {
                "forgotten": report.forgotten,
                "corrected": report.corrected,
                "retained": report.retained,
                "parts": report.parts,
                "norm": report.norm_step,
                "cleared": [report.cleared_users, report.cleared_items, report.users_taken_along, report.items_taken_along],
            }
            ifru_jax.save(trained, f"{folder}/{name}-{stage}", sharded=True)
            if trained.record is not None:
                kept, at = trained, f"{folder}/{name}-{stage}"
        said["held"][f"{name} afterwards"] = held(kept)
        with ifru_jax.on_mesh(mesh):
            again = ifru_jax.load(at)
        said["held"][f"{name} again"] = held(again)
        said[f"{name} same"] = bool(np.array_equal(small.everything(kept), small.everything(again)))
    whole = small.split_of_frame(mesh.size)
    said["evaluation"] = [ifru_jax.evaluate(trained, test) for test in (split.test, whole.test)]
    said["estimate"] = ifru_jax.estimate(trained, split.test, users=9)
    said["lists"] = list(ifru_jax.recommend(trained, k=5).values())
    said["compiled"] = ifru_jax.warm_up(trained)[1]
    retrained = ifru_jax.retrain(jax.random.key(3), trained, ifru_jax.ForgetRequest(), split.valid)[0]
    ifru_jax.save(retrained, f"{folder}/retrained", sharded=True)
    left = whole.train
    kept_of_it = ~np.isin(left.users, [3, 5, 7, 40, *range(10, 22)]) & (left.items != 30) & (np.arange(len(left)) % 40 > 0)
    left = left.select(kept_of_it)
    user, item = (int(ids[rows[0]]) for ids, rows in ((left.user_ids, left.users), (left.item_ids, left.items)))
    others = np.setdiff1d(np.arange(left.num_items), left.items[left.users == left.users[0]])
    here = jax.sharding.Mesh(np.array(jax.local_devices()), ("rows",))

    def elsewhere() -> None:
        with ifru_jax.on_mesh(here):
            ifru_jax.Trained.of(small.MODELS["mf"], trained.params, split.train)

    said["refused"] = refused(
        lambda: ifru_jax.unlearn(trained, users=[user], config=ifru_jax.IFRUConfig(scope=())),
        lambda: ifru_jax.unlearn(trained, users=[user], config=ifru_jax.IFRUConfig(spillover="neighbourhood")),
        lambda: ifru_jax.save(trained, f"{folder}/one.npz"),
        lambda: ifru_jax.balanced(split, 2),
        lambda: ifru_jax.fit(jax.random.key(0), small.MODELS["mf"], split, config=small.CONFIG, progress=False),
        elsewhere,
        lambda: ifru_jax.unlearn(trained, ifru_jax.ForgetRequest(pairs=np.array([[left.users[0], others[0]]]))),
        lambda: ifru_jax.unlearn(trained, ifru_jax.ForgetRequest(items=np.array([30]))),
        lambda: ifru_jax.unlearn(trained, users=[user], corrected=[(user, item, 0.5)]),
        lambda: ifru_jax.unlearn(trained, ifru_jax.ForgetRequest(users=np.unique(left.users))),
        lambda: ifru_jax.unlearn(trained, users=[user], config=ifru_jax.IFRUConfig(max_share=0.001)),
        lambda: ifru_jax.stream_split(f"{folder}/data", f"{folder}/into", mesh=mesh, label_above=9),
    )
    split = ifru_jax.stream_split(f"{folder}/tiny", f"{folder}/into-tiny", mesh=mesh, shares=(1, 0, 0))
    said["tiny"] = len(split.train)
    with ifru_jax.on_mesh(mesh):
        trained = small.fitted_to(split.train)
        trained, _ = ifru_jax.unlearn(trained, interactions=[(1, 3)])
        ifru_jax.save(trained, f"{folder}/tiny-left", sharded=True)
        trained, _ = ifru_jax.unlearn(ifru_jax.load(f"{folder}/tiny-left"), items=[1], config=small.AT_ONCE)
    ifru_jax.save(trained, f"{folder}/tiny-left", sharded=True)
    sys.stdout.write(json.dumps(said, default=float) + "\n")
