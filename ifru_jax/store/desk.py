"""A store: a folder with a model, its data and its history, where erasure requests are answered."""

import functools
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import jax
import numpy as np

from ifru_jax.data.forget import Ids
from ifru_jax.data.present import Missing, check_missing
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.evaluation.verdicts import Verification
from ifru_jax.files import write_atomic
from ifru_jax.interop.export import Like
from ifru_jax.models import Recommender
from ifru_jax.store import answering, commit, compaction, creation, database, lines, models, moments, opened, settling
from ifru_jax.store.answers import Answer, Preview
from ifru_jax.store.budget import ErrorBudget, Spent
from ifru_jax.store.commit import Entry
from ifru_jax.store.key import Key
from ifru_jax.store.models import Model
from ifru_jax.store.opened import Opened
from ifru_jax.store.outside import outside
from ifru_jax.store.page import Told, is_page, page
from ifru_jax.store.preview import preview
from ifru_jax.store.record import check_key, check_record
from ifru_jax.store.requests import Asked, Id, plain
from ifru_jax.store.resolve import canonical_ids
from ifru_jax.store.verifying import verify_step
from ifru_jax.training import LossLike
from ifru_jax.unlearning import IFRUConfig, Prepared

P = ParamSpec("P")
R = TypeVar("R")


def _one_at_a_time(method: Callable[Concatenate["Store", P], R]) -> Callable[Concatenate["Store", P], R]:
    """For methods that write: threads take turns, and a store that is open to read only, or was closed, refuses."""

    @functools.wraps(method)
    def turn(self: "Store", *arguments: P.args, **options: P.kwargs) -> R:
        with self._opened.turn:
            if not self._opened.writes:
                raise DataError(f"{self.folder} is open to read only, or was closed: open it for writing.")
            return method(self, *arguments, **options)

    return turn


