"""Between the host and the device: the one place where arrays are put there, and read back.

Both ways are explicit, so that a request runs under `jax.transfer_guard("disallow")`.
"""

from typing import Any

import jax
import numpy as np


def on_device(tree: Any) -> Any:
    """The same arrays on the default device; those that are there stay as they are."""
    return jax.device_put(tree)


def on_host(tree: Any) -> Any:
    """The same arrays where NumPy can read them; all are asked for before the first is waited for, and memory that is shared isn't
    copied.
    """
    if any(on_accelerator(leaf) for leaf in jax.tree.leaves(tree)):
        return jax.device_get(tree)
    return jax.tree.map(np.asarray, tree)


def on_accelerator(array: Any) -> bool:
    """Whether an array is in a memory that is not the host's: there, what can be computed is not sent."""
    return isinstance(array, jax.Array) and any(device.platform != "cpu" for device in array.devices())
