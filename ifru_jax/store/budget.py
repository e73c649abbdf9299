"""How much error quick answers may leave before they are settled, and what settled steps may add up to before it is time to
retrain.

What was spent is told by the journal alone: by the estimate in the line of a quick answer, and by what the lines of whole steps say
of how well they did. Estimates are `unlearning.unsettled`, times the factor that makes them cover (`coverage`).

>>> ErrorBudget(settle_at=0.5).settle_at
0.5
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from ifru_jax.errors import DataError
from ifru_jax.files import as_json
from ifru_jax.store.coverage import factor
from ifru_jax.unlearning.linearity import VALIDATED_RATIO, VALIDATED_SHARE

Lines = Sequence[Mapping[str, Any]]
# Of the loss of a mean interaction; what a small request changes is below the rounding of it.
_TOLD = 1e-4


@dataclass(frozen=True)
class ErrorBudget:
    """What a store allows before it acts or advises.

    Attributes:
      settle_at: estimated distance of the model to the settled one, as a share of the norm of its parameters, beyond which a quick
        answer is settled at once; 0 settles every one, None leaves it to others.
      retrain_at: share of the interactions of the beginning that were forgotten or corrected since, beyond which to retrain.
      growth: how many times larger than at the beginning the gradient of the retained objective may be, in the metric of the step.
    """

    settle_at: float | None = 0.02
    retrain_at: float = VALIDATED_SHARE
    growth: float = 2.0

    def __post_init__(self) -> None:
        for name, least in (("settle_at", 0), ("retrain_at", 0), ("growth", 1)):
            value = getattr(self, name)
            if name == "settle_at" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
                raise DataError(f"the budget's {name} is {value!r}: it is a number, {least} or more.")

    def as_text(self) -> str:
        """JSON, as a store keeps it."""
        return as_json(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> Self:
        """What `as_text` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Spent:
    """What of a budget is spent.

    Attributes:
      budget: of the store.
      distance: estimated, of the model to the settled one, as a share of the norm of its parameters; 0 where all is settled, None
        where quick answers were given that nobody estimated.
      factor: of the next estimate, so that it covers; see `coverage`.
      share: of the interactions of the beginning that were forgotten or corrected since.
      growth: of the gradient of the retained objective, in the metric of the step; None where no whole step was measured.
      linearity: actual over predicted decrease of the last whole step that was large enough to tell; None where none was.
    """

    budget: ErrorBudget
    distance: float | None = 0.0
    factor: float = 1.0
    share: float = 0.0
    growth: float | None = None
    linearity: float | None = None

    @property
    def settle(self) -> bool:
        """Whether quick answers are to be settled."""
        if self.budget.settle_at is None:
            return False
        return self.distance is None or self.distance > self.budget.settle_at

    @property
    def retrain(self) -> str:
        """Why it is time to retrain; empty where it isn't."""
        budget, (low, high) = self.budget, VALIDATED_RATIO
        if self.share > budget.retrain_at:
            return f"{self.share:.0%} of the interactions of the beginning changed, more than {budget.retrain_at:.0%}"
        if self.growth is not None and self.growth > budget.growth:
            return f"steps have drifted: the gradient is {self.growth:.1f} times that of the beginning, more than {budget.growth:g}"
        if self.linearity is not None and not low <= self.linearity <= high:
            return f"the last step decreased the objective {self.linearity:.1f} times as much as its quadratic model promised"
        return ""

    @property
    def advice(self) -> str:
        """What to do; empty where nothing is."""
        if self.retrain:
            return f"retrain and make a new store: {self.retrain}."
        return "settle: the quick answers may be further off than the budget allows." if self.settle else ""

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return asdict(self) | {"settle": self.settle, "retrain": self.retrain}


def spent(history: Lines, budget: ErrorBudget) -> Spent:
    """What of the budget is spent, by the lines of the journal."""
    lines = standing(history)
    steps = [line for line in lines if line["kind"] in ("forget", "correct", "settle") and line.get("evidence")]
    unsettled = steps[-1] if steps and steps[-1].get("quick") else None
    asked = [line["evidence"] for line in steps if line["kind"] != "settle"]
    begun = lines[0]["counts"]["interactions"] if lines else 0
    gradients = [line["gradient"] for line in lines if line.get("gradient")]
    ratios = [found for line in steps if (found := _ratio(line["evidence"].get("linearity"))) is not None]
    return Spent(
        budget,
        distance=unsettled.get("distance") if unsettled else 0.0,
        factor=factor(history),
        share=sum(found["forgotten"] + found["corrected"] for found in asked) / begun if begun else 0.0,
        growth=gradients[-1] / gradients[0] if len(gradients) > 1 else None,
        linearity=ratios[-1] if ratios else None,
    )


def standing(history: Lines) -> list[Mapping[str, Any]]:
    """The lines that were not undone, without those of undoing."""
    found: list[Mapping[str, Any]] = []
    for line in history:
        if line["kind"] == "undo":
            found = [one for one in found if one["number"] < line["undoes"]]
        else:
            found.append(line)
    return found


def _ratio(linearity: Mapping[str, float] | None) -> float | None:
    """Actual over predicted decrease, where they are large enough to tell."""
    if not linearity or linearity["predicted"] is None or linearity["actual"] is None:
        return None
    predicted, actual = linearity["predicted"], linearity["actual"]
    return actual / predicted if max(abs(predicted), abs(actual)) > _TOLD and predicted else None
