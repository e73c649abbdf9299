"""Methods by the names that `--methods` takes. `original` and `retrain` are always run: everything is measured against them."""

from __future__ import annotations

from collections.abc import Callable

from ifru_jax.errors import DataError
from ifru_jax.models import Recommender
from ifru_jax.training import TrainConfig
from ifru_jax.unlearning import IFRU, IFRUConfig, Method

ALWAYS = ("original", "retrain")

# IFRU as it is meant to be used, and with one thing changed.
IFRU_VARIANTS: dict[str, IFRUConfig] = {
    "ifru": IFRUConfig(),
    "ifru-direct": IFRUConfig(spillover="none"),
    "ifru-endpoints": IFRUConfig(scope=()),
    "ifru-half-hop": IFRUConfig(scope=(0.5,)),
    "ifru-absolute": IFRUConfig(filter="absolute"),
    "ifru-gauss-newton": IFRUConfig(curvature="gauss-newton"),
    "ifru-cg": IFRUConfig(solver="cg", num_steps=50),
}


def build_method(name: str, model: Recommender, config: TrainConfig) -> Method:
    """The method of this name.

    Raises:
      DataError: an unknown name; the message lists the known ones.
    """
    builders: dict[str, Callable[[], Method]] = {
        variant: lambda options=options: IFRU(model, config, options) for variant, options in IFRU_VARIANTS.items()
    }
    if name not in builders:
        raise DataError(f"there is no method {name!r}: choose among {', '.join((*ALWAYS, *builders))}.")
    return builders[name]()
