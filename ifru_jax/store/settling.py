"""Back and forth: quick answers settled by one whole step from the state before them, and steps undone."""

from dataclasses import asdict

from ifru_jax.errors import DataError
from ifru_jax.store import commit, database, lines, models, moments
from ifru_jax.store.answers import Answer
from ifru_jax.store.commit import Entry
from ifru_jax.store.opened import Opened
from ifru_jax.store.states import State
from ifru_jax.store.verifying import difference_as_request
from ifru_jax.training import Trained
from ifru_jax.unlearning.unsettled import apart, size


def settle(store: Opened, *, triggered: bool = False) -> Answer:
    """See `Store.settle`; `triggered` is by a budget that is spent."""
    basis, state = store.basis, store.state
    if basis is None:
        raise DataError("nothing is to be settled: every answer was a whole step.")
    before, quick = models.by_influence(basis.model), models.by_influence(state.model)
    request = difference_as_request(before.interactions, quick.interactions)
    found, report, of_step = models.whole_step(before, request, store.config)
    model = models.by_influence(models.stopped_by(found, state.valid))
    after = State(model, valid=state.valid, test=state.test)
    content = {
        "error": error(quick, model, before),
        "distance": apart(quick, model) / size(model),
        "triggered": triggered,
        **of_step,
        **lines.evidence(report),
        "counts": lines.sizes(after),
        "config": asdict(store.config) if store.config else models.hyper_parameters(model),
        "versions": lines.versions(),
    }
    line = store.step(after, Entry("settle", content))
    return Answer(line.number, "settle", report=report, spent=store.spent)


def error(quick: Trained, settled: Trained, before: Trained) -> float | None:
    """‖θ_quick − θ_settled‖ / ‖θ_settled − θ_before‖: 0 where they are the same, 1 where the other rows would have moved as far as
    all did; None where the whole step moved nothing."""
    moved = apart(before, settled)
    return apart(quick, settled) / moved if moved else None


def undo(store: Opened) -> Answer:
    """See `Store.undo`."""
    commit.tidy(store.folder, store.key)
    with database.reading(store.folder) as connection:
        kept = commit.sealed(connection)
    kept = [one for one in kept if one.until is not None and one.until > moments.now()]
    if not kept:
        kept_at_all = float(store.fact("grace")) > 0
        why = "no step is within its grace period" if kept_at_all else "the store keeps no state before a step (grace)"
        raise DataError(f"nothing can be undone: {why}.")
    last = kept[0]
    line = commit.back(store.folder, last, Entry("undo", {"undoes": last.undoes, "versions": lines.versions()}), key=store.key)
    return Answer(line.number, "undo", spent=store.spent)
