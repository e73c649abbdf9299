"""One of two processes that train a model together, each with two devices, over the loopback address.

    python two_processes.py FOLDER PORT NUMBER

Writes FOLDER/fit.npz and FOLDER/left.npz, which the first process does, and FOLDER/shards, which both do, and prints the evaluation
and what became of the folder as JSON.
"""

import json
import sys

import jax
import numpy as np
import small

import ifru_jax

if __name__ == "__main__":
    folder, port, number = sys.argv[1:]
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(number), initialization_timeout=60)
    assert len(jax.local_devices()) < jax.device_count()
    mesh = jax.make_mesh((jax.device_count(),), ("rows",))
    with ifru_jax.on_mesh(mesh):
        trained = small.fitted("mf")
    ifru_jax.save(trained, f"{folder}/fit.npz")
    ifru_jax.save(trained, f"{folder}/shards", sharded=True)
    with ifru_jax.on_mesh(mesh):
        together = ifru_jax.load(f"{folder}/shards")
    alone = ifru_jax.load(f"{folder}/shards")
    same = all(np.array_equal(small.everything(trained), small.everything(one)) for one in (together, alone))
    split = small.split()
    for request in ("users", "confined"):
        trained, report = ifru_jax.unlearn(trained, **small.requests(split.train)[request])
    ifru_jax.save(trained, f"{folder}/left.npz")
    try:
        ifru_jax.save(alone, f"{folder}/alone", sharded=True)
    except ifru_jax.DataError as error:
        same = same and "over no mesh" in str(error)
    # What fails in the first process fails in both, and nobody waits for the other.
    try:
        ifru_jax.save(trained, f"{folder}/fit.npz", sharded=True)
    except ifru_jax.DataError as error:
        refused = str(error)
    said = {"evaluation": ifru_jax.evaluate(trained, split.test), "norm": report.norm_step, "same": same}
    sys.stdout.write(json.dumps(said | {"refused": refused}) + "\n")
