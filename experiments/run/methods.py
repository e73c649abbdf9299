"""Methods by the names that `--methods` takes, one line each in `REGISTRY`.

`original` and `retrain` are always run: everything is measured against them. A line says how a method is built, where its state
before the request comes from, and, for one that works for as long as it is told to, how long that is in times of IFRU.
"""

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal

import jax

from ifru_jax import baselines
from ifru_jax.baselines import BudgetConfig, Finetune, GIFConfig, GradientAscent, IFRUAuthorsConfig
from ifru_jax.data import ForgetRequest, Interactions
from ifru_jax.errors import DataError, NotApplicable
from ifru_jax.models import Recommender
from ifru_jax.training import Loss, TrainConfig, bce
from ifru_jax.unlearning import IFRU, IFRUConfig, Method, Prepared, Report
from ifru_jax.unlearning.in_parts import forget_in_parts

ALWAYS = ("original", "retrain")
# Its seconds are the budget of the methods that have one.
PACEMAKER = "ifru"
# The published learning rates are one per data set; on other data the best of these by validation AUC is in their spirit.
AUTHORS_RATES = (1e2, 3e2, 1e3, 3e3, 1e4, 2e4)


@dataclass(frozen=True, eq=False)
class Context:
    """What a method may be built from.

    Attributes:
      model: the recommender.
      train_config: with which the original was trained, or what a method with shards trains these with.
      valid: validation interactions, as the original was stopped by.
      loss: of training.
      budget_seconds: for an entry with a budget, how long it may work on a request; else None.
      whole_config: with which the original was trained, whatever `train_config` is; None where they are one.
    """

    model: Recommender
    train_config: TrainConfig
    valid: Interactions
    loss: Loss = bce
    budget_seconds: float | None = None
    whole_config: TrainConfig | None = None


@dataclass(frozen=True)
class RegisteredMethod:
    """A method.

    Attributes:
      build: makes it. It may raise `NotApplicable`, as may the method: the comparison goes on and says why.
      start: where the state before the request comes from: the "trained" original, the same with what training on takes
        ("retraining"), or the method's "own" fit with the same key; then it also has its own yardsticks.
      tuned_as: the name under which the hyper-parameters of its own models were searched; "" for those of the original.
      budget: seconds it may work on a request, in units of the median of IFRU's `seconds.total`; None: it ends by itself.
    """

    build: Callable[[Context], Any]
    start: Literal["trained", "retraining", "own"] = "trained"
    budget: float | None = None
    tuned_as: str = ""


class Stream(IFRU):
    """IFRU on the result of IFRU: the request in ten parts, one after the other; seconds are of all parts together."""

    def forget(self, state: Prepared, request: ForgetRequest) -> tuple[Prepared, Report]:
        return forget_in_parts(state, request, 10, super().forget)


def _ifru(**options: Any) -> RegisteredMethod:
    return RegisteredMethod(lambda c: IFRU(c.model, c.train_config, IFRUConfig(**options)))


def _receraser(**options: Any) -> RegisteredMethod:
    def build(c: Context) -> Any:
        return baselines.RecEraser(c.model, c.train_config, loss=c.loss, whole_config=c.whole_config, **options)

    return RegisteredMethod(build, start="own", tuned_as="receraser")


def _timed(method: type[Finetune] | type[GradientAscent], times: float) -> RegisteredMethod:
    return RegisteredMethod(lambda c: method(c.model, c.train_config, BudgetConfig(seconds=c.budget_seconds)), budget=times)


def _authors(**options: Any) -> RegisteredMethod:
    config = IFRUAuthorsConfig(**options)
    return RegisteredMethod(lambda c: baselines.IFRUAuthors(c.model, c.train_config, valid=c.valid, config=config))


