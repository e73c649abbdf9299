"""What `verify` is told and what it answers: measures, each with limits and a verdict.

>>> judged("quality", 0.71, 0.65, mean=0.72, low=0.7).verdict
'pass'
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ifru_jax.training.losses import LossLike

Group = Literal["closeness", "forgetting", "membership", "quality"]
Verdict = Literal["pass", "fail", "not judged"]


@dataclass(frozen=True)
class Measure:
    """One measure of the unlearned model.

    Attributes:
      group: what it is about.
      value: of the unlearned model; None where it does not apply.
      original: of the model before.
      retrained: mean over the retrained models (1 for distances, which are in units of theirs).
      low, high: between which the value passes; None is no limit on that side.
      z: distance from the retrained mean in units of a retrained model's uncertainty; None for distances.
      verdict: "pass", "fail", or "not judged" where there is no value or no limit.
      informative: whether the original model fails it, so that passing proves something; None if not judged.
    """

    group: Group
    value: float | None
    original: float | None
    retrained: float | None
    low: float | None = None
    high: float | None = None
    z: float | None = None
    verdict: Verdict = "not judged"
    informative: bool | None = None


@dataclass(frozen=True)
class Verification:
    """The answer of `verify`.

    Attributes:
      passed: whether no measure failed and at least one was judged.
      failed: names of the measures that failed.
      measures: by name.
      attacks: what each membership attack achieved against "original", "unlearned" and "retrained" (a list), with intervals.
      counts: sizes, never ids.
      linearity: how well the step predicted what it did (`unlearning.linearity`), for whoever puts it here.
    """

    passed: bool
    failed: tuple[str, ...]
    measures: dict[str, Measure]
    attacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    linearity: dict[str, float | None] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON, without NaN."""
        return asdict(self) | {"failed": list(self.failed)}


@dataclass(frozen=True)
class VerifyConfig:
    """How to verify.

    Attributes:
      membership: False leaves membership inference out; so does a request after which nothing can be asked.
      loss: of all models; None takes that of a `Trained` original. Where it leaves the level of each user's scores free, AUC, gaps
        and losses are of scores without levels. Attacks are on the scores as they are served, levels included.
      k: length of the recommendation lists.
    """

    membership: bool = True
    loss: LossLike | None = None
    k: int = 20


def judged(
    group: Group,
    value: float,
    before: float,
    *,
    mean: float,
    low: float | None = None,
    high: float | None = None,
    z: float | None = None,
) -> Measure:
    """The measure of value and original (`before`) with the verdict that the limits give."""

    def inside(x: float) -> bool:
        return (low is None or x >= low) and (high is None or x <= high)

    return Measure(group, value, before, mean, low, high, z, "pass" if inside(value) else "fail", not inside(before))
