"""Area under the ROC curve, exact with ties, as the Mann–Whitney statistic of the positives' ranks.

    AUC = (1 / PN) Σ_{positives p} [ #{negatives scored below p} + ½ #{negatives scored as p} ]

with P positives and N negatives: the chance that a positive outscores a negative, a tie counting one half. Counting
half the ties is the same as giving tied scores their average rank (Hanley & McNeil, Radiology 1982). With groups, both sums are
over the pairs of a positive and a negative of one group.

>>> import jax.numpy as jnp
>>> float(auc(jnp.array([0.1, 0.4, 0.4, 0.9]), jnp.array([0, 0, 1, 1])))
0.875
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ifru_jax.errors import DataError


def auc(scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None = None, *, within: ArrayLike | None = None) -> jax.Array:
    """Area under the ROC curve; may be jitted and mapped with `vmap`. Costs one sort, O(n log n).

    Args:
      scores: [n], any real dtype; only their order matters, infinities included.
      labels: [n], 0 or 1 (bool, integer or float).
      where: bool [n], the pairs that count; the others are padding. None counts all.
      within: int [n], groups (users) whose members alone are compared with one another. None compares all.

    Returns:
      Scalar in [0, 1] of the scores' floating dtype, within a few units in the last place of the exact fraction at any
      n. NaN if no pair counts, or if a counted score is NaN: the host reports these as null.

    Raises:
      DataError: at trace time, for arrays that are not one-dimensional and equally long, or n ≥ 2³⁰.
    """
    scores, labels = jnp.asarray(scores), jnp.asarray(labels)
    counted = jnp.ones(scores.shape, bool) if where is None else jnp.asarray(where).astype(bool)
    groups = () if within is None else (jnp.asarray(within),)
    if scores.ndim != 1 or any(array.shape != scores.shape for array in (labels, counted, *groups)):
        shapes = ", ".join(str(array.shape) for array in (scores, labels, counted, *groups))
        raise DataError(
            f"auc needs scores, labels, where and within of one shape [n], got {shapes}: map over further axes with jax.vmap."
        )
    if scores.size >= 2**30:
        raise DataError(f"auc counts in 32-bit integers and takes fewer than 2**30 pairs, got {scores.size}.")
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        scores = scores.astype(jnp.result_type(float))
    if scores.size == 0:
        return jnp.full((), jnp.nan, scores.dtype)

    positive, negative = counted & (labels > 0.5), counted & ~(labels > 0.5)
    # Padding is neither positive nor negative, so it may land anywhere, even among scores that are infinite.
    keys = (*groups, jnp.where(counted, scores, jnp.inf))
    *ranked, positive, negative = lax.sort((*keys, positive.astype(jnp.int32), negative.astype(jnp.int32)), num_keys=len(keys))
    # By hand: under strict promotion float64 and float32 have none.
    dtype = scores.dtype if jnp.finfo(scores.dtype).bits >= 32 else jnp.float32
    num_positive, num_negative = (jnp.sum(c, dtype=jnp.int32).astype(dtype) for c in (positive, negative))
    below, through = _negatives_around(negative, *ranked)
    twice_wins, twice_rivals = below + through, 2 * num_negative
    if groups:
        before, until = _negatives_around(negative, ranked[0])
        twice_wins -= 2 * before
        twice_rivals = _sum_over(positive * 2 * (until - before), dtype, num_positive)
    # Without a pair this is 0 / 0.
    share = (_sum_over(positive * twice_wins, dtype, num_positive) / twice_rivals).astype(scores.dtype)
    return jnp.where(jnp.any(counted & jnp.isnan(scores)), jnp.nan, share)


# Of `auc_in_bins`, and the scores that say where to put them.
BINS, SAMPLE = 1 << 16, 1 << 11


def auc_in_bins(scores: jax.Array, labels: jax.Array, where: jax.Array) -> jax.Array:
    """`auc` of scores that are rounded to one of 65,536 values, without a sort: many times as fast on CPU.

    The values are evenly spaced in asinh((s − m) / w), with m the median of some of the scores and w their median distance from it,
    so that neither where scores are nor a few far ones make them coarse. What falls into one counts as tied; the error is a
    millionth or so.

    Args:
      scores: float [n], finite where they count.
      labels: [n], 0 or 1.
      where: bool [n], the pairs that count.

    Returns:
      Scalar in [0, 1]; NaN if no pair of both labels counts.
    """
    stride = max(1, scores.shape[0] // SAMPLE)
    sample, known = scores[::stride], where[::stride]
    middle = _median(sample, known)
    width = _median(jnp.abs(sample - middle), known)
    place = jnp.arcsinh((jnp.where(where, scores, middle) - middle) / jnp.where(width > 0, width, 1))
    low, high = jnp.min(place), jnp.max(place)
    share = (place - low) / jnp.where(high > low, high - low, 1)
    bins = jnp.minimum((share * BINS).astype(jnp.int32), BINS - 1)
    positive = labels > 0.5
    # Whole numbers up to 2²⁴ are exact in float32.
    positives, negatives = (jnp.zeros(BINS, scores.dtype).at[bins].add(where & of) for of in (positive, ~positive))
    below = jnp.cumsum(negatives) - negatives / 2
    return jnp.sum(positives * (below / jnp.sum(negatives))) / jnp.sum(positives)


def _median(values: jax.Array, where: jax.Array) -> jax.Array:
    """One of the two middle values of those that count; 0 if none does."""
    count = jnp.sum(where)
    return jnp.where(count > 0, jnp.sort(jnp.where(where, values, jnp.inf))[count // 2], 0)


_compiled = jax.jit(auc)


def auc_or_none(scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None = None) -> float | None:
    """`auc` on the host, None where it has no answer. One compilation serves every mask, so mask rather than select."""
    value = float(_compiled(scores, labels, where))
    return None if math.isnan(value) else value


def _negatives_around(negative: jax.Array, *keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """int32 [n] twice: negatives before each run of equal keys, and those up to its end; all is sorted by the keys."""
    so_far = jnp.cumsum(negative, dtype=jnp.int32)
    edge, changes = jnp.ones(1, bool), jnp.zeros(negative.size - 1, bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    first, last = jnp.concatenate([edge, changes]), jnp.concatenate([changes, edge])
    before_run = lax.cummax(jnp.where(first, so_far - negative, 0))
    through_run = lax.cummin(jnp.where(last, so_far, so_far[-1]), reverse=True)
    return before_run, through_run


def _sum_over(counts: jax.Array, dtype: jnp.dtype, divisor: jax.Array) -> jax.Array:
    """Σ counts / divisor for int32 counts ≤ 2n.

    The sum reaches 2n² and overflows 32 bits, while a float32 sum of n terms loses digits with n. So the counts are cut
    into limbs short enough for each limb's sum to be exact in int32; only the few limb sums are rounded.
    """
    width = 31 - counts.size.bit_length()
    num_limbs = -(-(counts.size.bit_length() + 1) // width)
    limbs = [(counts >> (width * j)) & (2**width - 1) for j in range(num_limbs)]
    sums = [jnp.sum(limb, dtype=jnp.int32).astype(dtype) * 2.0 ** (width * j) for j, limb in enumerate(limbs)]
    return sum(sums[1:], sums[0]) / divisor
