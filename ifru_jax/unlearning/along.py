"""The step along the training: from its record, segment by segment, to where it would have gone without what is forgotten.

    δ ← 0;  for k = 1 … K:   r_k = ρ_k ∇L(θ_k; D, G) − ∇L(θ_k + δ_½; D_r, G_r) + H_k (δ_½ − δ),   H_k = ∇²L(θ_k + δ_½; D_r, G_r)
                             δ ← δ + F_k(n_k) r_k,   δ_½ = δ + ½ n_k (δ − δ one segment before) / n_{k−1}
                             F_k(n) = S f(S H_k S) S,   S = (n P_r,k)^½,   P_r,k = P_k / ρ_k

In segment k, of n_k steps, a training is a flow along P(−∇L), and Adam's P depends on what it saw: P ∇L(θ_k; D) against
P_r ∇L(θ_k + δ; D_r), with P = ρ P_r (`preconditioner`). So P_r r_k is how fast the two trainings part, where the second is at
θ_k + δ, and H_k is what brings them together again or drives them apart. Under a lasting force their difference grows over the
segment as the filter f says (`solvers.spectral`, "growing-flow"): no damping and no exponent is chosen, since time and metric were
measured. What is not linear in δ is taken where the other training is in the middle of the segment, at δ_½, as the midpoint rule
does: as far on as it would come in that time at the pace of the segment before. The first has none before it; there

    δ_½ = F_1(½ n_1) (b_1 − (1 − ρ_1) ∇L(θ_1; D, G)),   b_1 = ∇L(θ_1; D, G) − ∇L(θ_1; D_r, G_r)

with H_1 at θ_1, and what Adam remembers in the middle is older by `age`, so that v_r lies between its values at θ_1 and at
θ_1 + δ_½. b_1, which takes the place of that difference in r_1, too, is summed over what changes alone, since the difference of two
gradients may be no more than their rounding. All segments are begun like the first where the pace of the one before tells little:
where a batch was all of the data, which is then small, so that Adam moves every element by a step of one size, this way and that;
where users are what the rows of their items add up to, so that these go too far together and come back within a segment; and where
rows turn, as those that are divided by their length. There P is taken as it was, too, since ρ would be mostly noise.

F_k is resolved by few products in all segments but the last: what they leave undone is in the force of the next, which is taken at
θ_k + δ_½. Nothing comes after the last.

Tables alone go that way. Shared weights, on which every interaction depends, have curvatures of hundreds to thousands of training
times, of both signs, which no few products resolve: what the flow makes of them is mostly noise, and the rows pay for it. They are
held as each θ_k has them, and settle when the rows are where they belong (`settling`). So δ and P_r are those of the tables, and of
everything only where a model has none.

Sources: Bae et al., "Training data attribution via approximate unrolling" (NeurIPS 2024), segments and their filter; Hara et al.,
"Data cleansing for models trained with SGD" (NeurIPS 2019), influence along a training. Theirs keep P and are linear in δ.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
import optax

from ifru_jax.graph import Batch, Change
from ifru_jax.influence import Influence, right_hand_side
from ifru_jax.influence.right_hand_side import SpilloverForm
from ifru_jax.models import Params, Recommender
from ifru_jax.models.tables import clear_rows, of_bags
from ifru_jax.pytree import pytree
from ifru_jax.solvers import Solution, check, spectral_step
from ifru_jax.sparse import on_device, on_host
from ifru_jax.training import Objective
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.preconditioner import MeanSquares, Sides, age, slopes
from ifru_jax.unlearning.shared_weights import followers
from ifru_jax.unlearning.step import scaled_problem, without_data

# Products on the way to the middle of a segment where it is sought; more of them change nothing (docs/step.md).
HALFWAY_PRODUCTS = 1


@dataclass(frozen=True)
class SegmentSolve:
    """How a segment is solved; compiled for.

    Attributes:
      num_steps: products at the most.
      tolerance: relative error of δ, as Lanczos estimates it, at which there are enough; None for all of them.
      early_steps: products at the most in segments before the last; None for as many.
      spillover: how b_1 is computed.
      adaptive: whether P is that of what was seen (`preconditioner`), or the same whatever is seen.
    """

    num_steps: int
    tolerance: float | None
    early_steps: int | None = None
    spillover: SpilloverForm = "auto"
    adaptive: bool = True

    @classmethod
    def of(cls, config: IFRUConfig, *, adaptive: bool = True) -> Self:
        """As configured."""
        return cls(config.segment_steps, config.segment_tolerance, config.early_steps, config.spillover, adaptive)

    def most(self, last: jax.Array | bool) -> jax.Array:
        """Products at the most, int32 [], in the last segment or in another."""
        early = self.num_steps if self.early_steps is None else min(self.early_steps, self.num_steps)
        return jnp.where(last, jnp.int32(self.num_steps), jnp.int32(early))


@pytree
class Course:
    """How far the training without the forgotten data has come, and how.

    Attributes:
      delta: δ, where it is from the training that was recorded.
      pace: how far δ went in a step of the last segment, on average.
      squares: what Adam remembers in either.
    """

    delta: Params
    pace: Params
    squares: MeanSquares

    @classmethod
    def beginning(cls, params: Params) -> Self:
        """Where both are the same."""
        nothing = optax.tree.zeros_like(params)
        return cls(nothing, nothing, MeanSquares.none(params))


@dataclass(frozen=True)
class Followed:
    """Where the training would have gone.

    Attributes:
      delta: δ at its end, of the parameters that follow.
      segments: those that it would have had, without a trace of rows that are left without data.
      solution: the evidence of the last solve, with the products of all.
      influence: what is known of b_1.
    """

    delta: Params
    segments: tuple[Segment, ...]
    solution: Solution
    influence: Influence


def along_training(objective: Objective, record: Record, change: Change, *, solve: SegmentSolve) -> Followed:
    """Where the training would have gone without what is forgotten, or with labels set right.

    Args:
      objective: L.
      record: of the training on `change.before`.
      change: D, G and D_r, G_r.
      solve: how each segment is solved.

    Raises:
      NumericsError: a segment was not finite.
    """
    touched, replaced = change.touched_examples
    before, after = change.before.batch, change.after.batch
    changed = Batch(touched, before.graph), Batch(replaced, after.graph)
    sides = Sides(before, after, *changed, change.counts, float(record.batch_size))
    start, held = followers(objective.model, record.segments[0].params)
    rhs, influence = right_hand_side(objective.holding(held), start, change, spillover=solve.spillover)
    course = _beginning(start)
    segments, solutions = [], []
    for number, segment in enumerate(record.segments):
        place = Place(number == 0, number == len(record.segments) - 1, rhs)
        known = on_device((segment, course, sides, number, place))
        course, segment, solution = _follow_segment(solve, objective, *known)
        segments.append(segment)
        solutions.append(solution)
    # A solve that is not finite steps nowhere, and the segments after it would hide that.
    for solution in solutions:
        check(solution)
    products = sum(int(on_host(solution.num_steps)) for solution in solutions)
    return Followed(course.delta, tuple(segments), replace(solutions[-1], num_steps=on_device(products)), influence)


_beginning = jax.jit(Course.beginning)


@partial(jax.jit, static_argnums=0)
def _follow_segment(
    solve: SegmentSolve,
    objective: Objective,
    segment: Segment,
    course: Course,
    sides: Sides,
    number: jax.Array | int,
    place: "Place",
) -> tuple[Course, Segment, Solution]:
    """From the beginning of a segment to its end, with the segment that there would have been."""
    key, model = jax.random.key(number), objective.model
    (params, held), (applied, beside) = (followers(model, of) for of in (segment.params, segment.applied))
    objective = objective.holding(held)
    slope_before, slope_after = slopes(adaptive=solve.adaptive)

    def there(delta: Params) -> Params:
        return optax.tree.add(params, delta)

    ground = Ground(
        slope_before(objective, params, sides, key),
        lambda delta: slope_after(objective, there(delta), sides, key),
        lambda delta: objective.hessian_product(there(delta), sides.after),
        unsteady(objective, sides),
    )
    found = follow(solve, ground, Segment(params, applied, segment.steps), course, place)
    lost = without_data(sides.after.examples)
    params, applied = (clear_rows(model.tables, of, lost) for of in (there(found.middle), found.applied))
    return found.course, Segment(params | held, applied | beside, segment.steps), found.solution


class Ground(NamedTuple):
    """What a segment is followed over, as functions of δ, of the parameters that move.

    Attributes:
      before: ∇L(θ_k; D, G), and v there.
      after: ∇L(θ_k + δ; D_r, G_r), and v_r there.
      product: v ↦ ∇²L(θ_k + δ; D_r, G_r) v.
      unsteady: bool [], whether the pace of a segment tells little of that of the next.
    """

    before: tuple[Params, Params]
    after: Callable[[Params], tuple[Params, Params]]
    product: Callable[[Params], Callable[[Params], Params]]
    unsteady: jax.Array | bool


def adapts(model: Recommender, record: Record) -> bool:
    """Whether P_r is taken to differ from P: it does with Adam, but where rows turn what is known of it is mostly noise."""
    return record.adaptive and not model.turning


def unsteady(objective: Objective, sides: Sides) -> jax.Array | bool:
    """Whether the pace of a segment tells little of that of the next."""
    turning = of_bags(objective.model.tables) or objective.model.turning
    return turning or sides.batch_size >= objective.total


class Place(NamedTuple):
    """Which segment of the record it is.

    Attributes:
      first: bool [], its force is `rhs` but for ρ.
      last: bool [], what it leaves undone nobody mends.
      rhs: b_1, summed over what changes.
    """

    first: jax.Array | bool
    last: jax.Array | bool
    rhs: Params


class Stretch(NamedTuple):
    """A segment that was followed.

    Attributes:
      course: at its end.
      middle: how far its middle has moved.
      applied: P_r,k.
      solution: the evidence.
    """

    course: Course
    middle: Params
    applied: Params
    solution: Solution


def follow(solve: SegmentSolve, ground: Ground, segment: Segment, course: Course, place: Place) -> Stretch:
    """From the beginning of a segment to its end; all of it of the parameters that move."""
    past, half = course.delta, segment.steps / 2
    recorded, v = ground.before
    sought = place.first | ground.unsteady

    def parting(v_r: Params, steps: jax.Array | float, rest: Params) -> Parting:
        ratio = course.squares.then(MeanSquares(v, v_r), half).root_ratio if solve.adaptive else optax.tree.ones_like(past)

        def force(b: jax.Array, recorded: jax.Array, ratio: jax.Array, rest: jax.Array) -> jax.Array:
            return jnp.where(place.first, b - (1 - ratio) * recorded, ratio * recorded) + rest

        total = jax.tree.map(force, place.rhs, recorded, ratio, rest)
        return Parting(past, total, jax.tree.map(jnp.divide, segment.applied, ratio), steps)

    def begun() -> Middle:
        ahead, v_past = ground.after(past)
        start = parting(v_past, half, jax.tree.map(lambda leaf: jnp.where(place.first, 0, -leaf), ahead))
        halfway, _ = part(SegmentSolve(HALFWAY_PRODUCTS, None), ground.product(past), start)
        return Middle(halfway, jax.tree.map(lambda leaf: jnp.where(place.first, leaf, 0), ahead), v_past)

    def gone_on() -> Middle:
        nothing = optax.tree.zeros_like(past)
        return Middle(optax.tree.add_scale(past, half, course.pace), nothing, nothing)

    halfway, ahead, v_past = jax.lax.cond(sought, begun, gone_on)
    there, v_half = ground.after(halfway)
    product = ground.product(halfway)
    rest = jax.tree.map(lambda a, b, back: a - b + back, ahead, there, product(optax.tree.sub(halfway, past)))
    # What Adam remembers in the middle of the segment is of a while before; where that is not known, `squares` have most of it.
    since = jnp.where(sought, 1 - age(half) / half, 1)
    v_r = jax.tree.map(lambda a, b: a + since * (b - a), v_past, v_half)
    whole = parting(v_r, segment.steps, rest)
    delta, solution = part(solve, product, whole, solve.most(place.last))
    on_the_way = jnp.where(sought, HALFWAY_PRODUCTS, 0) + 1
    solution = replace(solution, num_steps=(solution.num_steps + on_the_way).astype(jnp.int32))
    squares = course.squares.then(MeanSquares(v, v_half), segment.steps)
    # The middle of the segment has moved about half as far as its ends have together.
    middle = jax.tree.map(lambda a, b: 0.5 * (a + b), past, delta)
    pace = optax.tree.scale(1 / segment.steps, optax.tree.sub(delta, past))
    return Stretch(Course(delta, pace, squares), middle, whole.applied, solution)


class Middle(NamedTuple):
    """Where the other training is in the middle of a segment, and what is known of its beginning where that was looked at.

    Attributes:
      halfway: δ_½.
      ahead: ∇L(θ_1; D_r, G_r) of the first.
      square: v_r at the beginning.
    """

    halfway: Params
    ahead: Params
    square: Params


@pytree
class Parting:
    """What drives two trainings apart for a time.

    Attributes:
      delta: δ at its beginning.
      force: r_k.
      applied: P_r,k.
      steps: how long.
    """

    delta: Params
    force: Params
    applied: Params
    steps: jax.Array | float


def part(
    solve: SegmentSolve, product: Callable[[Params], Params], parting: Parting, most: jax.Array | None = None
) -> tuple[Params, Solution]:
    """δ at the end of that time, with H_k as `product` and `most` of such, and the evidence of the solve."""
    scale = jax.tree.map(lambda p: jnp.sqrt(parting.steps * p), parting.applied)
    problem = scaled_problem(product, parting.force, scale)
    step = spectral_step(num_steps=solve.num_steps, filter="growing-flow", tolerance=solve.tolerance)
    # The filter for a time of 1, which is in the scale.
    solution = step(problem.product, problem.rhs, floor=1.0, damping=1.0, most=most)
    return optax.tree.add(parting.delta, problem.to_params(solution.solution)), solution
