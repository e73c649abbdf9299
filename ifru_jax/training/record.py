"""The record of a training: where it was, how long, and how far Adam let each parameter go.

    P = Σ ā η / (√v̂ + ε) / Σ |g|,   a ← β₁ a + (1 − β₁) |g|,   ā = a / (1 − β₁ᵗ)       per parameter, over the steps of a segment

A training of n steps is cut into segments. Of each it keeps the parameters θ_k in its middle, the number of its steps n_k, and the
preconditioner P_k that Adam really applied, weighted by the size of the gradients, since the force that a change of the data exerts
on a row comes and goes with them. A gradient moves a row over the ten steps that m remembers it, and so it counts in ā: where
gradients grow, as with embeddings that begin near 0, v has grown by then, and less has come of them by the end of a segment. From
these a request follows the training (`unlearning.along`) instead of guessing it from its end.

All segments have one length but the first, which has half of it: most changes there, and no segment before it says where its middle
moves.

How long a training lasts is known when it is over, and it goes on for a while after its best epoch. So boundaries are kept at every
`stride` steps; where there are too many up to the best epoch, or since, every second is dropped and the stride doubles. Where a
segment ends or has its middle between two boundaries, what lies between them is taken to change evenly. Memory: three times the
parameters per boundary while it trains, at most twelve of them per segment, and three times beside Adam's own; twice the parameters
per segment afterwards.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.groups import group_leaders
from ifru_jax.data.held_out import left_of
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.graph import Examples, TrainingSet
from ifru_jax.models import Params
from ifru_jax.pytree import pytree
from ifru_jax.sparse import on_device
from ifru_jax.training.validation import validation_pairs

# Unless asked for otherwise (docs/step.md).
NUM_SEGMENTS = 3
# Of the first epochs, before the stride has grown.
PARTS = 4
# Boundaries per segment at the most: up to the best epoch, and since.
EARLY, LATE = 8, 4
# Length of the first segment, in lengths of the others.
FIRST = 1 / 2
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@pytree
class Segment:
    """Part of a training.

    Attributes:
      params: θ_k, in its middle.
      applied: P_k, shaped like the parameters.
      steps: n_k.
    """

    params: Params
    applied: Params
    steps: jax.Array | float


@dataclass(frozen=True, eq=False)
class Record:
    """What is kept of a training.

    Attributes:
      segments: in order, at least one.
      batch_size: interactions per step at the most; on average, where groups of many sizes are drawn.
      valid: the interactions that stopped it, on the host, of users and items with data; with groups where those are compared.
      peak: how much longer, as a share of the training, its flow would have had to go on to the best validation metric; found when
        the model is prepared for requests, None before and where validation can't tell.
      pending: the share of the interactions that requests were for since one was last followed as far as a large one is.
      mesh: devices that the validation pairs are put on; None for the default one.
      adaptive: whether P follows the gradients that it sees, as Adam's does; that of plain gradient descent is what it is.
    """

    segments: tuple[Segment, ...]
    batch_size: float
    valid: Interactions
    peak: float | None = None
    pending: float = 0.0
    mesh: Mesh | None = None
    adaptive: bool = True

    @property
    def steps(self) -> float:
        """Of the whole training."""
        return float(sum(float(segment.steps) for segment in self.segments))

    @cached_property
    def pairs(self) -> Examples:
        """The validation pairs on the device, padded to a power of two."""
        return validation_pairs(self.valid, compared=self.valid.groups is not None, mesh=self.mesh)

    def without(self, retained: TrainingSet, segments: tuple[Segment, ...], request: ForgetRequest) -> Self:
        """That of a training on what a request leaves, which went along other segments.

        It is stopped by what the request names no more, nor by users and items that have no data left.
        """
        gone = retained.without_data
        lost = gone.users[self.valid.users] | gone.items[self.valid.items]
        left = left_of(self.valid, request, lost)
        if left is self.valid:
            return self._same_pairs(segments=segments)
        return replace(self, segments=segments, valid=_comparable(left))

    def stopped_by(self, left: Interactions) -> Self:
        """The same with what is left of what stopped it: the interactions that are in `left`, with the labels they have there."""
        known, here = (pair_keys(of.users, of.items, of.num_items) for of in (self.valid, left))
        found = left.select(contains(distinct(known), here))
        columns = {name: getattr(found, name) for name in ("users", "items", "labels", "timestamps", "groups", "observed")}
        columns |= {"timestamps": None} if self.valid.timestamps is None else {}
        columns |= {"groups": None} if self.valid.groups is None else {}
        if all(np.array_equal(getattr(self.valid, name), column) for name, column in columns.items() if column is not None):
            return self
        return replace(self, valid=_comparable(replace(self.valid, **columns)))

    def peaking(self, peak: float | None) -> Self:
        """The same once the peak is known."""
        return self._same_pairs(peak=peak)

    def requested(self, share: float) -> Self:
        """The same with this share of what is left pending as well: all of it as a share of what there was at first."""
        return self._same_pairs(pending=self.pending + (1 - self.pending) * share)

    def followed_far(self) -> Self:
        """The same with nothing pending."""
        return self._same_pairs(pending=0.0)

    def in_one(self) -> Self:
        """The same training as one segment: θ of the one in its middle, P as it was on average; it doesn't say where it peaks."""
        steps = np.array([float(segment.steps) for segment in self.segments])
        middle = self.segments[int(np.searchsorted(np.cumsum(steps), steps.sum() / 2))]
        shares = on_device(tuple((steps / steps.sum()).astype(jnp.result_type(float))))
        applied = _mean(shares, tuple(segment.applied for segment in self.segments))
        return self._same_pairs(segments=(Segment(middle.params, applied, self.steps),), peak=None)

    def _same_pairs(self, **changes: Any) -> Self:
        """With other parts but the same validation pairs, which need not go to the device again."""
        found = replace(self, **changes)
        if "pairs" in vars(self):
            vars(found)["pairs"] = self.pairs
        return found

    def longer(self, share: float) -> Self:
        """That of a training which lasted longer by this share of its length."""
        *others, last = self.segments
        return self._same_pairs(segments=(*others, replace(last, steps=last.steps + share * self.steps)))


