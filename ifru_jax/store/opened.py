"""A store that is open: who may write, what it was told, and the state that counts, read when somebody looks at it."""

import contextlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ifru_jax.errors import DataError
from ifru_jax.store import commit, creation, database, journal, models, states
from ifru_jax.store.budget import ErrorBudget, Spent, spent
from ifru_jax.store.commit import Entry, Kept
from ifru_jax.store.key import Key
from ifru_jax.store.lock import Lock, StoreBusy
from ifru_jax.store.migration import migrate
from ifru_jax.store.requests import Asked
from ifru_jax.store.resolve import Resolved, Tags, resolve
from ifru_jax.store.states import State
from ifru_jax.unlearning import IFRUConfig
from ifru_jax.unlearning.unsettled import Origin

_TRIES = 5  # of a reader, while writers go on


@dataclass(eq=False)
class Opened:
    """What methods of a store work on.

    Attributes:
      folder: of the store.
      key: the operator's; None without.
      lock: the right to write; None for one that reads.
      config: how requests are answered; None takes the defaults.
      given: model and loss that files don't hold, as `load` takes them.
      turn: threads that write take turns.
    """

    folder: Path
    key: Key | None = None
    lock: Lock | None = None
    config: IFRUConfig | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    turn: threading.RLock = field(default_factory=threading.RLock, init=False)
    _loaded: tuple[str, State] | None = field(default=None, init=False)
    _origin: tuple[str, Origin] | None = field(default=None, init=False)
    _lines: tuple[Mapping[str, Any], ...] = field(default=(), init=False)

    @property
    def writes(self) -> bool:
        """Whether it may write."""
        return self.lock is not None and self.lock.held

    @property
    def state(self) -> State:
        """The current state; read again where another process has gone on."""
        for left in reversed(range(_TRIES)):
            now = self.current
            if self._loaded is not None and self._loaded[0] == now.name:
                return self._loaded[1]
            try:
                self._loaded = (now.name, self.read(now.name))
                return self._loaded[1]
            except DataError:
                # A writer may have destroyed it meanwhile; if not, it is damaged.
                if not left or self.current.name == now.name:
                    raise
        raise AssertionError

    @property
    def current(self) -> Kept:
        """Which state counts."""
        with database.reading(self.folder) as connection:
            return commit.current(connection)

    @property
    def basis(self) -> State | None:
        """The state before the quick answers that are not settled."""
        name = self.current.basis
        return None if name is None else self.read(name)

    @property
    def origin(self) -> Origin:
        """Where quick answers that are not settled set out from, the next one included."""
        now = self.current
        name = now.basis or now.name
        if self._origin is None or self._origin[0] != name:
            before = self.state if name == now.name else self.read(name)
            self._origin = name, Origin.of(models.by_influence(before.model))
        return self._origin[1]

    @property
    def lines(self) -> Sequence[Mapping[str, Any]]:
        """Of the journal, first to last. What was read stays, for lines are only added."""
        known = self._lines
        with database.reading(self.folder) as connection:
            found = (*known, *(line.content for line in journal.lines(connection, after=len(known))))
        # No lock: threads that do so at once find the same.
        self._lines = found
        return found

    @property
    def spent(self) -> Spent:
        """What of the budget is spent."""
        return spent(self.lines, ErrorBudget.of_text(self.fact("budget")))

    def read(self, name: str) -> State:
        """A state by its name."""
        return states.read(self.folder, name, **{name: value for name, value in self.given.items() if value is not None})

    def step(self, state: State, entry: Entry, *, grace: float = 0.0) -> commit.Line:
        """Goes to another state, which then is the one in memory."""
        line = commit.step(self.folder, state, entry, key=self.key, grace=grace)
        self.remember(state)
        if not entry.quick:
            self._origin = None  # it has rows of those who are gone
        return line

    def remember(self, state: State) -> None:
        """What was just written need not be read."""
        self._loaded = (self.current.name, state)

    def note(self, entry: Entry, also: commit.Also | None = None) -> commit.Line:
        """A line that changes no state."""
        return commit.note(self.folder, entry, key=self.key, also=also)

    def fact(self, name: str) -> str:
        """What the store was told at its creation."""
        with database.reading(self.folder) as connection:
            return _fact(connection, name)

    def tags(self, connection: Any) -> Tags:
        """What was erased, as far as the key tells."""
        return Tags(connection, _fact(connection, "store"), self.key)

    def resolved(self, asked: Asked) -> Resolved:
        """What of a request is there."""
        state = self.state
        with database.reading(self.folder) as connection:
            return resolve(asked, state, self.tags(connection))

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """What a request doesn't reach: files that are still there."""
        with database.reading(self.folder) as connection:
            exports = [path for (path,) in connection.execute("SELECT DISTINCT path FROM exports ORDER BY number")]
        return tuple(path for path in [*json.loads(self.fact("sources")), *exports] if Path(path).exists())


def take_lock(folder: Path, key: Key | None) -> Lock:
    """The right to write, in a store of this format, with what was left over and what is over destroyed.

    Raises:
      StoreBusy: somebody else has it.
    """
    lock = Lock.take(folder / creation.LOCK)
    try:
        migrate(folder, key)
        commit.tidy(folder, key)
    except BaseException:
        lock.release()
        raise
    return lock


def destroy_what_is_over(folder: Path) -> None:
    """A reader destroys what was sealed until now, unless somebody writes, who will, or it may not write; the line comes later."""
    with contextlib.suppress(StoreBusy, PermissionError):
        lock = Lock.take(folder / creation.LOCK)
        try:
            for kept in commit.over(folder):
                states.destroy(folder, kept.name)
        finally:
            lock.release()


def _fact(connection: Any, name: str) -> str:
    (value,) = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return value
