"""What a store holds: models that forget by influence, and exact ones. Where the two differ, it is here that they do.

An exact model answers every request at once and for good. So it is never quick, has nothing to settle, and drifts nowhere; all else
of a store is about interactions, which both have.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ifru_jax.api import unlearn
from ifru_jax.baselines import retrain
from ifru_jax.checkpoint import load, save
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.numbering import Order
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, check_kind
from ifru_jax.exact import ExactModel
from ifru_jax.exact import load as load_exact
from ifru_jax.exact import save as save_exact
from ifru_jax.exact.files import is_exact
from ifru_jax.exact.observed import check_positive
from ifru_jax.models import Scorer, Side, describe_model
from ifru_jax.status import Status
from ifru_jax.training import Trained
from ifru_jax.unlearning import IFRUConfig, Prepared, Report, compaction, prepare, with_linearity
from ifru_jax.unlearning.in_parts import most_at_once
from ifru_jax.unlearning.linearity import VALIDATED_SHARE
from ifru_jax.unlearning.unsettled import gradient_size

Model = Trained | ExactModel


def checked(model: Model) -> Model:
    """The model.

    Raises:
      DataError: it is none that a store holds.
    """
    check_kind("trained", model, (Trained, ExactModel), "give what fit, load or unlearn returned; a file is read by load")
    return model


def by_influence(model: Model) -> Trained:
    """One that quick answers can be given of.

    Raises:
      DataError: an exact model.
    """
    if isinstance(model, ExactModel):
        raise DataError(f"{model!r} answers exactly and at once: nothing is quick, and nothing is to be settled.")
    return model


def shuffled(model: Model, rng: np.random.Generator) -> tuple[Model, Order]:
    """The same model with users and items in random order, ready for requests, and the order."""
    if isinstance(model, Trained):
        return compaction.shuffled(prepare(model), rng)
    order = rng.permutation(model.interactions.num_users), rng.permutation(model.interactions.num_items)
    return model.in_rows(order), order


def compact(model: Model, rng: np.random.Generator) -> tuple[Model, Order]:
    """The model without the rows that have no data, and the rows that are left in their order; see `unlearning.compaction`."""
    if isinstance(model, Trained):
        return compaction.compact(model, rng)
    degrees = model.interactions.user_degrees(), model.interactions.item_degrees()
    order = rng.permutation(np.flatnonzero(degrees[0])), rng.permutation(np.flatnonzero(degrees[1]))
    return model.in_rows(order), order


def write(model: Model, path: Path, *, for_serving: bool = False) -> None:
    """Into a file that `ifru_jax.load`, or `ifru_jax.exact.load`, reads."""
    if isinstance(model, ExactModel):
        save_exact(model, path)
    else:
        save(model, path, for_serving=for_serving)


def read(path: Path, **given: Any) -> Model:
    """What `write` wrote; model and loss as in `load`."""
    return load_exact(path) if is_exact(path) else load(path, **given)


def given(model: Model) -> dict[str, Any]:
    """What a file may not hold, by the names of `load`."""
    return {} if isinstance(model, ExactModel) else {"model": model.model, "loss": model.loss}


def described(model: Model) -> dict[str, Any]:
    """What the first line of the journal says of it."""
    if isinstance(model, ExactModel):
        return {"model": {"exact": type(model.method).__name__, **hyper_parameters(model)}}
    return {"model": describe_model(model.model), "gradient": gradient_size(prepare(model))}


def hyper_parameters(model: Model) -> dict[str, Any]:
    """How it answers."""
    if isinstance(model, ExactModel):
        return asdict(model.method)  # type: ignore[call-overload]
    return asdict(model.step if isinstance(model, Prepared) else IFRUConfig())


def unlearned(model: Model, request: ForgetRequest, config: IFRUConfig | None) -> tuple[Model, Report]:
    """The model without what a request names, by a whole step.

    Raises:
      DataError: a configuration for an exact model, or as `unlearn`.
    """
    if isinstance(model, Trained):
        return unlearn(model, request, config=config or IFRUConfig())  # and not as a quick answer was given
    if config is not None:
        raise DataError(f"config is given, but {model!r} forgets exactly: its hyper-parameters say how.")
    return unlearn(model, request)


def whole_step(model: Model, request: ForgetRequest, config: IFRUConfig | None) -> tuple[Model, Report, dict[str, Any]]:
    """`unlearned`, and what the line of the journal says of how well the step did."""
    found, report = unlearned(model, request, config)
    if not (isinstance(model, Trained) and isinstance(found, Prepared)) or report.status == Status.NOTHING_TO_FORGET:
        return found, report, {}
    report = report if report.linearity else with_linearity(report, model, found)
    return found, report, {"gradient": gradient_size(found)}


def held_out(model: Model) -> Interactions | None:
    """What stopped its training, of which its record has the interactions; None where it has none."""
    if not isinstance(model, Trained) or model.record is None or not len(model.record.valid):
        return None
    valid = model.record.valid
    columns = {name: getattr(valid, name) for name in ("users", "items", "labels", "groups", "observed")}
    return replace(model.interactions, timestamps=None, **columns)


def stopped_by(model: Model, valid: Interactions | None) -> Model:
    """The model, whose record knows no other interactions that stopped its training than these, with the labels they have here."""
    if not isinstance(model, Trained) or model.record is None or valid is None:
        return model
    return model.with_record(model.record.stopped_by(valid))


def check_label(model: Model, label: float) -> None:
    """Refuses a label that the model can't be trained with; a loss that compares interactions takes any.

    Raises:
      DataError: tells what it takes.
    """
    if isinstance(model, Trained) and model.loss.grouped:
        return
    one = model.interactions.select(np.zeros(1, np.int64)).with_labels(np.array([label], np.float32))
    if isinstance(model, ExactModel):
        check_positive(one)
    else:
        model.loss.check(one)


def hops(model: Model) -> int:
    """How many edges away an interaction can change a score."""
    return model.model.num_hops if isinstance(model, Trained) else 0


def advice(model: Model, touched: int, config: IFRUConfig | None, status: str) -> str:
    """What to do about a request for so many interactions; empty where one step is right."""
    if isinstance(model, ExactModel):
        return ""
    step, size = config or IFRUConfig(), len(model.interactions)
    if touched > VALIDATED_SHARE * size or status == "RETRAIN_INSTEAD":
        return "retrain instead: this is more than any request that was compared with retraining, or the step does not hold."
    if touched > most_at_once(size, step.max_share):
        return f"it is taken in parts of {step.max_share:.0%} of the interactions each."
    return ""


def retrained(key: jax.Array, model: Model, request: ForgetRequest, valid: Interactions, *, seeds: int) -> list[Scorer]:
    """Models that were trained without what a request names.

    Raises:
      DataError: a model whose training has nothing random in it.
    """
    if isinstance(model, Trained):
        return [*retrain(key, model, request, valid, seeds=seeds)]
    if not model.method.random:
        raise DataError(f"a training of {model!r} ends where its requests do, to rounding: there is nothing to compare.")
    rest = request.applied(model.interactions)
    nothing = rest.select(np.zeros(0, np.int64))
    return [model.method.fit(one, Split(rest, nothing, nothing)) for one in jax.random.split(key, seeds)]


def tables(model: Model) -> dict[str, tuple[Side, np.ndarray]]:
    """Whose rows each table has, and the table, by name."""
    if isinstance(model, ExactModel):
        return {name: (side, model.arrays()[name]) for name, side in model.tables.items() if name in model.arrays()}
    return {name: (side, np.asarray(model.params[name])) for name, side in model.model.tables.items()}
