"""The protocol by which a store goes from one state to the next, so that it is in one of the two whenever it is looked at.

    1. write the new state beside the old one, under a name of its own, and flush it to disk
    2. in one transaction: the line of the journal, the tags, which state is current and which is sealed
    3. destroy what no state names any more

A process that dies before 2 leaves a state that nobody names; one that dies after it leaves the old state. The next writer destroys
either, in `tidy`, which is step 3 again. Nothing else deletes a state.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifru_jax.errors import DataError
from ifru_jax.store import database, journal, moments, states
from ifru_jax.store.journal import Line
from ifru_jax.store.key import Key
from ifru_jax.store.states import State

_KEPT = "name, digest, until, undoes, basis"
_NEW = "INSERT INTO states VALUES (?, ?, 'current', NULL, NULL, ?)"
_FORGET_BASES = """
DELETE FROM states WHERE role = 'basis'
AND name NOT IN (SELECT basis FROM states WHERE basis IS NOT NULL AND role <> 'basis')
"""
Also = Callable[[sqlite3.Connection, Line], None]


@dataclass(frozen=True)
class Kept:
    """A state that the database names.

    Attributes:
      name, digest: of the state.
      until: when a sealed one is destroyed, in seconds since 1970; None for the current one.
      undoes: number of the line that a sealed one was before; None for the current one.
      basis: name of the state before the quick answers that are in it and not settled; None where all is settled.
    """

    name: str
    digest: str
    until: float | None = None
    undoes: int | None = None
    basis: str | None = None


@dataclass(frozen=True)
class Entry:
    """What is said of a step.

    Attributes:
      kind: of the line.
      content: of the line.
      tags: of what is erased from now on, for the index.
      quick: whether it is to be settled later, for which the state before the first such step is kept.
    """

    kind: str
    content: Mapping[str, Any]
    tags: Sequence[str] = ()
    quick: bool = False


def current(connection: sqlite3.Connection) -> Kept:
    """The state that counts."""
    return Kept(*connection.execute(f"SELECT {_KEPT} FROM states WHERE role = 'current'").fetchone())


def sealed(connection: sqlite3.Connection) -> list[Kept]:
    """The states before earlier steps that are still kept, the latest first."""
    return [Kept(*row) for row in connection.execute(f"SELECT {_KEPT} FROM states WHERE role = 'sealed' ORDER BY undoes DESC")]


def begin(folder: Path, state: State, facts: Mapping[str, str], entry: Entry, key: Key | None) -> None:
    """The first state of a new store."""
    name, digest = states.write(folder, state)
    with database.writing(folder) as connection:
        connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
        journal.append(connection, entry.kind, {**entry.content, "after": digest}, key)
        connection.execute(_NEW, (name, digest, None))


def step(folder: Path, state: State, entry: Entry, *, key: Key | None = None, grace: float = 0.0) -> Line:
    """Goes to another state; the one before is kept sealed for `grace` seconds, if that is any."""
    name, digest = states.write(folder, state)
    with database.writing(folder) as connection:
        before = current(connection)
        until = moments.now() + grace if grace else None
        content = {**entry.content, "before": before.digest, "after": digest}
        content["undo_until"] = None if until is None else moments.as_text(until)
        line = journal.append(connection, entry.kind, content, key)
        connection.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, line.number) for tag in entry.tags])
        basis = (before.basis or before.name) if entry.quick else None
        role = "basis" if until is None else "sealed"
        number = None if until is None else line.number
        connection.execute("UPDATE states SET role = ?, until = ?, undoes = ? WHERE name = ?", (role, until, number, before.name))
        connection.execute(_NEW, (name, digest, basis))
        connection.execute(_FORGET_BASES)
    _tidy_after(line, folder, key)
    return line


def back(folder: Path, to: Kept, entry: Entry, *, key: Key | None = None) -> Line:
    """Goes back to a sealed state; what was tagged as erased by the step that it undoes no longer is."""
    with database.writing(folder) as connection:
        before = current(connection)
        line = journal.append(connection, entry.kind, {**entry.content, "before": before.digest, "after": to.digest}, key)
        connection.execute("DELETE FROM states WHERE name = ?", (before.name,))
        connection.execute("UPDATE states SET role = 'current', until = NULL, undoes = NULL WHERE name = ?", (to.name,))
        connection.execute(_FORGET_BASES)
        connection.execute("DELETE FROM tags WHERE number = ?", (to.undoes,))
    _tidy_after(line, folder, key)
    return line


def note(folder: Path, entry: Entry, *, key: Key | None = None, also: Also | None = None) -> Line:
    """A line that changes no state; `also` is done in the same transaction."""
    with database.writing(folder) as connection:
        digest = current(connection).digest
        line = journal.append(connection, entry.kind, {**entry.content, "before": digest, "after": digest}, key)
        if also is not None:
            also(connection, line)
    return line


def tidy(folder: Path, key: Key | None = None) -> None:
    """Destroys what nobody names and what was sealed until now; only for the one who writes.

    The files go first: a line that says they are gone is true.
    """
    finished = over(folder)
    with database.reading(folder) as connection:
        named = {name for (name,) in connection.execute("SELECT name FROM states")}
    states.destroy_others(folder, named - {one.name for one in finished})
    if finished:
        with database.writing(folder) as connection:
            digest, steps = current(connection).digest, sorted(one.undoes for one in finished if one.undoes is not None)
            journal.append(connection, "destroyed", {"steps": steps, "before": digest, "after": digest}, key)
            connection.executemany("DELETE FROM states WHERE name = ?", [(one.name,) for one in finished])
            connection.execute(_FORGET_BASES)


def end_grace(folder: Path, key: Key | None = None) -> int:
    """Destroys every sealed state now, and says how many there were; one that is to be settled from goes once it is."""
    with database.writing(folder) as connection:
        count = connection.execute("UPDATE states SET until = ? WHERE role = 'sealed'", (moments.now(),)).rowcount
    tidy(folder, key)
    return count


def over(folder: Path) -> list[Kept]:
    """The sealed states whose time has run out, but for one that quick answers are still to be settled from."""
    with database.reading(folder) as connection:
        kept, now = sealed(connection), current(connection)
    finished = [one for one in kept if one.until is not None and one.until <= moments.now()]
    needed = {one.basis for one in [now, *kept] if one not in finished}
    return [one for one in finished if one.name not in needed]


def _tidy_after(line: Line, folder: Path, key: Key | None) -> None:
    try:
        tidy(folder, key)
    except OSError as error:
        raise DataError(
            f"line {line.number} is recorded and the model is the new one, but what was before could not be destroyed ({error}): "
            "open the store again, which tries again."
        ) from error
