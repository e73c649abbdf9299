"""What devices send one another in a product with the Hessian and in a step of training, read from the compiled programs.

    IFRU_JAX_DATA=DIR python -m experiments.studies.sharding

Compiles for 2 to 16 virtual devices on the processor, and runs nothing; a few minutes. Rows are `balanced`. Writes
experiments/results/sharding.json, from which `python -m experiments.tables` fills docs/devices.md. A line holds bytes that one
device sends in one product and in one minibatch, what the bound of two exchanges of its item rows would be, the largest array that
any program gathers, and the memory of a product on a device and on one alone.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from experiments import RESULTS
from experiments.reporting.records import environment
from experiments.run.command_line import command
from experiments.run.progress import telling
from ifru_jax.data import Interactions, balanced, load_dataset
from ifru_jax.data.synthetic import synthetic
from ifru_jax.files import target_of, write_atomic
from ifru_jax.graph import Batch, Examples
from ifru_jax.models import Params, Recommender, lightgcn, mf
from ifru_jax.sparse import MeshEdges, on_mesh
from ifru_jax.training import Objective, Trained

PATH = RESULTS / "sharding.json"
DEVICES = (2, 4, 8, 16)
# Per device, where the data grows with the devices.
USERS, ITEMS, INTERACTIONS = 4000, 2000, 100_000
EMBEDDING_SIZE, BATCH_SIZE = 64, 2048

_COLLECTIVE = re.compile(r"= (.+?) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(")
_ARRAY = re.compile(r"([a-z]+)(\d+)\[([\d,]*)\]")


class Collective(NamedTuple):
    """An operation between devices.

    Attributes:
      kind: its name in XLA.
      size: bytes of its result on a device.
      where: the operations of the program that it came from.
    """

    kind: str
    size: int
    where: str

    @property
    def looped(self) -> bool:
        """Whether it is in the body of a loop: in a product, not in what is shared by products."""
        return "while/body" in self.where

    def sent(self, devices: int) -> float:
        """Bytes that a device sends: in an all-to-all a part to each other, in an all-reduce over a ring that twice."""
        others = (devices - 1) / devices
        return self.size * others * (2 if self.kind == "all-reduce" else 1)


def collectives(text: str) -> list[Collective]:
    """Those of a compiled program, in the text that XLA gives of it."""
    found = []
    for line in text.splitlines():
        if operation := _COLLECTIVE.search(line):
            size = sum(
                int(bits) // 8 * int(np.prod([int(n) for n in shape.split(",") if n], dtype=np.int64))
                for _, bits, shape in _ARRAY.findall(operation[1])
            )
            where = re.search(r'op_name="([^"]*)"', line)
            found.append(Collective(operation[2], size, where[1] if where else ""))
    return found


@jax.jit
def products(objective: Objective, params: Params, batch: Batch, direction: Params) -> Params:
    """Several products with the Hessian, one after the other."""
    product = objective.hessian_product(params, batch)
    return jax.lax.fori_loop(0, 3, lambda _, v: product(v), direction)


@jax.jit
def minibatch(objective: Objective, params: Params, data: Batch, which: jax.Array) -> Params:
    """A step along the gradient of some interactions."""
    pairs, labels = data.examples.at(which)
    batch = Batch(Examples(pairs, labels, jnp.ones_like(labels)), data.graph)
    gradient = jax.grad(partial(objective.minibatch, size=len(labels)))(params, batch)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)


def compiled(trained: Trained) -> tuple[Any, Any]:
    """The two programs on the devices of a model."""
    arguments = trained.objective, trained.params, trained.batch
    which = np.arange(BATCH_SIZE, dtype=np.int32)
    return products.lower(*arguments, trained.params).compile(), minibatch.lower(*arguments, which).compile()


def memory(program: Any) -> int:
    """Bytes of a device: what comes in and what is made."""
    sizes = program.memory_analysis()
    return sizes.argument_size_in_bytes + sizes.temp_size_in_bytes


def untrained(model: Recommender, data: Interactions, mesh: Mesh | None) -> Trained:
    """A model that was not trained, for its shapes."""
    with on_mesh(mesh):
        shapes = jax.eval_shape(lambda key: model.init(key, data.num_users, data.num_items), jax.random.key(0))
        return Trained.of(model, {name: np.zeros(of.shape, of.dtype) for name, of in shapes.items()}, data)


def measured(model: Recommender, data: Interactions, devices: int) -> dict[str, Any]:
    """A line of the table."""
    mesh = Mesh(np.array(jax.devices()[:devices]), ("rows",))
    over = untrained(model, balanced(data, devices), mesh)
    product, step = compiled(over)
    alone, _ = compiled(untrained(model, data, None))
    pattern = over.training_set.placed
    assert isinstance(pattern, MeshEdges)
    bounds, items = np.asarray(pattern.starts), over.interactions.items
    touched = [len(np.unique(items[a:b])) for a, b in pairwise(bounds)]
    between = {name: collectives(of.as_text()) for name, of in (("product", product), ("step", step))}
    in_product = [one for one in between["product"] if one.looped]
    gathered = [one.size for one in (*between["product"], *between["step"]) if one.kind == "all-gather"]
    return {
        "users": data.num_users,
        "items": data.num_items,
        "interactions": len(data),
        "devices": devices,
        "embedding_size": EMBEDDING_SIZE,
        "most interactions": int(np.diff(bounds).max()),
        "item rows": [min(touched), max(touched)],
        "exchanges": sum(one.kind == "all-to-all" for one in in_product),
        "sent in a product": sum(one.sent(devices) for one in in_product),
        "two exchanges": 2 * min(touched) * EMBEDDING_SIZE * over.params["item_embedding"].dtype.itemsize,
        "sent in a step": sum(one.sent(devices) for one in between["step"]),
        "gathered": max(gathered, default=0),
        "memory": memory(product),
        "memory of one": memory(alone),
    }


def lines() -> Iterator[dict[str, Any]]:
    """All that is measured."""
    models = {"mf": mf(embedding_size=EMBEDDING_SIZE), "lightgcn": lightgcn(embedding_size=EMBEDDING_SIZE)}
    for name in ("ml-1m", "gowalla"):
        data = load_dataset(name).interactions
        data = data.with_labels(np.ones(len(data))) if name == "gowalla" else data.with_labels((data.labels > 3).astype(np.float32))
        for model, devices in ((model, devices) for model in models for devices in DEVICES):
            yield {"data": name, "model": model, **measured(models[model], data, devices)}
    for devices in DEVICES:
        data = synthetic(USERS * devices, ITEMS * devices, INTERACTIONS * devices, like="gowalla")
        yield {"data": "made up", "model": "mf", **measured(models["mf"], data, devices)}


def sharding(out: Path = PATH) -> None:
    """Compiles and writes.

    Args:
      out: the file.
    """
    target_of(out)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", max(DEVICES))
    found = []
    with telling() as tell:
        for line in lines():
            tell(f"{line['data']} {line['model']} {line['devices']} devices")
            found.append(line)
    write_atomic(out, json.dumps({"environment": environment(), "lines": found}, indent=1) + "\n")


if __name__ == "__main__":
    command(sharding, __doc__)
