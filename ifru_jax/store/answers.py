"""What the store answers to a request. Answers name those who asked and are for the one who asked; the journal names nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifru_jax.store.budget import Spent
from ifru_jax.store.resolve import IdAnswer
from ifru_jax.unlearning import Report


@dataclass(frozen=True)
class Answer:
    """What was done.

    Attributes:
      number: of the line in the journal.
      kind: "forget", "correct" or "undo".
      answers: for each id that was named.
      report: the evidence of the step; None where nothing was left to do.
      held_out: interactions that were held out of training and went too.
      undo_until: until when it can be undone, in UTC; None where it can't.
      elsewhere: what still holds what was erased and lies outside of the store: files that it was read from or exported to.
      spent: of the budget of errors, afterwards.
      settled: number of the line that settled a quick answer at once, since the budget was spent; None where none did.
    """

    number: int
    kind: str
    answers: tuple[IdAnswer, ...] = ()
    report: Report | None = None
    held_out: int = 0
    undo_until: str | None = None
    elsewhere: tuple[str, ...] = ()
    spent: Spent | None = None
    settled: int | None = None

    @property
    def complete(self) -> bool:
        """Whether everything that was named was there, or was done before."""
        return not self.count("not in the data")

    def count(self, found: str) -> int:
        """How many of the ids have this answer."""
        return sum(one.found == found for one in self.answers)

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return {
            "number": self.number,
            "kind": self.kind,
            "complete": self.complete,
            "answers": [{"kind": one.kind, "ids": list(one.ids), "found": one.found} for one in self.answers],
            "report": None if self.report is None else self.report.as_dict(),
            "held_out": self.held_out,
            "undo_until": self.undo_until,
            "elsewhere": list(self.elsewhere),
            "spent": None if self.spent is None else self.spent.as_dict(),
            "settled": self.settled,
        }


@dataclass(frozen=True)
class Preview:
    """What a request would do. Nothing was written.

    Attributes:
      answers: for each id that was named.
      interactions: that would be forgotten or corrected, of those the model learned from.
      held_out: that were held out of training and would go too.
      share: of all interactions of the model.
      along: ids of users and of items that would lose their last interaction without being named.
      hops: users and items within 0, 1, … steps of what is forgotten, as far as the model propagates: whom it reaches directly.
      score_change: mean and largest absolute change of the scores of the pairs concerned; None where it wasn't tried.
      overlap: of the top lists of up to a thousand users before and after, the mean and the smallest; None where it wasn't tried.
      seconds: that it will take, about; None where nobody knows yet.
      advice: to take it in parts, or to retrain instead; empty where one step is right.
      spent: of the budget of errors, before it.
    """

    answers: tuple[IdAnswer, ...]
    interactions: int
    held_out: int
    share: float
    along: Mapping[str, list]
    hops: tuple[Mapping[str, int], ...]
    score_change: Mapping[str, float] | None
    overlap: Mapping[str, float] | None
    seconds: float | None
    advice: str
    spent: Spent | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON."""
        found = vars(self) | {"along": dict(self.along), "hops": [dict(hop) for hop in self.hops]}
        found["answers"] = [{"kind": one.kind, "ids": list(one.ids), "found": one.found} for one in self.answers]
        return found | {"spent": None if self.spent is None else self.spent.as_dict()}
