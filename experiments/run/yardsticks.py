"""What models are measured against: the pairs that are compared, and the scores of originals and retrained models on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from experiments.run.setup import Setup
from ifru_jax.data import Interactions
from ifru_jax.evaluation import ComparedPairs, PairScores, comparable, fidelity, figures, figures_over_seeds, ranking_metrics
from ifru_jax.metrics import auc_or_none
from ifru_jax.models import Scorer
from ifru_jax.training import Trained


@dataclass(frozen=True, eq=False)
class Yardsticks:
    """Pairs, how a model scores them (without levels where the loss doesn't fix them), and those scores before and after."""

    setup: Setup
    retained: Interactions
    pairs: ComparedPairs
    scores: Callable[[Scorer], PairScores]
    originals: list[PairScores]
    retrained: list[PairScores]

    @classmethod
    def of(cls, setup: Setup, originals: Sequence[Trained], retrained: Sequence[Trained]) -> Self:
        """On the test pairs and on the forgotten interactions."""
        data, test = originals[0].interactions, setup.split.test
        forgotten, retained = data.select(setup.request.touches(data)), retrained[0].interactions

        def scores(model: Scorer) -> PairScores:
            seen = comparable(model, setup.loss.fixes_levels, retained)
            return PairScores(seen.score_rows(test.users, test.items), seen.score_rows(forgotten.users, forgotten.items))

        pairs = ComparedPairs.of(retained, forgotten, test)
        return cls(setup, retained, pairs, scores, [scores(one) for one in originals], [scores(one) for one in retrained])

    def figures(self, model: Scorer, original: PairScores, **options: Any) -> dict[str, Any]:
        """Of a model that was `original` before the request."""
        return self.figures_of(self.scores(model), original, **options)

    def figures_of(self, scores: PairScores, original: PairScores, **options: Any) -> dict[str, Any]:
        """The same from its scores."""
        return figures(scores, self.pairs, original=original, originals=self.originals, retrained=self.retrained, **options)

    def over_seeds(self, scores: Sequence[PairScores]) -> dict[str, float | None]:
        """Of a method, from its scores with every seed, in the order of the originals."""
        return figures_over_seeds(scores, self.pairs, originals=self.originals, retrained=self.retrained)

    def own_figures(self, after: PairScores, before: PairScores, yardsticks: list[PairScores]) -> dict[str, float | None]:
        """Quality before the request, and closeness to the method's own retraining where that was asked for."""
        quality = auc_or_none(before.test, self.pairs.test_labels, self.pairs.test_survives)
        found: dict[str, float | None] = {"auc_before": quality}
        kept = {"own_gap": ("test", self.pairs.test_survives), "own_forget_gap": ("forgotten", self.pairs.forgotten_survives)}
        for name, (part, which) in kept.items() if yardsticks else ():
            theirs = [getattr(one, part)[which] for one in yardsticks]
            found[name], found[f"{name}_before"] = (fidelity.gap(getattr(one, part)[which], theirs) for one in (after, before))
        return found

    def ranking(self, model: Scorer) -> dict[str, float | None]:
        """On the pairs that the other figures use, out of the same candidates for every method: what was in no training data."""
        kept = self.setup.split.test.select(self.pairs.test_survives)
        return ranking_metrics(model.score_grid, self.setup.split.train, kept, known=self.retained, k=20)
