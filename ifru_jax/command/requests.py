"""Commands about people: `preview`, `forget`, `correct`, `settle`, `undo`, `end-grace`, `erased`."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ifru_jax.command.line import Exit, print_json
from ifru_jax.command.of_store import OfStore
from ifru_jax.command.show import answer, preview, say
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.errors import DataError
from ifru_jax.progress import working
from ifru_jax.store import Answer, Asked


@dataclass(frozen=True)
class Named(OfStore):
    """Who and what a request names.

    Attributes:
      user: ids of users, with all their interactions.
      item: ids of items, with all their interactions.
      interaction: pairs, a user and an item after the other.
      file: file with columns user and item, or one of them for whole users or items (CSV, JSON lines, Parquet, …); a third column
        new_label makes corrections of them.
      reading: how the file is read.
    """

    user: tuple[str, ...] = ()
    item: tuple[str, ...] = ()
    interaction: tuple[tuple[str, str], ...] = ()
    file: Path | None = None
    reading: ReadOptions = field(default_factory=ReadOptions)

    @property
    def asked(self) -> Asked:
        """All of it together."""
        named = Asked.of(users=self.user, items=self.item, interactions=self.interaction)
        found = named if self.file is None else named | Asked.read(self.file, **self.reading)
        if not found:
            raise DataError("the request names nobody: give --user, --item, --interaction or --file.")
        return found


@dataclass(frozen=True)
class Preview(Named):
    """What a request would do: who is touched, what changes, how long it takes. Writes nothing.

    For instance:

        ifru preview shop --user 42
        ifru preview shop --file erase.csv --quick

    Attributes:
      quick: counts alone, without trying the step.
      k: length of the lists that are compared.
    """

    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    k: Annotated[int, tyro.conf.arg(aliases=("-k",))] = 20

    def run(self) -> int:
        """Beside whoever writes."""
        with self.opened(read_only=True) as store, working("previewing"):
            found = store.preview(self.asked, tried=not self.quick, k=self.k)
        print_json(found.as_dict()) if self.json else preview(found)
        return Exit.PARTLY if any(one.found == "not in the data" for one in found.answers) else Exit.DONE


@dataclass(frozen=True)
class Forget(Named):
    """Forgets users, items or interactions, in one step, and records it.

    For instance:

        ifru forget shop --user 42
        ifru forget shop --interaction 15 371 16 372
        ifru forget shop --file erase.csv --missing report --json

    Exit status: 0 done, or done before; 2 nothing was done; 3 done but for ids that are not in the data; 4 another process writes.

    Attributes:
      missing: "error" refuses a request that names what is not in the data, "report" does the rest.
      quick: answers on the rows concerned; what the other rows learned goes with `ifru settle`, with the next request without it,
        or at once where the budget of errors is spent (`ifru train --settle-at`).
    """

    missing: Literal["error", "report"] = "error"
    quick: tyro.conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """One step for all that is named."""
        asked = self.asked
        with self.opened() as store, working("forgetting"):
            found = store.forget(asked, missing=self.missing, quick=self.quick)
        # Names those who were erased until somebody deletes it.
        left = () if self.file is None else (str(self.file),)
        return told(replace(found, elsewhere=(*found.elsewhere, *left)), json=self.json)


@dataclass(frozen=True)
class Correct(OfStore):
    """Sets labels right; the interactions stay.

    For instance, user 15 likes item 371 after all:

        ifru correct shop --label 15 371 1

    Exit status: as forget.

    Attributes:
      label: triples, a user, an item and the label that is right.
      file: file with columns user, item and new_label.
      missing: "error" refuses a request that names what is not in the data, "report" does the rest.
      quick: as of forget.
      reading: how the file is read.
    """

    label: tuple[tuple[str, str, float], ...] = ()
    file: Path | None = None
    missing: Literal["error", "report"] = "error"
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    reading: ReadOptions = field(default_factory=ReadOptions)

    def run(self) -> int:
        """One step for all labels."""
        asked = Asked.of(corrected=self.label)
        asked = asked if self.file is None else asked | Asked.read(self.file, **self.reading)
        if not asked:
            raise DataError("no label is named: give --label USER ITEM LABEL or --file.")
        with self.opened() as store, working("correcting"):
            found = store.correct(asked=asked, missing=self.missing, quick=self.quick)
        return told(found, json=self.json)


@dataclass(frozen=True)
class Undo(OfStore):
    """Goes back to the state before the last request, within its grace period.

    For instance:

        ifru undo shop
    """

    def run(self) -> int:
        """The last step that isn't undone."""
        with working("undoing"), self.opened() as store:
            found = store.undo()
            undone = store.history()[-1]["undoes"]
        print_json({"number": found.number, "undoes": undone}) if self.json else say(
            f"The store is as it was before line {undone} (line {found.number} of the record)."
        )
        return Exit.DONE


@dataclass(frozen=True)
class Settle(OfStore):
    """One whole step for all that was answered with --quick since.

    For instance, every night:

        ifru settle shop

    The state before the quick answers, which was kept for that, is destroyed. Where the budget of errors was spent, that was done
    already, and nothing is left to do.
    """

    def run(self) -> int:
        """From the state before them."""
        with self.opened() as store, working("settling"):
            if not store.unsettled:
                print_json({"number": None}) if self.json else say("Nothing is to be settled: every answer is a whole step.")
                return Exit.DONE
            found = store.settle()
            line = store.history()[-1]
        if self.json:
            print_json(found.as_dict() | {"error": line["error"]})
        else:
            was = "" if line["error"] is None else f" The quick answers were {line['error']:.2f} of the whole step away from it."
            say(f"Settled (line {found.number} of the record).{was}")
        return Exit.DONE


@dataclass(frozen=True)
class EndGrace(OfStore):
    """Ends all grace periods now: what was kept for undo is destroyed.

    For instance:

        ifru end-grace shop
    """

    def run(self) -> int:
        """Nothing can be undone afterwards."""
        with working("destroying"), self.opened() as store:
            count = store.end_grace()
        print_json({"destroyed": count}) if self.json else say(f"States destroyed: {count}. No request can be undone any more.")
        return Exit.DONE


@dataclass(frozen=True)
class Erased(OfStore):
    """Was somebody erased? Only the key tells.

    For instance:

        ifru erased shop --user 42 --key shop.key

    Exit status: 0 yes, 1 no.

    Attributes:
      user: id of a user.
      item: id of an item; with a user, the interaction of both.
    """

    user: str | None = None
    item: str | None = None

    def run(self) -> int:
        """Looks the tag up."""
        with working("looking"), self.opened(read_only=True) as store:
            line = store.erased(user=self.user, item=self.item)
            when = None if line is None else store.history()[line - 1]["time"]
        if self.json:
            print_json({"erased": line is not None, "line": line, "time": when})
        else:
            say("No, not by this store." if line is None else f"Yes, by line {line} of the record, at {when}.")
        return Exit.NO if line is None else Exit.DONE


def told(found: Answer, *, json: bool) -> int:
    """Shows an answer; whether it was complete is the status."""
    print_json(found.as_dict()) if json else answer(found)
    return Exit.DONE if found.complete else Exit.PARTLY
