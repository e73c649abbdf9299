"""What may be computed before any request comes: the damping, from the spectrum of the whole problem, and what a model propagates
over the graph, now and along its training, where requests are confined.

    λ_floor = |t_min(H̃)| / c,   c as in `solvers.spectral`

1/λ stands for how long the model was trained, which is a property of the model, not of a request: a small request sees few
directions, and the spectrum on them alone would damp too little. The floor comes from m Lanczos steps on all rows, started from the
gradient of the loss; every request is damped at least that much, so that requests one by one add up to the same as all at once.
"""

from copy import copy
from dataclasses import dataclass, field, replace
from typing import Self

import jax
import numpy as np

from ifru_jax.data.share import check_whole
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.graph import Change, Nodes
from ifru_jax.graph.inflow import Propagations
from ifru_jax.models import Params
from ifru_jax.models.open_model import propagations_of
from ifru_jax.solvers import SPECTRUM_RATIO, check
from ifru_jax.sparse import on_host
from ifru_jax.training import Objective, Trained
from ifru_jax.training.record import Record
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.shared_weights import free_parameters
from ifru_jax.unlearning.step import StepProblem, solve_step
from ifru_jax.unlearning.stopping import peak

# Lanczos steps to the most negative eigenvalue: more than a request takes, since every request relies on them.
SPECTRUM_STEPS = 20
# Where the whole problem is convex as far as Lanczos sees, this share of the largest Ritz value.
CONVEX_SHARE = 1e-3


@dataclass(frozen=True)
class Damping:
    """Where λ comes from.

    Attributes:
      scale: |t_min| of the whole problem.
      exponent: of the degrees in the metric that it was computed in.
    """

    scale: float
    exponent: float


@dataclass(frozen=True, eq=False, repr=False)
class Prepared(Trained):
    """A trained model that is ready for requests. `replace` and `with_params` leave its propagations to `prepare`.

    Attributes:
      step: how requests are answered.
      damping: of the model that training left; requests don't change it.
      propagations: what the model propagates over the graph; None where no request is confined. Empty for a model without a graph,
        and for one that can't be opened.
      on_the_way: the same of every θ_k of the record, where confined requests follow it.
    """

    step: IFRUConfig
    damping: Damping
    # Not of `init`, so that no copy with other parameters or another graph has the old ones, which hold what was forgotten since.
    propagations: Propagations | None = field(default=None, init=False)
    on_the_way: tuple[Propagations, ...] = field(default=(), init=False)

    @property
    def confined(self) -> bool:
        """Whether a request is a problem of its own, solved on the interactions that depend on its scope."""
        return self.propagations is not None

    @property
    def follows(self) -> bool:
        """Whether requests follow the recorded training; other steps, and ablations of this one, start from its end."""
        if self.record is None or not _may_follow(self, self.step, confined=self.confined):
            return False
        return not self.confined or len(self.on_the_way) == len(self.record.segments)

    @property
    def floor(self) -> float:
        """λ_floor for the filter of `step`."""
        return self.damping.scale / SPECTRUM_RATIO[self.step.filter]

    def after(
        self,
        change: Change,
        params: Params,
        propagations: Propagations | None = None,
        record: Record | None = None,
        on_the_way: tuple[Propagations, ...] = (),
    ) -> Self:
        """The model that serves once a change is carried out; without a new record it has none, for the old one holds what goes."""
        found = replace(self, params=params, training_set=change.after).with_record(record)
        return found.with_propagations(propagations, on_the_way)

    def with_record(self, record: Record | None) -> Self:
        found = super().with_record(record)
        # They are those of the record that was.
        object.__setattr__(found, "on_the_way", ())
        return found

    def with_propagations(self, propagations: Propagations | None, on_the_way: tuple[Propagations, ...] = ()) -> Self:
        """The same with what it propagates over the graph."""
        found = copy(self)
        object.__setattr__(found, "propagations", propagations)
        object.__setattr__(found, "on_the_way", on_the_way)
        return found


def prepare(trained: Trained, *, config: IFRUConfig | None = None) -> Prepared:
    """The model with the damping and the propagations that requests need; what is known already is kept.

    Args:
      trained: a trained model, or one that is prepared.
      config: how requests will be answered; None: as it was prepared for, or the defaults.

    Raises:
      DataError: the configuration can't apply to this model or its loss.
      ModelError: `config.shared` names what is no shared parameter.
      NumericsError: the spectrum is not finite.
    """
    known = trained if isinstance(trained, Prepared) else None
    step = config or (known.step if known else IFRUConfig())
    # Without a scope nothing is confined; with one, a copy may have lost its propagations.
    if known and step == known.step and (step.scope is None or _is_complete(known)):
        return known
    confined = _check_applies(trained, step)
    if known and step == known.step and not confined:
        return known
    record = _with_peak(trained)
    propagations = known.propagations if known and confined else None
    if confined and propagations is None:
        propagations = _propagations(trained, trained.params)
    on_the_way = known.on_the_way if known and confined else ()
    if confined and record is not None and not on_the_way and _may_follow(trained, step, confined=True):
        on_the_way = tuple(_propagations(trained, segment.params) for segment in record.segments)
    same = known and known.damping.exponent == step.metric_exponent
    damping = known.damping if known and same else _spectrum(trained, step)
    state = Prepared(trained.objective, trained.params, trained.training_set, trained.config, step, damping)
    return state.with_record(record).with_propagations(propagations, on_the_way)


