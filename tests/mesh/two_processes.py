"""One of two processes that train a model together, each with two devices, over the loopback address.

    python two_processes.py FOLDER PORT NUMBER

Writes FOLDER/fit.npz and FOLDER/left.npz, which the first process does, and prints the evaluation as JSON.
"""

import json
import sys

import jax
import small

import ifru_jax

if __name__ == "__main__":
    folder, port, number = sys.argv[1:]
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(number), initialization_timeout=60)
    assert len(jax.local_devices()) < jax.device_count()
    with ifru_jax.on_mesh(jax.make_mesh((jax.device_count(),), ("rows",))):
        trained = small.fitted("mf")
    ifru_jax.save(trained, f"{folder}/fit.npz")
    split = small.split()
    for request in ("users", "confined"):
        trained, report = ifru_jax.unlearn(trained, **small.requests(split.train)[request])
    ifru_jax.save(trained, f"{folder}/left.npz")
    sys.stdout.write(json.dumps({"evaluation": ifru_jax.evaluate(trained, split.test), "norm": report.norm_step}) + "\n")
