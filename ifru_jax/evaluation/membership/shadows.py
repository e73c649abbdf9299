"""Shadow models: trained as the model under attack was, on data of which each interaction in question is in half of them.

    training data of shadow s = D_r ∪ {x ∈ D_f ∪ N : s has x},     s and s + 1 (s even) have complementary halves of D_f ∪ N

D_f are the forgotten interactions (members of the original model), N as many held-out ones that no model was trained on, drawn from
test pairs whose user and item remain. Every x is then in exactly half of the shadows, and every shadow is about as large as D. All
of D_r is in each: the auditor who erases knows it, which makes the attack stronger than that of an outsider
(Carlini et al., IEEE S&P 2022, section IV: x decides nothing but x; Hayes et al., "Inexact unlearning needs more careful
evaluations", 2024, on the auditor's view).

What keeps it sound: N is drawn from pairs that neither trained nor stopped any model; the population samples z of RMIA are other
test pairs, in no training set at all; validation data stop the shadows as they stop the retrained models, and are never asked
about.
"""

from dataclasses import dataclass, replace
from typing import Self

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.evaluation.masks import survivors
from ifru_jax.evaluation.membership.confidence import confidence
from ifru_jax.models import Recommender
from ifru_jax.training import Loss, TrainConfig, bce, train

MAX_POPULATION = 2000


@dataclass(frozen=True, eq=False)
class Candidates:
    """Whose membership is asked about, and what it is compared with.

    Attributes:
      members: [m], the forgotten interactions whose user and item remain. Those whose label the request corrected are not asked
        about: the model without them was trained on them too, under another label.
      nonmembers: [n], held-out interactions, in no training set.
      population: [p], other held-out interactions, the z of RMIA and the oracle's non-members.
    """

    members: Interactions
    nonmembers: Interactions
    population: Interactions

    @classmethod
    def of(cls, split: Split, request: ForgetRequest, *, seed: int = 0) -> Self:
        """Draws them from the data of a request; N is as large as D_f or half the test pairs, whichever is less.

        Raises:
          DataError: no forgotten interaction whose user and item remain, or fewer than four test pairs to draw from.
        """
        retained, members = request.applied(split.train), split.train.select(request.select(split.train))
        members = members.select(survivors(retained, members))
        if not len(members):
            raise DataError(
                f"{request} forgets nothing whose user and item remain, and scores of the others are constants: membership "
                "inference has nothing to infer; leave it out (shadows=None)."
            )
        known = [pair_keys(part.users, part.items, part.num_items) for part in (split.train, split.valid)]
        test = split.test
        unseen = ~contains(distinct(np.concatenate(known)), pair_keys(test.users, test.items, test.num_items))
        held_out = np.flatnonzero(survivors(retained, test) & unseen)
        if len(held_out) < 4:
            raise DataError(
                f"{len(held_out)} test pairs were in no training set: membership inference compares with at least four."
            )
        drawn = np.random.default_rng(seed).permutation(held_out)
        size = min(len(members), len(drawn) // 2)
        others = drawn[size : size + MAX_POPULATION]
        return cls(members, test.select(np.sort(drawn[:size])), test.select(np.sort(others)))


@dataclass(frozen=True, eq=False)
class Shadows:
    """What the attacks need of the shadow models: their confidences. The models themselves are not kept.

    Attributes:
      candidates: the interactions.
      confidences: φ float64 [S, m + n], members first.
      trained_on: bool [S, m + n].
      population: φ float64 [S, p].
    """

    candidates: Candidates
    confidences: np.ndarray
    trained_on: np.ndarray
    population: np.ndarray

    def __len__(self) -> int:
        return len(self.confidences)


def train_shadows(
    key: jax.Array,
    model: Recommender,
    split: Split,
    request: ForgetRequest,
    config: TrainConfig,
    *,
    num_shadows: int = 16,
    loss: Loss = bce,
    seed: int = 0,
) -> Shadows:
    """Trains the shadow models, one after the other; all have one size, so only the first compiles.

    Args:
      key: of initialisations and batches; give one that trained no model under attack.
      model, config, loss: of the model under attack.
      split: data of the original model: train with the forgotten interactions, valid and test.
      request: what was forgotten.
      num_shadows: S, even and at least 4; 16 is enough for verdicts, 64 and more sharpen LiRA.
      seed: of the draw of N and z, and of the halves.

    Raises:
      DataError: an odd S or one below 4, or data that has nothing to ask about (see `Candidates.of`).
    """
    if num_shadows < 4 or num_shadows % 2:
        raise DataError(f"num_shadows is {num_shadows}: give an even number from 4, so that each interaction is in half of them.")
    candidates = Candidates.of(split, request, seed=seed)
    retained = request.applied(split.train)
    # Whom the request leaves nothing of stops no shadow either.
    split = replace(split, valid=split.valid.select(survivors(retained, split.valid)))
    asked = join(candidates.members, candidates.nonmembers)
    rng = np.random.default_rng(seed + 1)
    trained_on = np.zeros((num_shadows, len(asked)), bool)
    for s in range(0, num_shadows, 2):
        for group in np.split(np.arange(len(asked)), [len(candidates.members)]):
            trained_on[s, rng.permutation(group)[: len(group) // 2]] = True
        trained_on[s + 1] = ~trained_on[s]
    confidences, population = [], []
    for s, which in enumerate(trained_on):
        shadow = train(
            jax.random.fold_in(key, s), model, replace(split, train=join(retained, asked.select(which))), config, loss=loss
        )
        confidences.append(confidence(shadow.score_rows(asked.users, asked.items), asked.labels))
        at_large = candidates.population
        population.append(confidence(shadow.score_rows(at_large.users, at_large.items), at_large.labels))
    return Shadows(candidates, np.stack(confidences), trained_on, np.stack(population))


def join(first: Interactions, second: Interactions) -> Interactions:
    """The interactions of both in the tables they share, without timestamps and groups."""
    columns = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("users", "items", "labels")}
    return replace(first, **columns, timestamps=None, groups=None)