def _is_complete(state: Prepared) -> bool:
    return state.confined and (state.record is None or state.follows or not _may_follow(state, state.step, confined=True))


def _may_follow(trained: Trained, step: IFRUConfig, *, confined: bool) -> bool:
    """Whether requests would follow a record: those confined by a budget see a part of what drives a row."""
    plain = IFRUConfig()
    ablations = ["curvature", "solver", "filter", "damping", "metric_exponent"]
    if confined and trained.params.keys() - trained.model.tables.keys():
        ablations.append("shared")
    same = all(getattr(step, name) == getattr(plain, name) for name in ablations)
    everything = step.max_edges is None if confined else step.scope is None
    return same and everything and step.follow and step.spillover != "none"


def _propagations(trained: Trained, params: Params) -> Propagations:
    model = trained.model
    return propagations_of(model, params, trained.training_set.graph) if model.num_hops else Propagations()


def _with_peak(trained: Trained) -> Record | None:
    """The record with where its validation metric peaks, if that isn't known."""
    record = trained.record
    if record is None or record.peak is not None:
        return record
    found = peak(trained.objective, trained.params, record, trained.training_set)
    return record.peaking(None if found is None else found.share)


def _check_applies(trained: Trained, config: IFRUConfig) -> bool:
    """Whether a request is a problem of its own: its scope is some rows, and all that changes has rows.

    Refuses what the model or its loss does not allow.
    """
    loss, tables = trained.loss, trained.model.tables
    if config.scope is not None:
        check_whole(trained.interactions, f"a request with scope {config.scope}")
    shared = [name for name in free_parameters(trained.model, trained.params, config) if name not in tables]
    confined = config.scope is not None and loss.separable and not shared
    if config.max_edges is not None and not confined:
        why = f"every interaction depends on the shared parameters {', '.join(shared)}" if shared else "its loss compares all items"
        raise DataError(
            f"max_edges is {config.max_edges}, but {why}: leave max_edges out for this model"
            + (', or freeze them with shared="freeze".' if shared else ".")
        )
    if config.max_edges is not None and loss.grouped:
        raise DataError(f"max_edges is {config.max_edges} and would tear apart groups that the loss compares: leave it out.")
    if config.spillover == "neighbourhood" and (reason := _why_not_by_neighbourhood(trained)):
        raise DataError(f'{reason}: leave spillover at "auto" or set "whole-graph".')
    return confined


def _why_not_by_neighbourhood(trained: Trained) -> str | None:
    """What keeps b from being the sum of what happens on neighbourhoods, each with its own rows of the tables."""
    if trained.training_set.shared:
        return "the neighbours of a node are of several processes"
    if not trained.loss.separable:
        return f"{trained.loss!r} compares interactions of different neighbourhoods"
    if trained.model.num_hops and not trained.model.tables:
        return f"{trained.model!r} propagates over the graph but declares no tables of which a neighbourhood has its rows"
    if trained.model.num_hops and trained.training_set.graph.history is not None:
        return f"{trained.model!r} reads histories, which are not cut to neighbourhoods"
    return None


def _spectrum(trained: Trained, config: IFRUConfig) -> Damping:
    """|t_min| in the metric of the configuration."""
    objective = replace(trained.objective, chunk_size=config.chunk_size or "automatic")
    everything = replace(config, solver="lanczos", damping=None, curvature="hessian", num_steps=SPECTRUM_STEPS, shared="update")
    rows = trained.training_set.masks(Nodes.everywhere(*trained.training_set.sizes))
    gradient = _gradient(objective, trained.params, trained.batch)
    _, solution = solve_step(everything, StepProblem(objective, trained.params, gradient, trained.batch, rows, 1e-30))
    check(solution)
    values = on_host(solution.ritz_values)
    values = values[np.isfinite(values)]
    lowest, largest = float(np.min(values, initial=0.0)), float(np.max(np.abs(values), initial=0.0))
    scale = max(-lowest, CONVEX_SHARE * largest)
    if not scale > 0:
        raise NumericsError(f"the spectrum of the Hessian reaches from {lowest} to {largest}: check the parameters.")
    return Damping(scale, config.metric_exponent)


_gradient = jax.jit(Objective.gradient)