def _comparable(valid: Interactions) -> Interactions:
    """Without groups of several positives and several negatives, which a correction may leave: they compare nothing."""
    if valid.groups is None:
        return valid
    mixed = group_leaders(valid.groups, valid.labels).mixed
    return valid.select(~mixed) if mixed.any() else valid


@jax.jit
def _mean(shares: tuple[jax.Array, ...], values: tuple[Params, ...]) -> Params:
    return jax.tree.map(lambda *leaves: sum(share * leaf for share, leaf in zip(shares, leaves, strict=True)), *values)


class Recording(NamedTuple):
    """Adam's state, with Σ ā η / (√v̂ + ε) and Σ |g| since the beginning, and a."""

    adam: Any
    applied: Params
    size: Params
    lately: Params


def recording_adam(learning_rate: jax.Array | float) -> optax.GradientTransformation:
    """Adam that keeps account of what it does; its updates are those of `optax.adam`."""
    adam = optax.adam(learning_rate, b1=BETA_1, b2=BETA_2, eps=EPSILON)

    def init(params: Any) -> Recording:
        zero = optax.tree.zeros_like(params)
        return Recording(adam.init(params), zero, zero, zero)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Recording]:
        grads: Any = updates
        updates, inner = adam.update(grads, state.adam, params)
        moments: Any = inner
        count, squares = moments[0].count, moments[0].nu
        lately = jax.tree.map(lambda a, g: BETA_1 * a + (1 - BETA_1) * jnp.abs(g), state.lately, grads)

        def gain(applied: jax.Array, a: jax.Array, v: jax.Array) -> jax.Array:
            return applied + a / (1 - BETA_1**count) * learning_rate / (jnp.sqrt(v / (1 - BETA_2**count)) + EPSILON)

        applied = jax.tree.map(gain, state.applied, lately, squares)
        return updates, Recording(inner, applied, jax.tree.map(lambda s, g: s + jnp.abs(g), state.size, grads), lately)

    return optax.GradientTransformation(init, update)


@dataclass(frozen=True)
class Boundary:
    """The training after so many steps: parameters, and what was accumulated until then."""

    step: int
    params: Params
    applied: Params
    size: Params


class Recorder:
    """Keeps boundaries while a training runs.

    Attributes:
      early: boundaries up to the best epoch so far.
      late: those since, for the case that a better one comes.
    """

    def __init__(self, segments: int, per_epoch: int) -> None:
        """Of K segments, of a training with so many steps an epoch."""
        self.count, self.per_epoch = segments, per_epoch
        self.stride = self.late_stride = max(1, per_epoch // PARTS)
        self.early: list[Boundary] = []
        self.late: list[Boundary] = []

    def stops(self, epoch: int) -> Iterator[int]:
        """Steps within an epoch at which to stop for a boundary; the last is its end."""
        at = 0
        while at < self.per_epoch:
            # The stride may have grown meanwhile.
            past = epoch * self.per_epoch + at
            at = min(self.per_epoch, at + self.late_stride - past % self.late_stride) if self.count else self.per_epoch
            yield at

    def add(self, boundary: Boundary) -> None:
        """Of the beginning, and of every stop."""
        if boundary.step % self.late_stride:
            return
        self.late.append(boundary)
        while len(self.late) > LATE * self.count:
            self.late_stride *= 2
            self.late = _every(self.late_stride, self.late)

    def best_so_far(self) -> None:
        """The epoch that ended is the best; what was kept since the last such belongs to the training now."""
        self.early, self.late = self.early + self.late, []
        while len(self.early) > EARLY * self.count + 1:
            self.stride *= 2
            self.early = _every(self.stride, self.early)
        self.late_stride = self.stride

    def segments_to(self, last: Boundary) -> tuple[Segment, ...]:
        """The segments up to `last`, which training came back to: those of the best epoch."""
        known = [*(one for one in self.early if one.step < last.step), last]
        ends = np.append(0, FIRST + np.arange(self.count)) / (FIRST + self.count - 1) * last.step
        found = []
        for low, high in pairwise(ends.tolist()):
            applied, size = (optax.tree.sub(_at(high, known, part), _at(low, known, part)) for part in ("applied", "size"))
            found.append(Segment(_at((low + high) / 2, known, "params"), jax.tree.map(_mean_rate, applied, size), high - low))
        return tuple(found)


def _mean_rate(applied: jax.Array, size: jax.Array) -> jax.Array:
    """P. Where |g| is so small that its sum no longer grows, as of rows that L2 alone pulls at, nothing goes anywhere: 0."""
    there = size > 0
    return jnp.where(there, applied / jnp.where(there, size, 1), 0)


def _at(step: float, known: list[Boundary], part: str) -> Params:
    """What a training had after so many steps, the last of which may be a part of one: evenly between boundaries."""
    behind = bisect_left(known, step, key=lambda one: one.step)
    if known[behind].step == step:
        return getattr(known[behind], part)
    low, high = known[behind - 1], known[behind]
    share = (step - low.step) / (high.step - low.step)
    return jax.tree.map(lambda a, b: a + share * (b - a), getattr(low, part), getattr(high, part))


def _every(stride: int, boundaries: list[Boundary]) -> list[Boundary]:
    return [one for one in boundaries if one.step % stride == 0]
