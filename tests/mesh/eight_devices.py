"""Over eight virtual devices what is computed on one: a process of its own, since a process has its devices from the beginning.

    python eight_devices.py FOLDER MODEL

Prints one line of JSON per check, {"check", "error", ...}; `test_eight_devices.py` says what they have to be.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import small
from jax.sharding import Mesh

import ifru_jax
from experiments.studies.sharding import EMBEDDING_SIZE, measured
from ifru_jax.data.synthetic import synthetic
from ifru_jax.models import mf

compiled: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: compiled.append(event) if event.endswith("backend_compile_duration") else None
)


def apart(one: ifru_jax.Trained, many: ifru_jax.Trained) -> float:
    return float(np.abs(small.parameters(one) - small.parameters(many)).max())


def blocks(trained: ifru_jax.Trained) -> list[int]:
    """Rows that each device holds of each table."""
    return sorted({shard.data.shape[0] for leaf in trained.params.values() for shard in leaf.addressable_shards})


def restored_from(shards: Path, *, one: ifru_jax.Trained) -> dict:
    """How far a model that is read from a folder is from what was saved, with its record, on one, two and eight devices."""
    found, rows = [ifru_jax.load(shards)], []
    for devices in (2, 8):
        with ifru_jax.on_mesh(Mesh(np.array(jax.devices()[:devices]), ("x",))):
            found.append(ifru_jax.load(shards))
        rows.append(blocks(found[-1]))
    whole = [small.everything(model) for model in (one, *found)]
    return {"error": max(float(np.abs(whole[0] - other).max()) for other in whole[1:]), "rows": rows}


def whole(trained: ifru_jax.Trained) -> list[str]:
    """Parameters that every device has all of."""
    return sorted(name for name, leaf in trained.params.items() if leaf.sharding.is_fully_replicated)


def checks(name: str, folder: Path) -> Iterator[dict]:
    mesh, split = jax.make_mesh((4, 2), ("data", "rows")), small.split()
    one = small.given(name)
    with ifru_jax.on_mesh(mesh):
        many = small.given(name)
    yield {"check": "given", "error": apart(one, many), "blocks": blocks(many)}
    for what, request in small.requests(split.train).items():
        (left, report), (also, as_well) = (ifru_jax.unlearn(model, **request) for model in (one, many))
        same = (report.forgotten, report.corrected, report.cleared_users, report.scope, report.status) == (
            as_well.forgotten,
            as_well.corrected,
            as_well.cleared_users,
            as_well.scope,
            as_well.status,
        )
        yield {"check": what, "error": apart(left, also), "same report": same, "parts": report.parts, "blocks": blocks(also)}

    before = len(compiled)
    ifru_jax.unlearn(many, users=[split.train.user_ids[20]])
    yield {"check": "again", "compiled": len(compiled) - before}

    ours, theirs = ifru_jax.evaluate(one, split.test), ifru_jax.evaluate(many, split.test)
    yield {"check": "evaluation", "error": max(abs(ours[figure] - theirs[figure]) for figure in ours)}
    # Longer lists than the items of a device.
    ours, theirs = (ifru_jax.recommend(model, k=40) for model in (one, many))
    same = all([item for item, _ in ours[user]] == [item for item, _ in theirs[user]] for user in ours)
    yield {"check": "lists", "same": same and list(ours) == list(theirs)}
    grids = [np.asarray(model.score_grid(np.arange(7))) for model in (one, many)]
    yield {"check": "grid", "error": float(np.abs(grids[0] - grids[1]).max())}

    yield {"check": "traffic", **measured(mf(embedding_size=EMBEDDING_SIZE), synthetic(4000, 1600, 80_000, like="gowalla"), 8)}

    one = small.fitted(name)
    with ifru_jax.on_mesh(mesh):
        many = small.fitted(name)
    yield {"check": "fit", "error": apart(one, many), "blocks": blocks(many), "segments": len(many.record.segments)}
    request = small.requests(split.train)["users"]
    (one, report), (many, as_well) = (ifru_jax.unlearn(model, **request) for model in (one, many))
    yield {"check": "along", "error": apart(one, many), "same report": report.scope == as_well.scope}

    files = [folder / f"{name}-{devices}.npz" for devices in (1, 8)]
    for model, file in zip((one, many), files, strict=True):
        ifru_jax.save(model, file)
    shapes = [{key: array.shape for key, array in np.load(file).items()} for file in files]
    restored = ifru_jax.load(files[1])
    with ifru_jax.on_mesh(Mesh(np.array(jax.devices()[:3]), ("x",))):
        on_three = ifru_jax.load(files[1])
    yield {"check": "restored", "error": max(apart(one, restored), apart(one, on_three)), "same shapes": shapes[0] == shapes[1]}

    shards = folder / f"{name}-shards"
    ifru_jax.save(many, shards, sharded=True)
    yield {"check": "shards", **restored_from(shards, one=many)}
    # An older model in its place, from other devices.
    ifru_jax.save(on_three, shards, sharded=True)
    yield {"check": "shards of three", **restored_from(shards, one=on_three)}

    later = {"interactions": small.named(one.interactions, slice(7, 9))}
    one, restored, on_three = (ifru_jax.unlearn(model, **later)[0] for model in (one, restored, on_three))
    yield {"check": "after", "error": max(apart(one, restored), apart(one, on_three)), "blocks": blocks(on_three)}

    if name == "mf":
        for check, model, sparse in (("rows alone", "mf", True), ("shared", "neumf", False)):
            one = small.fitted(model, sparse=sparse, record=0, epochs=1)
            with ifru_jax.on_mesh(mesh):
                many = small.fitted(model, sparse=sparse, record=0, epochs=1)
            yield {"check": check, "error": apart(one, many), "whole": whole(many)}
        (one, _), (many, _) = (ifru_jax.unlearn(model, **request) for model in (one, many))
        yield {"check": "shared, forgotten", "error": apart(one, many), "whole": whole(many)}
        one = small.of_all_pairs()
        with ifru_jax.on_mesh(mesh):
            many = small.of_all_pairs()
        (one, _), (many, _) = (ifru_jax.unlearn(model, users=request["users"][:1]) for model in (one, many))
        yield {"check": "all pairs, forgotten", "error": apart(one, many), "whole": whole(many)}


if __name__ == "__main__":
    began = time.perf_counter()
    for found in checks(sys.argv[2], Path(sys.argv[1])):
        sys.stdout.write(json.dumps(found | {"seconds": time.perf_counter() - began}) + "\n")
        sys.stdout.flush()
        began = time.perf_counter()
