"""What `verify` is told and what it answers: measures, each with limits and a verdict.

>>> judged("quality", 0.71, 0.65, mean=0.72, limits=Limits(low=0.7), informative=True).verdict
'pass'
>>> judged("closeness", 1.1, 1.3, mean=1.0, limits=Limits(high=1.22), informative=True, power=0.1).verdict
'cannot tell'
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple, Self

from ifru_jax.display import Mark, Picture, Within, table
from ifru_jax.display import limits as limits_picture
from ifru_jax.evaluation.closeness import SEEN_FROM
from ifru_jax.evaluation.facts import Fact
from ifru_jax.training.losses import LossLike

Group = Literal["closeness", "forgetting", "membership", "quality"]
Verdict = Literal["pass", "fail", "cannot tell", "not judged"]
Outcome = Literal["passed", "failed", "cannot tell"]

POWER = 0.8
"""A verification proves something if it would have found a model that forgot half, with this probability."""


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
      verdict: "pass"; "fail"; "cannot tell" inside the limits where a model that forgot half would be too, and outside where a
        training that scatters more would be too; "not judged" where there is no value or no limit.
      informative: whether the original model is outside its limits, so that passing proves something; None if not judged.
      power: probability that a model halfway between the original and the retrained ones doesn't pass; None if nothing follows
        from it.
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
    power: float | None = None

    @property
    def passes(self) -> str:
        """Between what it passes, in words."""
        if self.low is None:
            return "–" if self.high is None else f"up to {self.high:.4g}"
        return f"from {self.low:.4g}" if self.high is None else f"{self.low:.4g} to {self.high:.4g}"

    @property
    def outside(self) -> bool:
        """Whether the value is beyond a limit."""
        if self.value is None:
            return False
        return (self.low is not None and self.value < self.low) or (self.high is not None and self.value > self.high)

    def in_doubt(self) -> "Measure":
        """The same where something else than what was forgotten may be why it is outside."""
        return replace(self, verdict="cannot tell") if self.verdict == "fail" else self

    @property
    def telling(self) -> bool:
        """Whether passing it shows that more than half was forgotten; as good as retraining is also who only learned more."""
        return self.group != "quality" and bool(self.informative) and (self.power or 0.0) >= POWER


@dataclass(frozen=True)
class Verification:
    """The answer of `verify`.

    Attributes:
      verdict: "failed" if a fact doesn't hold or a measure failed; "passed" if all judged measures are inside their limits and one
        at least is telling, that is, would have found a model that forgot half with a probability of 80 %; else "cannot tell".
      why: what the verdict rests on, and what to do where there is none.
      failed: names of the facts and measures that failed.
      measures: by name.
      facts: by name, what is known of the data of the models (`ifru_jax.evaluation.facts`).
      attacks: what each membership attack achieved against "original", "unlearned" and "retrained" (a list), with intervals.
      counts: sizes, never ids.
      linearity: how well the step predicted what it did (`unlearning.linearity`), for whoever puts it here.
    """

    verdict: Outcome
    why: str
    failed: tuple[str, ...]
    measures: dict[str, Measure]
    facts: dict[str, Fact] = field(default_factory=dict)
    attacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    linearity: dict[str, float | None] | None = None

    @classmethod
    def of(cls, measures: dict[str, Measure], facts: dict[str, Fact], **found: Any) -> Self:
        """The answer that follows from measures and facts; `found` are the other attributes."""
        failed = [name for name, fact in facts.items() if not fact.holds]
        failed += [name for name, measure in measures.items() if measure.verdict == "fail"]
        telling = [name for name, measure in measures.items() if measure.telling]
        doubtful = [name for name, measure in measures.items() if measure.outside]
        if failed:
            verdict, why = "failed", "; ".join(f"{name}: {fact.detail}" for name, fact in facts.items() if not fact.holds)
            why = why or f"{len(failed)} measures tell it from a retrained model"
        elif doubtful:
            verdict, why = "cannot tell", _doubt(doubtful)
        elif telling:
            verdict, why = "passed", f"a model that forgot half would have failed {', '.join(telling)}"
        else:
            verdict, why = "cannot tell", _why_not(measures)
        return cls(verdict, why, tuple(failed), measures, facts, **found)

    @property
    def passed(self) -> bool:
        """Whether the verdict is "passed", for an audit: never where it can't be told."""
        return self.verdict == "passed"

    def _repr_html_(self) -> str:
        heads = ("about", "measure", "original", "unlearned", "retrained", "passes", "verdict", "power")
        rows = [
            (m.group, name, m.original, m.value, m.retrained, m.passes, Mark(m.verdict, m.verdict), m.power)
            for name, m in self.measures.items()
        ]
        facts = [
            (name, Mark(*(("holds", "pass") if fact.holds else ("fails", "fail"))), fact.detail)
            for name, fact in self.facts.items()
        ]
        shown = table(f"Verification: {self.verdict}", heads, rows, note=f"{self.why}.")
        return shown + (table("Facts", ("fact", "", "found"), facts) if facts else "")

    def plot(self) -> Picture:
        """Every judged measure, by how far it is from retrained models, in units of its limit.

        Raises:
          DataError: matplotlib isn't installed.
        """
        rows = [
            Within(name, m.original, m.value, m.retrained, m.low, m.high)
            for name, m in self.measures.items()
            if m.verdict != "not judged" and m.original is not None and m.value is not None and m.retrained is not None
        ]
        return limits_picture(f"Verification: {self.verdict}", rows)

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON, without NaN."""
        return {"passed": self.passed} | asdict(self) | {"failed": list(self.failed)}


def _doubt(names: list[str]) -> str:
    """What to do where a model is farther from retrained ones than these are from one another, but not so far that it is sure."""
    return (
        f"{', '.join(names)}: farther from the retrained models than these are from one another, as a training that scatters more "
        f"would be; give {SEEN_FROM} retrained models, which would show it"
    )


def _why_not(measures: dict[str, Measure]) -> str:
    """What is in the way of a verdict, and what to do."""
    about_data = [measure for measure in measures.values() if measure.group != "quality" and measure.informative]
    powers = [measure.power for measure in about_data if measure.power is not None]
    if not powers:
        return (
            "the original passes every measure that would show what others learned from the forgotten: the request is too small to "
            "be seen in the noise of training. Verify a sample of requests together, or a larger one of the same kind"
        )
    return (
        f"a model that forgot half would be found with a probability of {max(powers):.0%} only, less than {POWER:.0%}: give more "
        "retrained models"
    )


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


class Limits(NamedTuple):
    """Between which a value passes, None without a limit; and above which it fails for sure, None where it does outside of them."""

    low: float | None = None
    high: float | None = None
    sure_above: float | None = None


def judged(
    group: Group,
    value: float,
    before: float,
    *,
    mean: float,
    limits: Limits,
    z: float | None = None,
    informative: bool,
    power: float | None = None,
) -> Measure:
    """The measure of value and original (`before`) with the verdict that the limits give.

    Outside of them it fails; with `sure_above` only above that, and can't tell between.
    """
    found = Measure(group, value, before, mean, limits.low, limits.high, z, "pass", informative, power)
    if found.outside:
        fails = replace(found, verdict="fail")
        return fails.in_doubt() if limits.sure_above is not None and value <= limits.sure_above else fails
    shows = group == "quality" or power is None or found.telling
    return found if shows else replace(found, verdict="cannot tell")
