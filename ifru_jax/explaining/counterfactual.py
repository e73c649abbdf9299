"""A user's list as it would be without some ratings, by the step that forgets them."""

from dataclasses import dataclass

from ifru_jax.unlearning import Report

Listed = tuple[tuple[int | str, float], ...]


@dataclass(frozen=True)
class Counterfactual:
    """What a list would be, and what it is.

    Attributes:
      removed: (user, item) of each rating that is taken away.
      value: of what is explained, as it would be.
      before, after: (item, score), best first; an item whose rating is taken away is unseen again, and may come up.
      report: of the step.
    """

    removed: tuple[tuple[int | str, int | str], ...]
    value: float
    before: Listed
    after: Listed
    report: Report

    @property
    def gone(self) -> tuple[int | str, ...]:
        """Items that would not be listed any more."""
        return tuple(item for item, _ in self.before if item not in {other for other, _ in self.after})

    @property
    def new(self) -> tuple[int | str, ...]:
        """Items that would be listed instead."""
        return tuple(item for item, _ in self.after if item not in {other for other, _ in self.before})

    @property
    def overlap(self) -> float:
        """Share of the list that would stay, 1 of an empty one."""
        return 1 - len(self.gone) / len(self.before) if self.before else 1.0
