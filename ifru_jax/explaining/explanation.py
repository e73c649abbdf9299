"""The answer of `explain`: reasons, each a rating with what it adds, and the list without some of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ifru_jax.data import Interactions
from ifru_jax.display import Mark, Picture, bars, table
from ifru_jax.explaining.counterfactual import Counterfactual
from ifru_jax.explaining.question import Kind


@dataclass(frozen=True)
class Reason:
    """A rating and what it adds to what is explained: positive speaks for it, negative against.

    Attributes:
      user, item: original ids.
      label: as the model learned it.
      influence: in units of what is explained; m now, less m without the rating.
    """

    user: int | str
    item: int | str
    label: float
    influence: float


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Why. Notebooks show it as a table; `plot()` is a picture.

    Attributes:
      kind: "score" of an item, "difference" of two scores, or "NDCG" of the list, smoothed.
      user: original id.
      items: original ids: the item; the item and the other; or those that are right.
      value: the number that is explained.
      reasons: the ratings with the largest influence either way, the largest first.
      own, others: sums of the influences of all ratings of the user, and of all others; None where other users were held.
      interactions: those that were looked at.
      influences: float [n], of each of them.
      course: "along the training" or "from its end", where influences were followed.
      histories: whether the model reads histories, whose change is left out of influences.
      without: the list without some ratings, if it was asked for.
      titles: of items.
    """

    kind: Kind
    user: int | str
    items: tuple[int | str, ...]
    value: float
    reasons: tuple[Reason, ...]
    own: float
    others: float | None
    interactions: Interactions
    influences: np.ndarray
    course: str
    histories: bool = False
    without: Counterfactual | None = None
    titles: Mapping[Any, str] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """What is explained, in words."""
        first = self._named(self.items[0])
        if self.kind == "score":
            return f"score {self.value:.3f} of {first} for user {self.user}"
        if self.kind == "difference":
            return f"{first} is {self.value:+.3f} from {self._named(self.items[1])} for user {self.user}"
        return f"NDCG {self.value:.3f} of the list of user {self.user}, were {len(self.items)} items the right ones"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = {name: getattr(self, name) for name in ("kind", "user", "value", "own", "others", "course")}
        reasons = [asdict(reason) | {"title": self._title(reason.item)} for reason in self.reasons]
        without = None
        if self.without is not None:
            names = ("removed", "value", "before", "after", "overlap")
            without = {name: getattr(self.without, name) for name in names} | {"report": self.without.report.as_dict()}
        return found | {"items": list(self.items), "reasons": reasons, "without": without}

    def __repr__(self) -> str:
        lines = [f"Why: {self.question}"]
        lines += [f"  {reason.influence:+.4f}  {self._told(reason)}" for reason in self.reasons]
        return "\n".join([*lines, *self._notes])

    def _repr_html_(self) -> str:
        rows = [
            (Mark(f"{r.influence:+.4f}", "for" if r.influence > 0 else "against"), self._named(r.item), r.user, r.label)
            for r in self.reasons
        ]
        shown = table(f"Why: {self.question}", ("adds", "rating of", "by user", "label"), rows, note=" ".join(self._notes))
        if self.without is None:
            return shown
        places = range(max(len(self.without.before), len(self.without.after)))
        lists = [[self._entry(of, place) for of in (self.without.before, self.without.after)] for place in places]
        rows = [(place + 1, *listed) for place, listed in zip(places, lists, strict=True)]
        return shown + table("The list", ("", "as it is", "without these ratings"), rows)

    def plot(self) -> Picture:
        """The reasons as bars: to the right what speaks for it.

        Raises:
          DataError: matplotlib isn't installed.
        """
        values = [reason.influence for reason in self.reasons]
        kinds = ["for" if value > 0 else "against" for value in values]
        return bars(f"Why: {self.question}", [self._told(r) for r in self.reasons], values, kinds, unit=f"adds to the {self.kind}")

    @property
    def _notes(self) -> list[str]:
        others, held = ("", ", with other users held") if self.others is None else (f", those of others {self.others:+.3f}", "")
        notes = [f"The user's own ratings add {self.own:+.3f}{others}; followed {self.course}{held}."]
        if self.histories:
            notes.append("The model reads histories: what a deletion moves up in them is in no influence, ask without=[…].")
        if self.without is not None:
            notes.append(self._told_without(self.without))
        return notes

    def _told_without(self, found: Counterfactual) -> str:
        many = f"{len(found.removed)} rating{'s' * (len(found.removed) != 1)}"
        come = f", {', '.join(map(self._named, found.new))} would come" if found.new else ""
        kept = len(found.before) - len(found.gone)
        return f"Without {many} it would be {found.value:.3f}, and {kept} of {len(found.before)} items would stay listed{come}."

    def _told(self, reason: Reason) -> str:
        by = "" if reason.user == self.user else f", by user {reason.user}"
        return f"{self._named(reason.item)} ({reason.label:g}{by})"

    def _entry(self, listed: tuple[tuple[int | str, float], ...], place: int) -> str | None:
        return self._named(listed[place][0]) if place < len(listed) else None

    def _named(self, item: int | str) -> str:
        return self._title(item) or f"item {item}"

    def _title(self, item: int | str) -> str | None:
        return self.titles.get(item, self.titles.get(str(item)))
