"""Frozen dataclasses as pytrees, which go into compiled functions as they are."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

import jax

Class = TypeVar("Class", bound=type)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def pytree(cls: Class) -> Class:
    """A frozen dataclass whose fields are children; `field(metadata={"static": True})` marks what is compiled for instead."""
    return jax.tree_util.register_dataclass(dataclass(frozen=True)(cls))
