"""What a loss is, and the losses that ship. A loss turns the scores of a set of interactions into one sum.

    Σ_z w_z ℓ_z,   summed(outputs(score, examples), examples)

| loss | over | ℓ |
|---|---|---|
| `bce` | interactions | softplus(s) − y s |
| `Squares` | interactions | (y − s)² / 2 |
| `WMSE` | interactions | c (p − s)², p = [y > 0], c = 1 + α y |
| `BPR` | pairs of a positive p and a negative n of its group | softplus(s_n − s_p) |
| `SampledSoftmax` | positives p with the negatives n of their group | log(1 + Σ_n e^{s_n − s_p}) |
| `FullSoftmax` | positives (u, i) against all items j | log Σ_j e^{s_uj} − s_ui |

Three more have files of their own: `all_pairs.AllPairs`, weighted squares over all pairs, `decay.WithDecay`, L2 on the rows of what
is drawn, and `per_user.PerUser`, in which every user counts alike.

**Groups.** In implicit data a positive and the negatives that were sampled for it are one group (`sample_negatives`). The last
losses but one compare within a group, so a request removes terms and not just interactions: a forgotten positive takes its group
along, the term is gone, and with it the negatives that would never have been drawn without it. A forgotten item that was a sampled
negative leaves its group smaller. The direct influence is the gradient of the terms before minus that of the terms that are left,
over the groups that lose a member (`influence.direct`); for the others, and for pointwise losses, the two agree or vanish.

**Yours.** A function (logits [n], labels [n]) → [n] is a pointwise loss. For anything else derive from `Loss`: a frozen dataclass
is hashable by its fields, which is what compiled functions need, and it must be twice differentiable and, for Gauss–Newton, convex
in its outputs. Every sum is divided by N, the number of interactions of D, negatives included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.groups import leaders_of
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, ModelError
from ifru_jax.graph import Examples, Graph, GridPairs, Pairs, SortedPairs
from ifru_jax.models import Params, Recommender, Side

# With the label that all have, or the labels.
_NO_POSITIVES = "which all have the label {}: give positives as well, or choose a lower threshold (binarize)"


class ScoreFunction(Protocol):
    """Scores of any pairs with fixed parameters."""

    num_users: int
    num_items: int
    graph: Graph
    params: Params
    tables: Mapping[str, Side]

    def __call__(self, pairs: Pairs) -> jax.Array: ...


class Loss:
    """Base of all losses; override `summed` and, where the defaults don't hold, the rest.

    Attributes:
      grouped: whether it compares the members of a group, so that `examples.leaders` are needed.
      separable: whether the term of an interaction depends on scores of its own group alone: then small requests can be confined.
      fixes_levels: whether it changes when a number is added to all scores of a user; else scores of two users can't be compared.
    """

    grouped = False
    separable = True
    fixes_levels = True

    def outputs(self, score: ScoreFunction, examples: Examples) -> Any:
        """What the model contributes, from the pairs of `examples` alone; by default the score of every pair, [n]."""
        return score(examples.pairs)

    def summed(self, outputs: Any, examples: Examples) -> jax.Array:
        """Σ w_z ℓ_z, a scalar; convex in the outputs if Gauss–Newton is to be positive semi-definite."""
        raise NotImplementedError(f"{type(self).__name__} has no method summed(outputs, examples).")

    def auxiliary(self, params: Params, graph: Graph) -> jax.Array | None:
        """A further term of the objective, not divided by N; None where there is none."""
        return None

    def over_all_pairs(self, params: Params) -> jax.Array | None:
        """A further term, divided by N, of all pairs of users and items, which follows from θ alone; None where there is none."""
        return None

    def curvature_over_all_pairs(self, params: Params, direction: Params) -> jax.Array | None:
        """Half the Gauss–Newton form of `over_all_pairs`, vᵀ G v / 2."""
        return None

    def check(self, data: Interactions) -> None:
        """Refuses data that the loss can't take, with a DataError."""

    def needed(self, data: Interactions) -> dict[str, int]:
        """What a training has nothing to learn without: how many there are, by what a message says where there is none.

        What a request touches may lack it, and so may what it leaves, so it is no matter of `check`. Of a share, those that are
        here; the names do not depend on the data.
        """
        return {}

    def check_model(self, model: Recommender) -> None:
        """Refuses a model that the loss can't be taken of, with a ModelError."""


