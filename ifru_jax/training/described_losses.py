"""Losses that ship by their names, and as what a file can hold of them."""

from dataclasses import asdict, fields
from typing import Any

from ifru_jax.training.all_pairs import AllPairs
from ifru_jax.training.decay import WithDecay
from ifru_jax.training.losses import BCE, BPR, WMSE, FullSoftmax, Loss, SampledSoftmax, Squares
from ifru_jax.training.per_user import PerUser

# By the name in `--objective` and in saved models.
LOSSES: dict[str, type[Loss]] = {"bce": BCE, "wmse": WMSE, "bpr": BPR, "softmax": SampledSoftmax, "full-softmax": FullSoftmax}

# Those that models from elsewhere were trained with.
_OTHERS: dict[str, type[Loss]] = {"all-pairs": AllPairs, "squares": Squares}
_DECAY, _PER_USER = "with-decay", "per-user"


def describe_loss(loss: Loss) -> dict[str, Any] | None:
    """Name and numbers of a loss that ships; None for any other, whose code a file can't hold."""
    if isinstance(loss, WithDecay):
        inner = describe_loss(loss.loss)
        return None if inner is None else {"name": _DECAY, "loss": inner, "reg": loss.reg}
    if isinstance(loss, PerUser):
        inner = describe_loss(loss.loss)
        return None if inner is None else {"name": _PER_USER, "loss": inner}
    name = next((name for name, kind in (LOSSES | _OTHERS).items() if kind is type(loss)), None)
    return None if name is None else {"name": name} | asdict(loss)  # pyright: ignore[reportArgumentType]


def loss_from_description(description: dict[str, Any] | str | None) -> Loss | None:
    """The loss that `describe_loss` described, or None if it does not ship; older files hold the name alone."""
    if description is None:
        return None
    options: dict[str, Any] = {"name": description} if isinstance(description, str) else dict(description)
    name = options.pop("name")
    if name in (_DECAY, _PER_USER):
        inner = loss_from_description(options["loss"])
        return None if inner is None else WithDecay(inner, options["reg"]) if name == _DECAY else PerUser(inner)
    kind = (LOSSES | _OTHERS).get(name)
    if kind is None:
        return None
    known = {field.name for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    return kind(**{name: value for name, value in options.items() if name in known})
