"""A store: a folder with a model, its data and its history, where erasure requests are answered."""

import contextlib
import functools
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import jax
import numpy as np

from ifru_jax.api import unlearn
from ifru_jax.checkpoint import save
from ifru_jax.data.forget import ForgetRequest, Ids
from ifru_jax.data.present import Missing, check_missing
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, check_kind
from ifru_jax.evaluation.verdicts import Verification
from ifru_jax.files import write_atomic
from ifru_jax.models import Recommender
from ifru_jax.store import commit, creation, database, journal, lines, moments, states
from ifru_jax.store.answers import Answer, Preview
from ifru_jax.store.commit import Entry, Kept
from ifru_jax.store.key import Key
from ifru_jax.store.lock import Lock, StoreBusy
from ifru_jax.store.page import Told, page
from ifru_jax.store.preview import preview
from ifru_jax.store.record import check_key, check_record
from ifru_jax.store.requests import Asked, Id
from ifru_jax.store.resolve import Resolved, Tags, canonical_ids, held_out_after, resolve, taken_along
from ifru_jax.store.settling import distance
from ifru_jax.store.states import State
from ifru_jax.store.verifying import difference_as_request, verify_step
from ifru_jax.training import LossLike, Trained
from ifru_jax.unlearning import IFRUConfig, Prepared, Report
from ifru_jax.unlearning.compaction import compact, in_order

P = ParamSpec("P")
R = TypeVar("R")
_TRIES = 5  # of a reader, while writers go on


def _one_at_a_time(method: Callable[Concatenate["Store", P], R]) -> Callable[Concatenate["Store", P], R]:
    """For methods that write: threads take turns, and a store that is open to read only, or was closed, refuses."""

    @functools.wraps(method)
    def turn(self: "Store", *arguments: P.args, **options: P.kwargs) -> R:
        with self._turn:
            if self._lock is None or not self._lock.held:
                raise DataError(f"{self.folder} is open to read only, or was closed: open it for writing.")
            return method(self, *arguments, **options)

    return turn


