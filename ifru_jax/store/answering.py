"""A request is answered: every id looked up, a step on the rows concerned or on all, a line of the record."""

import warnings
from dataclasses import replace
from typing import Any

from ifru_jax.api import unlearn
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.present import Missing
from ifru_jax.errors import DataError, DataWarning, IfruError
from ifru_jax.exact import ExactModel
from ifru_jax.store import database, lines, models
from ifru_jax.store.answers import Answer
from ifru_jax.store.commit import Entry
from ifru_jax.store.coverage import factor
from ifru_jax.store.models import Model
from ifru_jax.store.opened import Opened
from ifru_jax.store.requests import Asked
from ifru_jax.store.resolve import Resolved, held_out_after, taken_along
from ifru_jax.store.settling import settle
from ifru_jax.store.states import State
from ifru_jax.store.verifying import difference_as_request
from ifru_jax.unlearning import IFRUConfig, Report
from ifru_jax.unlearning.unsettled import unsettled


def answer(store: Opened, kind: str, asked: Asked, *, missing: Missing, quick: bool) -> Answer:
    """Resolves, steps, records; see `Store.forget`."""
    resolved, state = store.resolved(asked), store.state
    quick = quick and not isinstance(state.model, ExactModel) and not _regroups(state.model, resolved.request)
    if missing == "error":
        _refuse_absent(resolved, known=store.key is not None)
    elsewhere = store.elsewhere
    content: dict[str, Any] = {
        "asked": {name: len(named) for name, named in vars(resolved.asked).items() if named},
        "answers": {found: len(resolved.of(found)) for found in ("there", "done already", "not in the data")},
        "elsewhere": elsewhere,
        "versions": lines.versions(),
    }
    if not len(resolved.everything):
        line = store.note(Entry(kind, content | {"tags": lines.tags(resolved, [])}))
        return Answer(line.number, kind, resolved.answers, elsewhere=elsewhere, spent=store.spent)
    model, report, of_step = _unlearned(store, state, resolved.request, quick=quick)
    before, after = state.model.interactions, model.interactions
    parts = {name: held_out_after(part, resolved.everything, after) for name, part in state.parts.items()}
    # The record of the training names them as well, that of the state before quick answers those that went meanwhile.
    found = State(models.stopped_by(model, parts.get("valid")), **parts)
    held_out = state.held_out - found.held_out
    with database.reading(store.folder) as connection:
        along = taken_along(before, after, resolved.request, store.tags(connection))
    content |= {
        "tags": lines.tags(resolved, along),
        "counts": {**lines.sizes(found), "held_out_gone": held_out},
        "config": models.hyper_parameters(model),
        "quick": quick,
        **of_step,
        **lines.evidence(report),
    }
    tags = [*content["tags"]["erased"], *along]
    line = store.step(found, Entry(kind, content, tags, quick), grace=float(store.fact("grace")))
    settled = _settled(store) if quick and store.spent.settle else None
    more = {"elsewhere": elsewhere, "spent": store.spent, "settled": settled}
    return Answer(line.number, kind, resolved.answers, report, held_out, line.content["undo_until"], **more)


def _settled(store: Opened) -> int | None:
    """The line that settled; the request is answered whether it could be settled or not."""
    try:
        return settle(store, triggered=True).number
    except (IfruError, OSError) as error:
        told = f"the request is answered and recorded, but quick answers could not be settled ({error}): settle them later."
        warnings.warn(told, DataWarning, stacklevel=4)
        return None


def _regroups(model: Model, request: ForgetRequest) -> bool:
    """Whether a request may change who of a group was observed: what later ones take couldn't be named in the state before."""
    return model.interactions.groups is not None and len(request.corrected) > 0


def _refuse_absent(resolved: Resolved, *, known: bool) -> None:
    """Refuses a request that names what is not there; `known` is whether what was erased before can be told."""
    absent = resolved.of("not in the data")
    if not absent:
        return
    # Whether a pair was erased is not what a correction asks.
    hint = " and was not erased before" if known and absent[0].kind != "correction" else ""
    more = f" ({len(absent)} such)" if len(absent) > 1 else ""
    raise DataError(
        f'{absent[0]} is not in the data{hint}{more}: nothing was done. With missing="report" '
        "the rest is done and this is recorded."
    )


def _unlearned(store: Opened, state: State, request: ForgetRequest, *, quick: bool) -> tuple[Model, Report, dict[str, Any]]:
    """The step on the rows concerned, or the whole one for all that is not settled; and what the line says of its error."""
    if quick:
        origin, times = store.origin, factor(store.lines)
        config = replace(store.config or IFRUConfig(), scope=(), follow=False)
        model, report = unlearn(models.by_influence(state.model), request, config=config)
        return model, report, {"distance": times * unsettled(origin, model).distance, "factor": times}
    basis = store.basis
    if basis is None:
        return models.whole_step(state.model, request, store.config)
    now, before = models.by_influence(state.model), models.by_influence(basis.model)
    change = now.resolved(request)
    every = difference_as_request(before.interactions, request.applied(now.interactions))
    model, report, of_step = models.whole_step(before, every, store.config)
    # The counts are those of this request.
    return model, replace(report, forgotten=len(change.forgotten), corrected=len(change.corrected)), of_step
