"""Tables that hold users and items together, with offsets and padding rows, cut into tables of one side and put together again.

    E = [padding; users; padding; items]        declared as ("embedding": (1, "user", "item")), numbers being rows of nobody

The parameters of the recommender are the parts, "embedding/user" and "embedding/item", so that rows of the forgotten are found; the
module is given E, whose offsets it takes from `num_users` and `num_items` as ever.

>>> parts = cut({"embedding": np.arange(6.0)}, (("embedding", (1, "user", "item")),), {"user": 2, "item": 3})
>>> {name: value.tolist() for name, value in parts.items()}
{'embedding/padding0': [0.0], 'embedding/user': [1.0, 2.0], 'embedding/item': [3.0, 4.0, 5.0]}
>>> joined(parts, (("embedding", (1, "user", "item")),))["embedding"].tolist()
[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from ifru_jax.errors import ModelError
from ifru_jax.models.recommender import Params, Side

Layout = tuple[Side | int, ...]
"""What a joint table holds from its first row on: a side, or a number of rows that are nobody's."""
JointTables = tuple[tuple[str, Layout], ...]


def as_joint(given: Mapping[str, Layout] | JointTables) -> JointTables:
    """Sorted and hashable.

    Raises:
      ModelError: a layout that holds a side twice or none, or anything else.
    """
    found = tuple(sorted((name, tuple(layout)) for name, layout in dict(given).items()))
    for name, layout in found:
        sides = [part for part in layout if isinstance(part, str)]
        rows = [part for part in layout if not isinstance(part, str)]
        if not sides or len(set(sides)) < len(sides) or set(sides) - {"user", "item"} or any(n != int(n) or n < 1 for n in rows):
            raise ModelError(
                f"the joint table {name!r} is declared as {layout}: give its sides in their order, each once, and numbers of rows "
                'that are nobody\'s, such as (1, "user", "item").'
            )
    return found


def joint_sides(joint: JointTables) -> dict[str, Side]:
    """The tables that the joint ones are cut into."""
    return {f"{name}/{part}": part for name, layout in joint for part in layout if isinstance(part, str)}


def cut(params: Params, joint: JointTables, sizes: Mapping[Side, int]) -> Params:
    """The parts of joint tables in their place, other parameters as they are.

    Raises:
      ModelError: no such parameter, or one with another number of rows.
    """
    found = {name: value for name, value in params.items() if name not in dict(joint)}
    for name, layout in joint:
        rows = [sizes[part] if isinstance(part, str) else part for part in layout]
        if name not in params or params[name].shape[:1] != (sum(rows),):
            shape = params[name].shape if name in params else "no such parameter"
            raise ModelError(
                f"{name!r} is declared a joint table {layout} of {sum(rows)} rows, but the module has {shape}: correct it."
            )
        found |= dict(zip(_names(name, layout), jnp.split(params[name], np.cumsum(rows)[:-1]), strict=True))
    return found


def joined(params: Params, joint: JointTables) -> Params:
    """The parameters as the module has them."""
    found = dict(params)
    for name, layout in joint:
        found[name] = jnp.concatenate([found.pop(part) for part in _names(name, layout)])
    return found


def _names(name: str, layout: Layout) -> list[str]:
    return [f"{name}/{part}" if isinstance(part, str) else f"{name}/padding{place}" for place, part in enumerate(layout)]
