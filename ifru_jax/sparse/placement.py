"""From the host to the device: the one place where arrays are put there."""

from typing import Any

import jax


def on_device(tree: Any) -> Any:
    """The same arrays on the default device; those that are there stay as they are."""
    return jax.device_put(tree)


def on_accelerator(array: Any) -> bool:
    """Whether an array is in a memory that is not the host's: there, what can be computed is not sent."""
    return isinstance(array, jax.Array) and any(device.platform != "cpu" for device in array.devices())