class Store:
    """A folder that holds a model with its data and its history. `create` makes one, `open` opens it.

    One writes at a time, any number read. A store is in the state before a step or after it, whatever happens to the process or to
    the machine meanwhile (`store.commit`). Close it, or use it in a `with` block, to let others write.
    """

    def __init__(self, folder: Path, *, lock: Lock | None, key: Key | None, **given: Any) -> None:
        """Of an existing folder; use `open`. `given` are the model, the loss and the configuration that files don't hold."""
        self.folder = folder
        self._lock, self._key, self._turn = lock, key, threading.RLock()
        self._config: IFRUConfig | None = given.pop("config", None)
        self._given: Mapping[str, Any] = given
        self._loaded: tuple[str, State] | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        trained: Trained,
        *,
        split: Split | None = None,
        key: str | Path | None = None,
        grace: str | None = None,
        sources: Sequence[str | Path] = (),
    ) -> Self:
        """Makes a store of a trained model, whose users and items it puts into a random order, and opens it for writing.

        Args:
          path: of a folder that isn't there yet, or is empty.
          trained: what `fit` returned; what was erased from it before isn't known to the store.
          split: that it was trained on. Its validation and test interactions are kept, since people are to be erased from them as
            well, and `verify` needs them.
          key: file with the operator's key; None leaves the record without tags, so that nobody can ask who was erased.
          grace: how long a step can be undone, such as "30d"; None: not at all.
          sources: files that the data came from, which a request doesn't change; answers remind of them.

        Raises:
          DataError: something is there already, no such key, a split of other tables, or no span of time.
        """
        check_kind("trained", trained, Trained, "give what fit, load or unlearn returned; a file is read by load")
        folder = Path(path)
        secret, seconds = cls.check_new(folder, key=key, grace=grace)
        lock, state = creation.create(folder, trained, split, creation.Terms(secret, seconds, tuple(map(str, sources))))
        config = trained.step if isinstance(trained, Prepared) else None
        found = cls(folder, lock=lock, key=secret, model=trained.model, loss=trained.loss, config=config)
        found._remember(state)
        return found

    @staticmethod
    def check_new(path: str | Path, *, key: str | Path | None = None, grace: str | None = None) -> tuple[Key | None, float]:
        """Refuses what `create` would, before a model is trained; returns the key and the grace period in seconds."""
        folder = Path(path)
        secret = None if key is None else Key.read(key, folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder} is there already and not empty: open it if it is a store, or give another folder.")
        return secret, moments.span(grace)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        key: str | Path | None = None,
        read_only: bool = False,
        model: Recommender | None = None,
        loss: LossLike | None = None,
        config: IFRUConfig | None = None,
    ) -> Self:
        """Opens a store, and destroys what its grace period has run out for.

        Args:
          path: the folder.
          key: file with the operator's key, with which the store was created.
          read_only: leaves writing to another process.
          model, loss: for one that does not ship with ifru_jax; see `load`.
          config: how requests are answered; None takes the defaults.

        Raises:
          DataError: no store, one of another version, or another key.
          StoreBusy: another process writes; the message says which.
        """
        folder = Path(path)
        secret = None if key is None else Key.read(key, folder)
        with database.reading(folder) as connection:
            facts = dict(connection.execute("SELECT name, value FROM facts"))
        check_key(secret, facts)
        if secret is None and "key" in facts and not read_only:
            raise DataError(f"{folder} was created with a key, which its record is sealed with: give the key file, or only read.")
        lock = None
        if read_only:
            _destroy_what_is_over(folder)
        else:
            lock = Lock.take(folder / creation.LOCK)
            try:
                commit.tidy(folder, secret)
            except BaseException:
                lock.release()
                raise
        return cls(folder, lock=lock, key=secret, model=model, loss=loss, config=config)

    def close(self) -> None:
        """Lets others write. What was asked for is on the disk already."""
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        with database.reading(self.folder) as connection:
            (count,) = connection.execute("SELECT count(*) FROM journal").fetchone()
            kept = len(commit.sealed(connection))
        how = "writing" if self._lock is not None and self._lock.held else "reading"
        return f"Store({str(self.folder)!r}, {how}, {count} lines, {kept} steps that can be undone)"

    @property
    def model(self) -> Trained:
        """The model as it is now; a reader sees what writers have done."""
        return self._state().model

    @property
    def split(self) -> Split | None:
        """What the model stands for with what was held out, as it is now; None if nothing was held out."""
        state = self._state()
        if state.valid is None or state.test is None:
            return None
        return Split(state.model.interactions, state.valid, state.test)

    def preview(self, asked: Asked | None = None, *, tried: bool = True, k: int = 20, **named: Any) -> Preview:
        """What a request would do, without doing it.

        Args:
          asked: the request, such as `Asked.read(path)`; or by name, users, items, interactions and corrected.
          tried: also tries the step in memory and compares scores and lists, which takes as long as the request.
          k: length of the lists.
          named: `users`, `items`, `interactions`, `corrected`: any iterables of ids.

        Raises:
          DataError: a request for everything, or one that isn't one.
        """
        resolved = self._resolved(_asked(asked, named))
        took = [line["seconds"] for line in self.history() if line.get("seconds")]
        seconds = float(np.mean(took[-5:])) if took else None
        return preview(self._state(), resolved, config=self._config, seconds=seconds, tried=tried, k=k)

    def forget(
        self,
        asked: Asked | None = None,
        *,
        users: Ids | None = None,
        items: Ids | None = None,
        interactions: Iterable[Sequence[Id]] | None = None,
        missing: Missing = "error",
        quick: bool = False,
    ) -> Answer:
        """Forgets users, items or interactions, in one step, and records it.

        What is asked goes at once in any case, and rows without data are zero. A `quick` answer moves the rows of what is asked
        alone, which takes milliseconds where the model allows it; what the other rows learned goes when it is settled, by `settle`
        or by the next request that isn't quick. Until then the state before the first quick answer is kept, and all it holds.

        Args:
          asked: the request, such as `Asked.read(path)`, instead of the following or with them.
          users, items: ids, any iterable or a single one; with all their interactions.
          interactions: (user, item) pairs.
          missing: what to do about ids that are not in the data: "error" refuses the request before anything is done, "report" does
            the rest and says so for each. What was erased before is answered as done in either case, as far as the key tells.
          quick: answers on the rows concerned, to be settled later.

        Raises:
          DataError: an id that is not in the data, a request for everything, or a store that is open to read only.
          NumericsError: the step was not finite; nothing was changed.
        """
        request = _asked(asked, {"users": users, "items": items, "interactions": interactions})
        if not request:
            raise DataError("the request names nobody: give users, items or interactions.")
        return self._answer("correct" if _only_corrects(request) else "forget", request, missing, quick=quick)

    def correct(
        self,
        corrected: Iterable[Sequence[Any]] | None = None,
        *,
        asked: Asked | None = None,
        missing: Missing = "error",
        quick: bool = False,
    ) -> Answer:
        """Sets labels right: (user, item, label) triples. The rest is as in `forget`."""
        request = _asked(asked, {"corrected": corrected})
        if not _only_corrects(request):
            raise DataError("a correction names (user, item, label), and nothing to forget: use forget for that.")
        return self._answer("correct", request, missing, quick=quick)

    @_one_at_a_time
    def settle(self) -> Answer:
        """One whole step for all that was answered quickly since, from the state before, which is then destroyed.

        The model is afterwards the one that a single whole request for all of it would have given.

        Raises:
          DataError: nothing is to be settled.
          NumericsError: the step was not finite; nothing was changed.
        """
        basis, state = self._basis(), self._state()
        if basis is None:
            raise DataError("nothing is to be settled: every answer was a whole step.")
        request = difference_as_request(basis.model.interactions, state.model.interactions)
        model, report = unlearn(basis.model, request, config=self._config)
        found = State(model, valid=state.valid, test=state.test)
        content = {
            "error": distance(state.model, model, basis.model),
            **lines.evidence(report),
            "counts": lines.sizes(found),
            "config": asdict(self._config or model.step),
            "versions": lines.versions(),
        }
        line = commit.step(self.folder, found, Entry("settle", content), key=self._key)
        self._remember(found)
        return Answer(line.number, "settle", report=report)

    @_one_at_a_time
    def undo(self) -> Answer:
        """Goes back to the state before the last step that isn't undone, while its grace period lasts.

        Raises:
          DataError: there is no such state (any more).
        """
        commit.tidy(self.folder, self._key)
        with database.reading(self.folder) as connection:
            kept = commit.sealed(connection)
            (grace,) = connection.execute("SELECT value FROM facts WHERE name = 'grace'").fetchone()
        kept = [one for one in kept if one.until is not None and one.until > moments.now()]
        if not kept:
            why = "the store keeps no state before a step (grace)" if not float(grace) else "no step is within its grace period"
            raise DataError(f"nothing can be undone: {why}.")
        line = commit.back(
            self.folder, kept[0], Entry("undo", {"undoes": kept[0].undoes, "versions": lines.versions()}), key=self._key
        )
        self._loaded = None
        return Answer(line.number, "undo")

    @_one_at_a_time
    def end_grace(self) -> int:
        """Ends all grace periods now: the states before earlier steps are destroyed. Returns how many there were."""
        return commit.end_grace(self.folder, self._key)

    @_one_at_a_time
    def verify(self, *, seeds: int = 3) -> Verification:
        """Compares the last step with retraining, within its grace period; takes as long as `seeds` trainings.

        Raises:
          DataError: the state before the last step isn't kept, nothing was held out of training, or fewer than two seeds.
        """
        with database.reading(self.folder) as connection:
            kept = commit.sealed(connection)
        if not kept:
            raise DataError("the state before the last step is gone: a step can be verified within its grace period only.")
        before = states.read(self.folder, kept[0].name, **self._of_files())
        found = verify_step(jax.random.key(secrets.randbits(32)), before, self._state(), seeds=seeds)
        content = {"step": kept[0].undoes, "verdict": found.verdict, "why": found.why, "counts": found.counts, "seeds": seeds}
        commit.note(self.folder, Entry("verify", {**content, "versions": lines.versions()}), key=self._key)
        return found

    @_one_at_a_time
    def compact(self) -> Answer:
        """Takes the rows of the erased out of the model, so that not even their number is in it; the next request compiles anew.

        Raises:
          ModelError: a model whose tables have sizes of their own.
        """
        if self._basis() is not None:
            self.settle()
        state = self._state()
        model, order = compact(state.model, np.random.default_rng(secrets.randbits(128)))
        after = State(model, **{name: in_order(part, order) for name, part in state.parts.items()})
        line = commit.step(
            self.folder, after, Entry("compact", {"counts": lines.sizes(after), "versions": lines.versions()}), key=self._key
        )
        self._remember(after)
        return Answer(line.number, "compact")

    @_one_at_a_time
    def export(self, path: str | Path, *, for_serving: bool = True) -> Path:
        """Writes the model alone, compacted, to a file that `load` reads, and notes where: later answers remind of it.

        Args:
          path: of the file, outside of the store.
          for_serving: leaves out the record of the training, which only requests need.
        """
        file = Path(path).resolve()
        if self.folder.resolve() in file.parents:
            raise DataError(f"{file} is in the store: export to another folder.")
        model, _ = compact(self._state().model, np.random.default_rng(secrets.randbits(128)))
        # Before it is written: a file that nobody knows of would not be reminded of.
        content = {"file": str(file), "versions": lines.versions()}

        def remember(connection: Any, line: journal.Line) -> None:
            connection.execute("INSERT INTO exports VALUES (?, ?)", (str(file), line.number))

        commit.note(self.folder, Entry("export", content), key=self._key, also=remember)
        save(model, file, for_serving=for_serving)
        return file

    def history(self) -> list[dict[str, Any]]:
        """The lines of the journal, first to last; of a step also "undone" and "can_be_undone_until"."""
        with database.reading(self.folder) as connection:
            found = [line.content for line in journal.lines(connection)]
            kept = {one.undoes: one.until for one in commit.sealed(connection)}
        undone = {line["undoes"] for line in found if line["kind"] == "undo"}
        for line in found:
            if "undo_until" in line:
                until = kept.get(line["number"])
                line["undone"] = line["number"] in undone
                line["can_be_undone_until"] = None if until is None else moments.as_text(until)
        return found

    def report(self, path: str | Path) -> Path:
        """Writes a page of what was asked and what came of it: one HTML file that names nobody and needs no network."""
        file = Path(path)
        record = check_record(self.folder, self._key)
        told = Told(self.folder.resolve().name, self.history(), record, self._elsewhere())
        write_atomic(file, page(told))
        return file

    def erased(self, *, user: Id | None = None, item: Id | None = None) -> int | None:
        """The line of the journal that erased this user, this item, or the interaction of both; None if none did.

        Raises:
          DataError: neither is given, or the store is open without its key.
        """
        if self._key is None:
            raise DataError("only the operator's key tells who was erased: open the store with key=.")
        data, ids = self.model.interactions, []
        for kind, one in (("user", user), ("item", item)):
            ids += [] if one is None else canonical_ids(data, kind, [one])
        if not ids:
            raise DataError("give a user, an item, or both for their interaction.")
        kind = "pair" if len(ids) == 2 else "item" if user is None else "user"
        with database.reading(self.folder) as connection:
            return self._tags(connection).step(kind, *ids)

    @_one_at_a_time
    def _answer(self, kind: str, asked: Asked, missing: Missing, *, quick: bool = False) -> Answer:
        """Resolves, steps, records."""
        check_missing(missing)
        resolved, state = self._resolved(asked), self._state()
        absent = resolved.of("not in the data")
        if absent and missing == "error":
            hint = "" if self._key is None else " and was not erased before"
            more = f" ({len(absent)} such)" if len(absent) > 1 else ""
            raise DataError(
                f'{absent[0]} is not in the data{hint}{more}: nothing was done. With missing="report" (--missing report) '
                "the rest is done and this is recorded."
            )
        elsewhere = self._elsewhere()
        content: dict[str, Any] = {
            "asked": {name: len(named) for name, named in vars(asked).items() if named},
            "answers": {found: len(resolved.of(found)) for found in ("there", "done already", "not in the data")},
            "versions": lines.versions(),
        }
        if not len(resolved.everything):
            content["tags"] = lines.tags(resolved, [])
            return Answer(self._note(kind, content), kind, resolved.answers, elsewhere=elsewhere)
        model, report = self._unlearned(state, resolved.request, quick=quick)
        before, after = state.model.interactions, model.interactions
        parts = {name: held_out_after(part, resolved.everything, after) for name, part in state.parts.items()}
        found = State(model, **parts)
        held_out = state.held_out - found.held_out
        with database.reading(self.folder) as connection:
            along = taken_along(before, after, resolved.request, self._tags(connection))
            grace = float(connection.execute("SELECT value FROM facts WHERE name = 'grace'").fetchone()[0])
        content |= {
            "tags": lines.tags(resolved, along),
            "counts": {**lines.sizes(found), "held_out_gone": held_out},
            "config": asdict(model.step),
            "quick": quick,
            **lines.evidence(report),
        }
        tags = [*content["tags"]["erased"], *along]
        line = commit.step(self.folder, found, Entry(kind, content, tags, quick), key=self._key, grace=grace)
        self._remember(found)
        return Answer(line.number, kind, resolved.answers, report, held_out, line.content["undo_until"], elsewhere)

    def _unlearned(self, state: State, request: ForgetRequest, *, quick: bool) -> tuple[Prepared, Report]:
        """The step on the rows concerned, or the whole one for this and all that is not settled."""
        basis = self._basis()
        if quick:
            return unlearn(state.model, request, config=replace(self._config or IFRUConfig(), scope=()))
        if basis is None:
            return unlearn(state.model, request, config=self._config or IFRUConfig())
        change = state.model.resolved(request)
        every = difference_as_request(basis.model.interactions, request.applied(state.model.interactions))
        model, report = unlearn(basis.model, every, config=self._config or IFRUConfig())
        # The counts are those of this request.
        return model, replace(report, forgotten=len(change.forgotten), corrected=len(change.corrected))

    def _basis(self) -> State | None:
        """The state before the quick answers that are not settled."""
        with database.reading(self.folder) as connection:
            name = commit.current(connection).basis
        return None if name is None else states.read(self.folder, name, **self._of_files())

    def _note(self, kind: str, content: Mapping[str, Any]) -> int:
        return commit.note(self.folder, Entry(kind, content), key=self._key).number

    def _resolved(self, asked: Asked) -> Resolved:
        state = self._state()
        with database.reading(self.folder) as connection:
            return resolve(asked, state, self._tags(connection))

    def _tags(self, connection: Any) -> Tags:
        (name,) = connection.execute("SELECT value FROM facts WHERE name = 'store'").fetchone()
        return Tags(connection, name, self._key)

    def _elsewhere(self) -> tuple[str, ...]:
        """What a request doesn't reach: files that are still there."""
        with database.reading(self.folder) as connection:
            (sources,) = connection.execute("SELECT value FROM facts WHERE name = 'sources'").fetchone()
            exports = [path for (path,) in connection.execute("SELECT DISTINCT path FROM exports ORDER BY number")]
        return tuple(path for path in [*json.loads(sources), *exports] if Path(path).exists())

    def _state(self) -> State:
        """The current state; read again where another process has gone on."""
        for left in reversed(range(_TRIES)):
            with database.reading(self.folder) as connection:
                now = commit.current(connection)
            if self._loaded is not None and self._loaded[0] == now.name:
                return self._loaded[1]
            try:
                self._loaded = (now.name, states.read(self.folder, now.name, **self._of_files()))
                return self._loaded[1]
            except (FileNotFoundError, DataError):
                # A writer may have destroyed it meanwhile; if not, it is damaged.
                if not left or self._is_current(now):
                    raise
        raise AssertionError

    def _is_current(self, state: Kept) -> bool:
        with database.reading(self.folder) as connection:
            return commit.current(connection).name == state.name

    def _remember(self, state: State) -> None:
        with database.reading(self.folder) as connection:
            self._loaded = (commit.current(connection).name, state)

    def _of_files(self) -> dict[str, Any]:
        """What files of a model that does not ship don't hold."""
        return {name: value for name, value in self._given.items() if value is not None}


def _destroy_what_is_over(folder: Path) -> None:
    """A reader destroys what was sealed until now, unless somebody writes, who will, or it may not write; the line comes later."""
    with contextlib.suppress(StoreBusy, PermissionError):
        lock = Lock.take(folder / creation.LOCK)
        try:
            for kept in commit.over(folder):
                states.destroy(folder, kept.name)
        finally:
            lock.release()


def _asked(asked: Asked | None, named: Mapping[str, Any]) -> Asked:
    unknown = named.keys() - vars(Asked()).keys()
    if unknown:
        raise DataError(f"a request has no {', '.join(sorted(unknown))}: name users, items, interactions or corrected.")
    return (asked or Asked()) | Asked.of(**named)


def _only_corrects(asked: Asked) -> bool:
    return bool(asked.corrected) and len(asked.corrected) == len(asked)
