"""A command about reasons: `explain`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from ifru_jax.command.line import Exit, print_json
from ifru_jax.command.of_store import OfStore
from ifru_jax.command.show import say
from ifru_jax.errors import DataError
from ifru_jax.exact import ExactModel
from ifru_jax.explaining import explain
from ifru_jax.progress import working


@dataclass(frozen=True)
class Explain(OfStore):
    """Which ratings made the model show an item, and the list without some of them. Writes nothing.

    For instance:

        ifru explain shop --user 42
        ifru explain shop --user 42 --item 371 --rather-than 318
        ifru explain shop --user 42 --without 260 1196

    Attributes:
      user: id of the user.
      item: id of the item; by default the first of the user's list.
      rather_than: another item, for how far the first is above it.
      without: items whose ratings by this user are taken away, to see the list without them.
      among: ratings to name: the user's own, those of neighbours too, or all. Other users are named then.
      k: ratings to name, and items per list.
    """

    user: str = tyro.MISSING
    item: str | None = None
    rather_than: str | None = None
    without: tuple[str, ...] | None = None
    among: Literal["own", "neighbours", "all"] = "own"
    k: Annotated[int, tyro.conf.arg(aliases=("-k",))] = 10

    def run(self) -> int:
        """Asks the model as it is now, beside whoever writes."""
        with self.opened(read_only=True) as store, working("explaining"):
            asked = {"user": self.user, "item": self.item, "rather_than": self.rather_than, "without": self.without}
            model = store.model
            if isinstance(model, ExactModel):
                raise DataError(
                    f"{model!r} has no objective, whose influences explain a list: ask what would change by ifru preview."
                )
            found = explain(model, **asked, among=self.among, k=self.k)
        print_json(found.as_dict()) if self.json else say(repr(found))
        return Exit.DONE