def _ifru_last_layer(context: Context) -> Any:
    """IFRU of the shared weights that the score is linear in alone."""
    model = context.model
    params = jax.eval_shape(lambda key: model.init(key, 1, 1), jax.random.key(0))
    names = tuple(name for name in params if name not in model.tables and name.endswith("output"))
    if not names:
        raise NotApplicable("the model has no last layer of shared weights.")
    return IFRU(model, context.train_config, IFRUConfig(shared=names))


REGISTRY: dict[str, RegisteredMethod] = {
    # IFRU as it is meant to be used, and with one thing changed.
    "ifru": _ifru(),
    # From the end of the training, as for a model without a record; those below change this one.
    "ifru-end": _ifru(follow=False),
    "ifru-direct": _ifru(spillover="none"),
    "ifru-endpoints": _ifru(scope=(), follow=False),
    "ifru-fifth-hop": _ifru(scope=(0.2,), follow=False),
    "ifru-half-hop": _ifru(scope=(0.5,), follow=False),
    "ifru-1-hop": _ifru(scope=(1.0,), follow=False),
    "ifru-2-half-hops": _ifru(scope=(0.5, 0.5), follow=False),
    "ifru-absolute": _ifru(filter="absolute"),
    "ifru-gauss-newton": _ifru(curvature="gauss-newton"),
    "ifru-no-metric": _ifru(metric_exponent=0.0),
    "ifru-one-step": _ifru(max_share=None),
    "ifru-cg": _ifru(solver="cg", num_steps=50),
    # Weights that every interaction touches: left alone, the last layer alone, within a random subspace.
    "ifru-freeze": _ifru(shared="freeze"),
    "ifru-last-layer": RegisteredMethod(_ifru_last_layer),
    "ifru-subspace": _ifru(shared="subspace"),
    "ifru-stream": RegisteredMethod(lambda c: Stream(c.model, c.train_config)),
    # Those that train again.
    "warm-retrain": RegisteredMethod(lambda c: baselines.WarmRetrain(c.model, c.train_config), start="retraining"),
    "sisa": RegisteredMethod(lambda c: baselines.SISA(c.model, c.train_config, loss=c.loss), start="own", tuned_as="sisa"),
    "receraser": _receraser(),
    "receraser-user": _receraser(by="user"),
    "receraser-item": _receraser(by="item"),
    # Those that change the trained parameters.
    "scif": RegisteredMethod(lambda c: baselines.SCIF(c.model, c.train_config)),
    "gif": RegisteredMethod(lambda c: baselines.GIF(c.model, c.train_config)),
    "gif-20": RegisteredMethod(lambda c: baselines.GIF(c.model, c.train_config, GIFConfig(num_iterations=20))),
    "gif-damped": RegisteredMethod(lambda c: baselines.GIF(c.model, c.train_config, GIFConfig(num_iterations=100, damping=None))),
    "gradient": RegisteredMethod(lambda c: baselines.Gradient(c.model, c.train_config)),
    "ifru-authors": _authors(),
    "ifru-authors-tuned": _authors(learning_rates=AUTHORS_RATES),
    "ifru-authors-swap": _authors(swap_graph=True),
    # Those that do so for a time.
    "finetune": _timed(Finetune, 1.0),
    "finetune-10x": _timed(Finetune, 10.0),
    "gradient-ascent": _timed(GradientAscent, 1.0),
    "gradient-ascent-10x": _timed(GradientAscent, 10.0),
}


def parse_methods(text: str) -> list[str]:
    """Names with commas between; each once.

    Raises:
      DataError: an unknown name; the message lists the known ones.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = (*ALWAYS, *REGISTRY)
    for name in names:
        if name not in known:
            raise DataError(f"there is no method {name!r}: choose among {', '.join(known)}.")
    return names


def describe_method(method: Method[Any]) -> dict[str, Any]:
    """Its options, for a record: those of its `config` and its own, without model, training and data."""
    found: dict[str, Any] = {}
    for name, value in vars(method).items():
        if name == "config" and is_dataclass(value):
            found |= vars(value)
        elif value is None or isinstance(value, bool | int | float | str):
            found[name] = value
    return found