class Store:
    """A folder that holds a model with its data and its history. `create` makes one, `open` opens it.

    One writes at a time, any number read. A store is in the state before a step or after it, whatever happens to the process or to
    the machine meanwhile (`store.commit`). Close it, or use it in a `with` block, to let others write.
    """

    def __init__(self, opened: Opened) -> None:
        """Of an existing folder; use `open`."""
        self._opened = opened

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._opened.folder

    @classmethod
    def create(
        cls,
        path: str | Path,
        trained: Model,
        *,
        split: Split | None = None,
        key: str | Path | None = None,
        grace: str | None = None,
        sources: Sequence[str | Path] = (),
        budget: ErrorBudget = ErrorBudget(),
    ) -> Self:
        """Makes a store of a trained model, whose users and items it puts into a random order, and opens it for writing.

        Args:
          path: of a folder that isn't there yet, or is empty.
          trained: what `fit` returned, or an exact model; what was erased from it before isn't known to the store.
          split: that it was trained on. Its validation and test interactions are kept, since people are to be erased from them as
            well, and `verify` needs them.
          key: file with the operator's key; None leaves the record without tags, so that nobody can ask who was erased.
          grace: how long a step can be undone, such as "30d"; None: not at all.
          sources: files that the data came from, which a request doesn't change; answers remind of them.
          budget: the error that quick answers may leave before they are settled, and when to advise to retrain.

        Raises:
          DataError: something is there already, no such key, a split of other tables, or no span of time.
        """
        folder, trained = Path(path), models.checked(trained)
        secret, seconds = cls.check_new(folder, key=key, grace=grace)
        lock, state = creation.create(folder, trained, split, creation.Terms(secret, seconds, tuple(map(str, sources)), budget))
        config = trained.step if isinstance(trained, Prepared) else None
        found = Opened(folder, secret, lock, config, models.given(trained))
        found.remember(state)
        return cls(found)

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
        """Opens a store, and destroys what its grace period has run out for. One of an older format is brought to this one.

        Args:
          path: the folder.
          key: file with the operator's key, with which the store was created.
          read_only: leaves writing to another process.
          model, loss: for one that does not ship with ifru_jax; see `load`.
          config: how requests are answered; None takes the defaults.

        Raises:
          DataError: no store, one of a newer version (or, to read only, of an older one), or another key.
          StoreBusy: another process writes; the message says which.
        """
        folder = Path(path)
        with database.reading(folder, older=not read_only) as connection:
            facts = dict(connection.execute("SELECT name, value FROM facts"))
        secret = None if key is None else Key.read(key, folder)
        check_key(secret, facts)
        if secret is None and "key" in facts and not read_only:
            raise DataError(f"{folder} was created with a key, which its record is sealed with: give the key file, or only read.")
        lock = None if read_only else opened.take_lock(folder, secret)
        if lock is None:
            opened.destroy_what_is_over(folder)
        return cls(Opened(folder, secret, lock, config, {"model": model, "loss": loss}))

    def close(self) -> None:
        """Lets others write. What was asked for is on the disk already."""
        if self._opened.lock is not None:
            self._opened.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        with database.reading(self.folder) as connection:
            (count,) = connection.execute("SELECT count(*) FROM journal").fetchone()
            kept = len(commit.sealed(connection))
        how = "writing" if self._opened.writes else "reading"
        return f"Store({str(self.folder)!r}, {how}, {count} lines, {kept} steps that can be undone)"

    @property
    def model(self) -> Model:
        """The model as it is now; a reader sees what writers have done."""
        return self._opened.state.model

    @property
    def split(self) -> Split | None:
        """What the model stands for with what was held out, as it is now; None if nothing was held out."""
        state = self._opened.state
        if state.valid is None or state.test is None:
            return None
        return Split(state.model.interactions, state.valid, state.test)

    @property
    def unsettled(self) -> bool:
        """Whether there are quick answers that are to be settled."""
        return self._opened.current.basis is not None

    @property
    def spent(self) -> Spent:
        """What of the budget of errors is spent, and what to do about it."""
        return self._opened.spent

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
        resolved = self._opened.resolved(_asked(asked, named))
        took = [line["seconds"] for line in self.history() if line.get("seconds")]
        seconds = float(np.mean(took[-5:])) if took else None
        found = preview(self._opened.state, resolved, config=self._opened.config, seconds=seconds, tried=tried, k=k)
        now = self.spent
        return replace(found, spent=now, advice=found.advice or now.advice)

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
        or by the next request that isn't quick, or at once where the error that quick answers leave is estimated to be beyond the
        budget of the store. Until then the state before the first quick answer is kept, and all it holds. Exact models answer whole
        in any case, and so are corrections where negatives were sampled: which of a group was observed may not be known after one.

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
        return settling.settle(self._opened)

    @_one_at_a_time
    def undo(self) -> Answer:
        """Goes back to the state before the last step that isn't undone, while its grace period lasts.

        Raises:
          DataError: there is no such state (any more).
        """
        return settling.undo(self._opened)

    @_one_at_a_time
    def end_grace(self) -> int:
        """Ends all grace periods now: the states before earlier steps are destroyed. Returns how many there were."""
        return commit.end_grace(self.folder, self._opened.key)

    @_one_at_a_time
    def verify(self, *, seeds: int = 3) -> Verification:
        """Compares the last step with retraining, within its grace period; takes as long as `seeds` trainings.

        Raises:
          DataError: the state before the last step isn't kept, nothing was held out of training, or fewer than two seeds.
        """
        with database.reading(self.folder) as connection:
            kept = commit.sealed(connection)
        if not any("undo_until" in line for line in self._opened.lines):
            raise DataError("nothing was asked of this store yet: there is no step to verify.")
        if not kept:
            raise DataError("the state before the last step is gone: a step can be verified within its grace period only.")
        before = self._opened.read(kept[0].name)
        found = verify_step(jax.random.key(secrets.randbits(32)), before, self._opened.state, seeds=seeds)
        content = {"step": kept[0].undoes, "verdict": found.verdict, "why": found.why, "counts": found.counts, "seeds": seeds}
        self._opened.note(Entry("verify", {**content, "versions": lines.versions()}))
        return found

    @_one_at_a_time
    def compact(self) -> Answer:
        """Takes the rows of the erased out of the model, so that not even their number is in it; the next request compiles anew.

        Raises:
          ModelError: a model whose tables have sizes of their own.
        """
        if self.unsettled:
            self.settle()
        return compaction.compacted(self._opened)

    @_one_at_a_time
    def export(self, path: str | Path, *, for_serving: bool = True, like: Like | None = None) -> Path:
        """Writes the model alone, compacted, to a file, and notes where: later answers remind of it.

        Args:
          path: of the file, outside of the store.
          for_serving: leaves out the record of the training, which only requests need.
          like: the system that is to read it, see `interop.export`; the ids of its rows stand beside it, in NAME.ids.json. None: a
            file for `load`, or for `exact.load`.

        Raises:
          DataError: a file is in the store, or is there already and no export of this store.
          ModelError: the system has no file for this model.
        """
        return compaction.exported(self._opened, path, for_serving=for_serving, like=like)

    def history(self) -> list[dict[str, Any]]:
        """The lines of the journal, first to last; of a step also "undone" and "can_be_undone_until"."""
        found = [dict(line) for line in self._opened.lines]
        with database.reading(self.folder) as connection:
            kept = {one.undoes: one.until for one in commit.sealed(connection)}
        undone = {line["undoes"] for line in found if line["kind"] == "undo"}
        for line in found:
            if "undo_until" in line:
                until = kept.get(line["number"])
                line["undone"] = line["number"] in undone
                line["can_be_undone_until"] = None if until is None else moments.as_text(until)
        return found

    def report(self, path: str | Path) -> Path:
        """Writes a page of what was asked and what came of it: one HTML file that names nobody and needs no network.

        Raises:
          DataError: the file is in the store, or is there already and no such page.
        """
        file = outside(self.folder, path, ours=is_page)
        record = check_record(self.folder, self._opened.key)
        told = Told(self.folder.resolve().name, self.history(), record, self.spent, self._opened.elsewhere)
        write_atomic(file, page(told))
        return file

    def erased(self, *, user: Id | None = None, item: Id | None = None) -> int | None:
        """The line of the journal that erased this user, this item, or the interaction of both; None if none did.

        Raises:
          DataError: neither is given, an id that is none, or the store is open without its key.
        """
        if self._opened.key is None:
            raise DataError("only the operator's key tells who was erased: open the store with key=.")
        data, ids = self.model.interactions, []
        for kind, one in (("user", user), ("item", item)):
            ids += [] if one is None else canonical_ids(data, kind, plain([one]))
        if not ids:
            raise DataError("give a user, an item, or both for their interaction.")
        kind = "pair" if len(ids) == 2 else "item" if user is None else "user"
        with database.reading(self.folder) as connection:
            return self._opened.tags(connection).step(kind, *ids)

    @_one_at_a_time
    def _answer(self, kind: str, asked: Asked, missing: Missing, *, quick: bool = False) -> Answer:
        check_missing(missing)
        return answering.answer(self._opened, kind, asked, missing=missing, quick=quick)


def _asked(asked: Asked | None, named: Mapping[str, Any]) -> Asked:
    unknown = named.keys() - vars(Asked()).keys()
    if unknown:
        raise DataError(f"a request has no {', '.join(sorted(unknown))}: name users, items, interactions or corrected.")
    return (asked or Asked()) | Asked.of(**named)


def _only_corrects(asked: Asked) -> bool:
    return bool(asked.corrected) and len(asked.corrected) == len(asked)