class Pointwise(Loss):
    """A loss of one interaction at a time: override `terms`."""

    def terms(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        """ℓ of each interaction, [n], [n] → [n]."""
        raise NotImplementedError(f"{type(self).__name__} has no method terms(logits, labels).")

    def __call__(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        return self.terms(logits, labels)

    def summed(self, outputs: jax.Array, examples: Examples) -> jax.Array:
        losses = self.terms(outputs, examples.labels)
        if jnp.shape(losses) != outputs.shape:
            raise ModelError(
                f"{self!r} returned shape {jnp.shape(losses)} for {outputs.shape} logits: a pointwise loss gives one value per "
                "interaction and leaves the sum to ifru_jax."
            )
        return jnp.sum(examples.weights * losses)


@dataclass(frozen=True)
class FunctionLoss(Pointwise):
    """A user's function (logits [n], labels [n]) → [n]."""

    function: Callable[[jax.Array, jax.Array], jax.Array]

    def terms(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        return self.function(logits, labels)


@dataclass(frozen=True)
class BCE(Pointwise):
    """Binary cross-entropy on logits, ℓ = softplus(s) − y s, with labels from 0 to 1."""

    def terms(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        return jax.nn.softplus(logits) - labels * logits

    def check(self, data: Interactions) -> None:
        low, high = data.labels.min(), data.labels.max()
        if not (low >= 0 and high <= 1):
            raise DataError(f"labels go from {low:g} to {high:g}, but cross-entropy needs 0 … 1: use binarize or protocol_split.")

    def needed(self, data: Interactions) -> dict[str, int]:
        return {
            _NO_POSITIVES.format("0"): _number_of(data.labels != 0),
            "which all have the label 1: sample negatives (sample_negatives), choose a higher threshold (binarize), or take a loss "
            "of positives alone, such as FullSoftmax": _number_of(data.labels != 1),
        }


@dataclass(frozen=True)
class Squares(Pointwise):
    """Half the squared error of a rating, ℓ = (y − s)² / 2: the score itself is the rating that is expected.

    Source: Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems" (Computer, 2009), eq. 2.
    """

    def terms(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        return 0.5 * jnp.square(labels - logits)


@dataclass(frozen=True)
class WMSE(Pointwise):
    """Weighted squares: the preference p = [y > 0] is met by the score itself, with confidence c = 1 + α y.

    Source: Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets" (ICDM 2008), eq. 3. There the sum is over
    all pairs of users and items; here it is over the interactions of the data, sampled negatives standing for the unobserved ones.

    Attributes:
      alpha: α ≥ 0. The paper's 40 balances a hundred unobserved pairs per positive, not one.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise DataError(f"alpha is {self.alpha}: a confidence grows with the label, so it can't be negative.")

    def terms(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        return (1 + self.alpha * labels) * jnp.square((labels > 0).astype(logits.dtype) - logits)

    def check(self, data: Interactions) -> None:
        if not data.labels.min() >= 0:
            raise DataError(f"labels go down to {data.labels.min():g}, but a confidence 1 + α y needs y ≥ 0: use binarize.")

    def needed(self, data: Interactions) -> dict[str, int]:
        return {
            _NO_POSITIVES.format("0"): _number_of(data.labels != 0),
            "of which none has the label 0, so that all preferences are 1: sample negatives (sample_negatives), or take a loss of "
            "positives alone, such as FullSoftmax": _number_of(data.labels <= 0),
        }


class _Grouped(Loss):
    grouped = True
    fixes_levels = False

    def check(self, data: Interactions) -> None:
        leaders_of(data)

    def needed(self, data: Interactions) -> dict[str, int]:
        positive = data.labels > 0.5
        return {
            "of which no group has a positive and a negative: keep the positives only (data.select(data.labels > 0.5)) and call "
            "sample_negatives": _number_of(positive != positive[leaders_of(data)]),
        }


@dataclass(frozen=True)
class BPR(_Grouped):
    """Bayesian personalised ranking: softplus(s_n − s_p) over the pairs of a positive and a negative of one group.

    Source: Rendle et al., "BPR" (UAI 2009), eq. for BPR-Opt, with the negatives drawn once and recorded. Its Gauss–Newton matrix is
    that of the differences: the Hessian in the scores is Dᵀ diag(σ′) D with D the differences of pairs.
    """

    def summed(self, outputs: jax.Array, examples: Examples) -> jax.Array:
        labels, weights, leaders = examples.labels > 0.5, examples.weights, _leaders(examples)
        # The leader has another label than the rest; with label noise it is the negative, and the sign turns.
        lead = outputs[leaders] - outputs
        margin = jnp.where(labels[leaders], lead, -lead)
        counts = jnp.where(labels != labels[leaders], weights * weights[leaders], 0)
        return jnp.sum(counts * jax.nn.softplus(-margin))


@dataclass(frozen=True)
class SampledSoftmax(_Grouped):
    """Softmax cross-entropy of each positive among itself and the negatives of its group, log(1 + Σ_n e^{s_n − s_p}).

    Source: the softmax of a sample, Jean et al. (ACL 2015), eq. 8, for a uniform sample, which needs no correction.
    """

    def summed(self, outputs: jax.Array, examples: Examples) -> jax.Array:
        positive, weights, leaders = examples.labels > 0.5, examples.weights, _leaders(examples)
        size = outputs.shape[0]
        # Where the scatter of terms is measured weights have signs, of which that of the positive counts.
        negative = ~positive & (weights != 0)
        rivals = jnp.where(negative, jax.lax.stop_gradient(outputs), -jnp.inf)
        highest = jax.ops.segment_max(rivals, leaders, num_segments=size)  # −∞ where a group has no negative
        highest = jnp.where(jnp.isfinite(highest), highest, 0)
        spread = jnp.where(negative, jnp.abs(weights) * jnp.exp(jnp.where(negative, outputs - highest[leaders], 0)), 0)
        total = jax.ops.segment_sum(spread, leaders, num_segments=size)
        rival = highest + jnp.log(jnp.where(total > 0, total, 1))
        terms = jax.nn.softplus(rival[leaders] - outputs)
        return jnp.sum(jnp.where(positive & (total[leaders] > 0), weights * terms, 0))


@dataclass(frozen=True)
class FullSoftmax(Loss):
    """Softmax cross-entropy of each positive (u, i) among all items, log Σ_j e^{s_uj} − s_ui; negatives count nothing.

    Source: the multinomial likelihood of Liang et al. (WWW 2018), eq. 2. Outputs are scores with all items, of all users, or, for
    fewer interactions than there are users, of the user of each: a few times so many floats. No request is confined: every item is
    in the term of every positive.
    """

    separable = False
    fixes_levels = False

    def needed(self, data: Interactions) -> dict[str, int]:
        return {_NO_POSITIVES.format("up to ½"): _number_of(data.labels > 0.5)}

    def outputs(self, score: ScoreFunction, examples: Examples) -> jax.Array:
        users = examples.pairs.users
        if isinstance(examples.pairs, SortedPairs) or len(users) > score.num_users:
            users = jnp.arange(score.num_users, dtype=jnp.int32)
        items = jnp.arange(score.num_items, dtype=jnp.int32)
        return score(GridPairs(users, items)).reshape(len(users), score.num_items)

    def summed(self, outputs: jax.Array, examples: Examples) -> jax.Array:
        pairs = examples.pairs
        by_user = isinstance(pairs, SortedPairs) or len(pairs.users) > outputs.shape[0]
        row = pairs.users if by_user else jnp.arange(outputs.shape[0])
        terms = jax.scipy.special.logsumexp(outputs, axis=1)[row] - outputs[row, pairs.items]
        return jnp.sum(jnp.where(examples.labels > 0.5, examples.weights * terms, 0))


@dataclass(frozen=True)
class Around(Loss):
    """Base of losses that change something of another; what they don't override is that of the other.

    Attributes:
      loss: the other; a function is taken as `as_loss` takes it.
    """

    loss: Loss

    def __post_init__(self) -> None:
        object.__setattr__(self, "loss", as_loss(self.loss))
        for name in ("grouped", "separable", "fixes_levels"):
            # What a class says of itself counts.
            if not any(name in vars(kind) for kind in type(self).__mro__ if issubclass(kind, Around)):
                object.__setattr__(self, name, getattr(self.loss, name))

    def outputs(self, score: ScoreFunction, examples: Examples) -> Any:
        return self.loss.outputs(score, examples)

    def summed(self, outputs: Any, examples: Examples) -> jax.Array:
        return self.loss.summed(outputs, examples)

    def auxiliary(self, params: Params, graph: Graph) -> jax.Array | None:
        return self.loss.auxiliary(params, graph)

    def over_all_pairs(self, params: Params) -> jax.Array | None:
        return self.loss.over_all_pairs(params)

    def curvature_over_all_pairs(self, params: Params, direction: Params) -> jax.Array | None:
        return self.loss.curvature_over_all_pairs(params, direction)

    def check(self, data: Interactions) -> None:
        self.loss.check(data)

    def needed(self, data: Interactions) -> dict[str, int]:
        return self.loss.needed(data)

    def check_model(self, model: Recommender) -> None:
        self.loss.check_model(model)


@dataclass(frozen=True)
class WithAuxiliary(Around):
    """A loss with a further term of the objective, such as a contrastive one: L = (1/N) Σ ℓ + weight · term(θ, G) + (λ₂/2) ‖θ‖².

    When a request changes the graph, the term's own change is part of the spillover. It may depend on everything, so no request is
    confined.

    Attributes:
      loss: a loss of the others.
      term: (parameters, graph) → scalar; deterministic and twice differentiable.
      weight: what it is multiplied by.
    """

    term: Callable[[Params, Graph], jax.Array]
    weight: float = 1.0

    separable = False

    def auxiliary(self, params: Params, graph: Graph) -> jax.Array | None:
        value = self.term(params, graph)
        if jnp.shape(value) != ():
            raise ModelError(f"the auxiliary term returned shape {jnp.shape(value)}: it is one number, take its sum or its mean.")
        inner = self.loss.auxiliary(params, graph)
        return self.weight * value + (0 if inner is None else inner)


bce = BCE()
bpr = BPR()
softmax = SampledSoftmax()
wmse = WMSE()

LossLike = Loss | Callable[[jax.Array, jax.Array], jax.Array]


def as_loss(loss: LossLike) -> Loss:
    """The loss itself, or a function as a pointwise loss.

    Raises:
      ModelError: something that is neither.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) or not callable(loss):
        raise ModelError(f"{loss!r} is no loss: give a Loss, such as bce or bpr, or a function (logits, labels) → [n].")
    return FunctionLoss(loss)


def check_labels(loss: Loss, data: Interactions) -> None:
    """Refuses data that the loss can't take (`Loss.check`), in all processes where one finds that in its share."""
    with data.together():
        if len(data):
            loss.check(data)


def check_learnable(loss: Loss, data: Interactions) -> None:
    """Refuses to begin a training on data without what the loss needs (`Loss.needed`), counted over all processes.

    Raises:
      DataError: there are interactions, and none of a kind that is needed.
    """
    with data.together():
        needed = loss.needed(data)
    total, *counts = data.added_up(np.array([len(data), *needed.values()])).tolist()
    lacking = [fault for fault, count in zip(needed, counts, strict=True) if not count]
    if total and lacking:
        raise DataError(f"there is nothing to learn of the {total:,} interactions to train on, {lacking[0]}.")


def _number_of(chosen: np.ndarray) -> int:
    return int(np.count_nonzero(chosen))


def _leaders(examples: Examples) -> jax.Array:
    if examples.leaders is None:
        raise DataError("a loss that compares needs the groups of its interactions: build_training_set(…, with_groups=True).")
    return examples.leaders
