"""What a step may do to shared weights: parameters that are no tables, on which every interaction depends.

    δ = E M^-½ z,   z = f(M^-½ Eᵀ H E M^-½) M^-½ Eᵀ b

with M the metric of E, and E the coordinates that may change: of all parameters, of the tables and some of the others, or of the
tables and a subspace R (orthonormal, p × r) of the shared weights. What is frozen stays, and H is that of a function of the rest
alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ifru_jax.errors import ModelError
from ifru_jax.models import Params, Recommender
from ifru_jax.unlearning.config import IFRUConfig

# The name of the coordinates in the subspace among the parameters; no parameter has an empty name.
COORDINATES = ""


class Coordinates(NamedTuple):
    """E and Eᵀ, between the parameters that may change and the unknowns of the solve."""

    expand: Callable[[Params], Params]
    reduce: Callable[[Params], Params]


def free_parameters(model: Recommender, params: Params, config: IFRUConfig) -> tuple[str, ...]:
    """Names of the parameters that may change, tables first.

    Raises:
      ModelError: `config.shared` names what is no shared parameter of the model.
    """
    tables = [name for name in params if name in model.tables]
    others = [name for name in params if name not in model.tables]
    if config.shared in ("update", "subspace"):
        return (*tables, *others)
    chosen: set[str] = set()
    for wanted in () if config.shared == "freeze" else config.shared:
        named = {name for name in others if name == wanted or name.startswith(f"{wanted}/")}
        if not named:
            raise ModelError(f"shared names {wanted!r}, but the shared parameters are {', '.join(others) or 'none'}: correct it.")
        chosen |= named
    return (*tables, *(name for name in others if name in chosen))


def followers(model: Recommender, params: Params) -> tuple[Params, Params]:
    """The parameters that follow the record of a training, and those that are held meanwhile: its tables and its shared weights;
    all of them and none where a model has no tables.
    """
    if not model.tables:
        return params, {}
    return {name: params[name] for name in model.tables}, {n: value for n, value in params.items() if n not in model.tables}


def coordinates(model: Recommender, free: Params, config: IFRUConfig) -> Coordinates:
    """The unknowns of the solve for the parameters that are `free`; its tables may have fewer rows than the model's."""
    shared = {name: value for name, value in free.items() if name not in model.tables}
    if config.shared != "subspace" or not shared:
        return Coordinates(lambda z: z, lambda v: v)
    flat, unravel = ravel_pytree(shared)
    basis = random_subspace(len(flat), config.shared_rank, flat.dtype)

    def expand(z: Params) -> Params:
        return {name: value for name, value in z.items() if name != COORDINATES} | unravel(basis @ z[COORDINATES])

    def reduce(v: Params) -> Params:
        rows = {name: value for name, value in v.items() if name not in shared}
        return rows | {COORDINATES: basis.T @ ravel_pytree({name: v[name] for name in shared})[0]}

    return Coordinates(expand, reduce)


def random_subspace(size: int, rank: int, dtype: jnp.dtype) -> jax.Array:
    """R [size, min(rank, size)], orthonormal columns; the same each time, so that requests one after the other share it."""
    draw = jax.random.normal(jax.random.key(0), (size, min(rank, size)), dtype)
    return jnp.linalg.qr(draw)[0]
